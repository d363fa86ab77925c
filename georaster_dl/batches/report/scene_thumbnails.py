"""Small pictures of scenes, where they cost little."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from georaster_dl.core.errors import GeoRasterError
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.files.atomic import write_atomically
from georaster_dl.io.formats import stac
from georaster_dl.io.scenes.dataset import open_dataset
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.io.scenes.scene import Scene, source_files
from georaster_dl.render.stretch import red_green_blue, stretched
from georaster_dl.render.thumbnails import (
    LONGEST,
    Drawing,
    Meaning,
    Thumbnail,
    is_fresh,
    read_thumbnail,
    thumbnail_png,
    with_alpha,
)

__all__ = ["scene_thumbnail"]

_MOST_PIXELS = 16e6  # that are decoded of a band
_FAR = re.compile(r"\w://|/vsi(?!zip|tar|gzip)")


def scene_thumbnail(
    sources: Sequence[str], options: SceneOptions, raster: Path, path: Path
) -> Thumbnail | None:
    """The picture of the scene that a raster was made of, drawn where missing or older than that.

    In natural or false colours or in grey, whatever its bands allow.

    Parameters
    ----------
    sources : paths of the scene.
    options : with which it was read.
    path : PNG to make, in a folder that exists.

    Returns
    -------
    None where the scene lies elsewhere, cannot be read, or takes long to, having no overviews; and
    where the picture cannot be written.
    """
    if not sources or not all(map(_is_here, sources)):
        return None
    with suppress(GeoRasterError, OSError):
        if not is_fresh(path, raster):
            drawn = _of_scene(open_scene(sources, options))
            if drawn is None:
                return None
            write_atomically(path, thumbnail_png(drawn))
        return read_thumbnail(path)
    return None


def _is_here(source: str) -> bool:
    """Whether nothing has to be fetched, be it for an item's files."""
    if _FAR.search(source):
        return False
    try:
        files = [asset.href for asset in stac.read_item(source)] if stac.is_item(source) else []
    except GeoRasterError:
        return False
    return not any(map(_FAR.search, files))


def _of_scene(scene: Scene) -> Drawing | None:
    scene = scene.select(red_green_blue(scene.bands))
    if any(map(_FAR.search, source_files(scene))) or not _is_quick(scene):
        return None
    stored, valid = scene.read_small(LONGEST)
    shown = stretched(scene.to_physical(stored), valid)
    names = tuple(band.name for band in scene.bands)
    return Drawing(with_alpha(shown, valid), Meaning(bands=names))


def _is_quick(scene: Scene) -> bool:
    """Whether overviews, or the scene being small, spare decoding much of it."""
    for plane in scene.planes:
        with gdal_environment(), open_dataset(plane.path) as dataset:
            coarsest: int = max(dataset.overviews(plane.index), default=1)
            if math.prod(dataset.shape) > _MOST_PIXELS * coarsest**2:
                return False
    return True
