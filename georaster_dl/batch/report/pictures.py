"""Small pictures as PNG, which say themselves what their colours mean."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.output.staging import write_atomically
from georaster_dl.io.scenes.scene import Scene, SceneReader
from georaster_dl.render.display import Colors

__all__ = [
    "Drawing",
    "Limits",
    "Meaning",
    "Thumbnail",
    "is_fresh",
    "read_picture",
    "small_view",
    "with_alpha",
    "write_picture",
]

_LONGEST = 320  # pixels of a side
_LIMITS, _OWN, _BANDS, _QUANTITY = "ramp", "own", "bands", "quantity"  # what a PNG says of itself

Limits: TypeAlias = tuple[float, float]
"""Values shown darkest and brightest."""


@dataclass(frozen=True)
class Meaning:
    """What the colours of a picture mean.

    Attributes
    ----------
    quantity : what it shows, with its unit; empty where it shows none.
    limits : on whose scale the quantity is shown.
    own : the 2nd and 98th percentile of the quantity in this very picture.
    bands : names of those shown as red, green and blue, where it shows such.
    """

    quantity: str = ""
    limits: Limits | None = None
    own: Limits | None = None
    bands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Thumbnail:
    """A small picture.

    Attributes
    ----------
    path : PNG, transparent where the raster has no data.
    size : width and height in pixels.
    meaning : of its colours.
    """

    path: Path
    size: tuple[int, int]
    meaning: Meaning


@dataclass(frozen=True)
class Drawing:
    """(rows, cols, 4) red, green, blue, alpha in 0..1, and what these mean."""

    colors: Colors
    meaning: Meaning = Meaning()


def is_fresh(path: Path, raster: Path) -> bool:
    """Whether a picture is there and no older than the raster it belongs to."""
    return path.is_file() and path.stat().st_mtime_ns >= raster.stat().st_mtime_ns


def small_view(scene: Scene) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Stored numbers and valid mask of a view of it all; GDAL takes it from the best overview."""
    rows, cols = scene.shape
    step = max(rows, cols) / min(_LONGEST, max(rows, cols))
    shape = (max(round(rows / step), 1), max(round(cols / step), 1))
    out = np.empty((len(scene.planes), *shape), scene.dtype)
    with gdal_environment(), SceneReader(scene) as reader:
        numbers, valid = reader.read(slice(0, rows), slice(0, cols), out=out)
    return numbers.astype(np.float64) if numbers.dtype.kind == "f" else numbers, valid


def with_alpha(colors: Colors, valid: npt.NDArray[np.bool_]) -> Colors:
    """(rows, cols, 4) of (rows, cols, 3), transparent where nothing is valid."""
    return np.concatenate([colors, valid[..., None]], axis=-1)


def write_picture(drawing: Drawing, path: Path) -> None:
    """Write a PNG; raises OutputError where that cannot be."""
    from PIL.PngImagePlugin import PngInfo

    note, meaning = PngInfo(), drawing.meaning
    for key, limits in ((_LIMITS, meaning.limits), (_OWN, meaning.own)):
        if limits is not None:
            note.add_text(key, "{!r} {!r}".format(*limits))
    note.add_text(_BANDS, json.dumps(meaning.bands))
    note.add_text(_QUANTITY, json.dumps(meaning.quantity))
    content = io.BytesIO()
    image = Image.fromarray(np.round(drawing.colors * 255).astype(np.uint8))
    image.save(content, format="PNG", pnginfo=note)
    write_atomically(path, content.getbuffer())


def read_picture(path: Path) -> Thumbnail:
    """What is known of a picture that ``write_picture`` made, without decoding it.

    Raises
    ------
    UnidentifiedImageError
        When another program made it.
    """
    try:
        with Image.open(path) as image:
            said = {str(key): str(text) for key, text in image.info.items()}
            return Thumbnail(path, image.size, _meaning(said))
    except (ValueError, TypeError, RecursionError, Image.DecompressionBombError) as error:
        raise UnidentifiedImageError(f"{path} is another program's picture") from error


def _meaning(said: Mapping[str, str]) -> Meaning:
    quantity = json.loads(said.get(_QUANTITY, '""'))
    bands = json.loads(said.get(_BANDS, "[]"))
    if not isinstance(bands, list) or not all(isinstance(text, str) for text in (quantity, *bands)):
        raise TypeError("the quantity and the bands are no texts")
    return Meaning(quantity, _limits(said.get(_LIMITS)), _limits(said.get(_OWN)), tuple(bands))


def _limits(text: str | None) -> Limits | None:
    if text is None:
        return None
    low, high = text.split()
    return float(low), float(high)
