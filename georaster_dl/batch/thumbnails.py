"""Small pictures of finished rasters, drawn from their overviews."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from georaster_dl.errors import SceneError
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.raster_labels import stated_classes
from georaster_dl.io.reader import open_scene
from georaster_dl.io.scene import Scene, SceneReader, open_dataset
from georaster_dl.io.staging import explain_os_error
from georaster_dl.io.style import ramp_limits
from georaster_dl.legend import MapClass

__all__ = ["Thumbnail", "thumbnail"]

_LONGEST = 320  # pixels of a side
_LIMITS = "ramp"  # the picture's own note of what its colours mean

_Colors = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Thumbnail:
    """A small picture.

    Attributes
    ----------
    path : PNG, transparent where the raster has no data.
    size : width and height in pixels.
    limits : values shown darkest and brightest, where it shows values.
    """

    path: Path
    size: tuple[int, int]
    limits: tuple[float, float] | None


def thumbnail(raster: Path, path: Path) -> Thumbnail | None:
    """The picture of a raster, drawn where it is missing or older than the raster.

    Classes in their own colours, a quantity's first band on a ramp from its 2nd to its 98th
    percentile, features 1 to 3 as red, green and blue.

    Parameters
    ----------
    path : PNG to make, in a folder that exists.

    Returns
    -------
    None where the raster, or a picture of that name, cannot be read.

    Raises
    ------
    OutputError
        When the picture cannot be written.
    """
    try:
        fresh = path.is_file() and path.stat().st_mtime_ns >= raster.stat().st_mtime_ns
        drawn = None if fresh else _drawn(raster)
    except (SceneError, FileNotFoundError):
        return None
    if drawn is not None:
        _write(*drawn, path)
    with suppress(UnidentifiedImageError):  # it is another program's by now
        return _read(path)
    return None


def _drawn(raster: Path) -> tuple[_Colors, tuple[float, float] | None]:
    """(rows, cols, 4) red, green, blue, alpha in 0..1, and the limits of a ramp."""
    classes = stated_classes(raster)
    if classes:
        numbers, valid = _small(open_scene(raster).select([0]))
        return _of_classes(numbers[0], valid, classes), None
    scene = open_scene(raster)
    if _content(raster) == "features" and len(scene.planes) >= 3:
        numbers, valid = _small(scene.select([0, 1, 2]))
        shown = [_stretched(band, valid, *ramp_limits(band[valid])) for band in numbers]
        return _with_alpha(np.stack(shown, axis=-1), valid), None
    numbers, valid = _small(scene.select([0]))
    plane = scene.planes[0]
    low, high = ramp_limits(numbers[0][valid] * plane.scale + plane.offset)
    share = _stretched(numbers[0] * plane.scale + plane.offset, valid, low, high)
    return _with_alpha(_ramp(share), valid), (low, high)


def _content(raster: Path) -> str:
    with open_dataset(str(raster)) as dataset:
        return str(dataset.tags().get("GEORASTER_DL_CONTENT", "map"))


def _small(scene: Scene) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Stored numbers and valid mask of a view of it all; GDAL takes it from the best overview."""
    rows, cols = scene.shape
    step = max(rows, cols) / min(_LONGEST, max(rows, cols))
    shape = (max(round(rows / step), 1), max(round(cols / step), 1))
    out = np.empty((len(scene.planes), *shape), scene.dtype)
    with gdal_environment(), SceneReader(scene) as reader:
        numbers, valid = reader.read(slice(0, rows), slice(0, cols), out=out)
    return numbers.astype(np.float64) if numbers.dtype.kind == "f" else numbers, valid


def _of_classes(
    values: npt.NDArray[Any], valid: npt.NDArray[np.bool_], classes: list[MapClass]
) -> _Colors:
    shown = np.zeros((*values.shape, 3))
    known = np.zeros(values.shape, bool)
    for entry in classes:
        here = values == entry.value
        shown[here] = np.array(entry.color) / 255
        known |= here
    return _with_alpha(shown, valid & known)


def _stretched(
    values: npt.NDArray[Any], valid: npt.NDArray[np.bool_], low: float, high: float
) -> _Colors:
    share: _Colors = np.clip((np.where(valid, values, low) - low) / (high - low), 0, 1)
    return share


def _ramp(share: _Colors) -> _Colors:
    from matplotlib import colormaps

    colors: _Colors = colormaps["viridis"](share)[..., :3]
    return colors


def _with_alpha(colors: _Colors, valid: npt.NDArray[np.bool_]) -> _Colors:
    return np.concatenate([colors, valid[..., None]], axis=-1)


def _write(colors: _Colors, limits: tuple[float, float] | None, path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    note = PngInfo()
    if limits is not None:
        note.add_text(_LIMITS, f"{limits[0]:.9g} {limits[1]:.9g}")
    temporary = path.with_name(f".{path.name}")
    try:
        image = Image.fromarray(np.round(colors * 255).astype(np.uint8))
        image.save(temporary, format="PNG", pnginfo=note)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise explain_os_error(error, path) from error


def _read(path: Path) -> Thumbnail:
    with Image.open(path) as image:
        limits = None
        with suppress(KeyError):
            low, high = image.info[_LIMITS].split()
            limits = float(low), float(high)
        return Thumbnail(path, image.size, limits)
