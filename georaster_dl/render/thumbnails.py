"""Thumbnails as PNG files that note the meaning of their colours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from georaster_dl.render.colors import Colors
from georaster_dl.render.png import as_image, encoded

__all__ = [
    "LONGEST",
    "Drawing",
    "Limits",
    "Meaning",
    "Thumbnail",
    "is_fresh",
    "read_thumbnail",
    "thumbnail_png",
    "with_alpha",
]

LONGEST = 320
"""Pixels along the longer side of a thumbnail."""

_LIMITS, _OWN, _BANDS, _QUANTITY = "ramp", "own", "bands", "quantity"  # what a PNG says of itself

Limits: TypeAlias = tuple[float, float]
"""Values shown darkest and brightest."""


@dataclass(frozen=True)
class Meaning:
    """Meaning of the colours of a picture.

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
    """A picture on disk.

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
    """Red, green, blue, alpha in 0..1 as (rows, cols, 4), and their meaning."""

    colors: Colors
    meaning: Meaning = Meaning()


def is_fresh(path: Path, raster: Path) -> bool:
    """Return whether a picture exists and is no older than its raster."""
    return path.is_file() and path.stat().st_mtime_ns >= raster.stat().st_mtime_ns


def with_alpha(colors: Colors, valid: npt.NDArray[np.bool_]) -> Colors:
    """Make colours (rows, cols, 3) transparent where nothing is valid: (rows, cols, 4)."""
    return np.concatenate([colors, valid[..., None]], axis=-1)


def thumbnail_png(drawing: Drawing) -> bytes:
    """Encode a drawing and its meaning as PNG."""
    from PIL.PngImagePlugin import PngInfo

    note, meaning = PngInfo(), drawing.meaning
    for key, limits in ((_LIMITS, meaning.limits), (_OWN, meaning.own)):
        if limits is not None:
            note.add_text(key, "{!r} {!r}".format(*limits))
    note.add_text(_BANDS, json.dumps(meaning.bands))
    note.add_text(_QUANTITY, json.dumps(meaning.quantity))
    return encoded(as_image(drawing.colors), pnginfo=note)


def read_thumbnail(path: Path) -> Thumbnail:
    """Read size and meaning of a PNG of ``thumbnail_png``, without decoding it.

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
