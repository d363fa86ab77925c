"""Small pictures of finished rasters, drawn from their overviews."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import UnidentifiedImageError

from georaster_dl.batch.pictures import (
    Colors,
    Drawing,
    Thumbnail,
    is_fresh,
    read_picture,
    small_view,
    with_alpha,
    write_picture,
)
from georaster_dl.errors import SceneError
from georaster_dl.io.raster_labels import stated_classes
from georaster_dl.io.reader import open_scene
from georaster_dl.io.scene import open_dataset
from georaster_dl.io.style import ramp_limits
from georaster_dl.legend import MapClass

__all__ = ["thumbnail"]


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
        drawn = None if is_fresh(path, raster) else _drawn(raster)
    except (SceneError, FileNotFoundError):
        return None
    if drawn is not None:
        write_picture(drawn, path)
    with suppress(UnidentifiedImageError):  # it is another program's by now
        return read_picture(path)
    return None


def _drawn(raster: Path) -> Drawing:
    classes = stated_classes(raster)
    if classes:
        numbers, valid = small_view(open_scene(raster).select([0]))
        return Drawing(_of_classes(numbers[0], valid, classes))
    scene = open_scene(raster)
    if _content(raster) == "features" and len(scene.planes) >= 3:
        scene = scene.select([0, 1, 2])
        numbers, valid = small_view(scene)
        shown = [_stretched(band, valid, *ramp_limits(band[valid])) for band in numbers]
        names = tuple(band.name for band in scene.bands)
        return Drawing(with_alpha(np.stack(shown, axis=-1), valid), bands=names)
    numbers, valid = small_view(scene.select([0]))
    plane = scene.planes[0]
    low, high = ramp_limits(numbers[0][valid] * plane.scale + plane.offset)
    share = _stretched(numbers[0] * plane.scale + plane.offset, valid, low, high)
    return Drawing(with_alpha(_ramp(share), valid), limits=(low, high))


def _content(raster: Path) -> str:
    with open_dataset(str(raster)) as dataset:
        return str(dataset.tags().get("GEORASTER_DL_CONTENT", "map"))


def _of_classes(
    values: npt.NDArray[Any], valid: npt.NDArray[np.bool_], classes: list[MapClass]
) -> Colors:
    shown = np.zeros((*values.shape, 3))
    known = np.zeros(values.shape, bool)
    for entry in classes:
        here = values == entry.value
        shown[here] = np.array(entry.color) / 255
        known |= here
    return with_alpha(shown, valid & known)


def _stretched(
    values: npt.NDArray[Any], valid: npt.NDArray[np.bool_], low: float, high: float
) -> Colors:
    share: Colors = np.clip((np.where(valid, values, low) - low) / (high - low), 0, 1)
    return share


def _ramp(share: Colors) -> Colors:
    from matplotlib import colormaps

    colors: Colors = colormaps["viridis"](share)[..., :3]
    return colors
