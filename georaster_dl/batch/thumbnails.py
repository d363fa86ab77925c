"""Small pictures of finished rasters, drawn from their overviews."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from PIL import UnidentifiedImageError

from georaster_dl.batch.pictures import (
    Drawing,
    Thumbnail,
    is_fresh,
    read_picture,
    small_view,
    with_alpha,
    write_picture,
)
from georaster_dl.errors import SceneError
from georaster_dl.io.display import class_colors, ramp_colors, ramp_limits, stretched
from georaster_dl.io.raster_labels import stated_classes
from georaster_dl.io.reader import open_scene
from georaster_dl.io.scene import open_dataset

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
        colors, known = class_colors(numbers[0], classes)
        return Drawing(with_alpha(colors, valid & known))
    scene = open_scene(raster)
    if _content(raster) == "features" and len(scene.planes) >= 3:
        scene = scene.select([0, 1, 2])
        numbers, valid = small_view(scene)
        names = tuple(band.name for band in scene.bands)
        return Drawing(with_alpha(stretched(numbers, valid), valid), bands=names)
    numbers, valid = small_view(scene.select([0]))
    plane = scene.planes[0]
    values = numbers[0] * plane.scale + plane.offset
    limits = ramp_limits(values[valid])
    return Drawing(with_alpha(ramp_colors(values, limits), valid), limits=limits)


def _content(raster: Path) -> str:
    with open_dataset(str(raster)) as dataset:
        return str(dataset.tags().get("GEORASTER_DL_CONTENT", "map"))
