"""Small pictures of finished rasters, drawn from their overviews."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from PIL import UnidentifiedImageError

from georaster_dl.core.errors import SceneError
from georaster_dl.io.files.atomic import write_atomically
from georaster_dl.io.labels.raster import stated_classes
from georaster_dl.io.output.provenance import fraction_bands, tags_of
from georaster_dl.io.scenes.dataset import open_dataset
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.render.colors import class_colors, mixed_colors, ramp_colors, ramp_limits
from georaster_dl.render.palette import choose_colors
from georaster_dl.render.stretch import stretched
from georaster_dl.render.thumbnails import (
    LONGEST,
    Drawing,
    Limits,
    Meaning,
    Thumbnail,
    is_fresh,
    read_thumbnail,
    thumbnail_png,
    with_alpha,
)

__all__ = ["thumbnail", "thumbnails"]


def thumbnails(rasters: Mapping[Path, Path]) -> dict[Path, Thumbnail | None]:
    """Pictures of rasters, those of one quantity on one scale.

    It spans from the least 2nd to the greatest 98th percentile of all of them.

    Parameters
    ----------
    rasters : by the PNGs to make, as ``thumbnail`` takes them.
    """
    made = {path: thumbnail(raster, path) for path, raster in rasters.items()}
    scales: dict[str, Limits] = {}
    for one in filter(None, made.values()):
        if one.meaning.own is not None:
            low, high = one.meaning.own
            least, most = scales.get(one.meaning.quantity, one.meaning.own)
            scales[one.meaning.quantity] = min(low, least), max(high, most)
    for path, found in made.items():
        if found is not None and found.meaning.own is not None:
            scale = _rounded(*scales[found.meaning.quantity])
            made[path] = thumbnail(rasters[path], path, scale)
    return made


def thumbnail(raster: Path, path: Path, scale: Limits | None = None) -> Thumbnail | None:
    """The picture of a raster, drawn where it is missing, older than the raster, or on another scale.

    Classes in their own colours, those of fractions mixed as the pixels are, a quantity's first band on a
    ramp, features 1 to 3 as red, green and blue.

    Parameters
    ----------
    path : PNG to make, in a folder that exists.
    scale : values of a quantity shown darkest and brightest; None takes the scale that the picture
        has, or that of the raster itself.

    Returns
    -------
    None where the raster, or a picture of that name, cannot be read.

    Raises
    ------
    OutputError
        When the picture cannot be written.
    """
    try:
        drawn = None if _is_drawn(path, raster, scale) else _drawn(raster, scale)
    except (SceneError, FileNotFoundError):
        return None
    if drawn is not None:
        write_atomically(path, thumbnail_png(drawn))
    with suppress(UnidentifiedImageError):  # it is another program's by now
        return read_thumbnail(path)
    return None


def _is_drawn(path: Path, raster: Path, scale: Limits | None) -> bool:
    if not is_fresh(path, raster):
        return False
    with suppress(UnidentifiedImageError):
        meaning = read_thumbnail(path).meaning
        named = (meaning.own is None) == (meaning.limits is None)  # else an older version drew it
        return named and scale in (None, meaning.limits)
    return True


def _rounded(low: float, high: float) -> Limits:
    """Limits at least as wide, in steps of a tenth or less: a further scene hardly moves them."""
    step = 10.0 ** (math.floor(math.log10(high - low)) - 1)
    digits = max(0, -round(math.log10(step)))
    return round(math.floor(low / step) * step, digits), round(
        math.ceil(high / step) * step, digits
    )


def _drawn(raster: Path, scale: Limits | None) -> Drawing:
    classes = stated_classes(raster)
    if classes:
        numbers, valid = open_scene(raster).select([0]).read_small(LONGEST)
        colors, known = class_colors(numbers[0], classes)
        return Drawing(with_alpha(colors, valid & known))
    scene = open_scene(raster)
    tags = tags_of(raster)
    if tags.get("GEORASTER_DL_CONTENT") == "features" and len(scene.planes) >= 3:
        scene = scene.select([0, 1, 2])
        numbers, valid = scene.read_small(LONGEST)
        names = tuple(band.name for band in scene.bands)
        return Drawing(with_alpha(stretched(numbers, valid), valid), Meaning(bands=names))
    fractions = fraction_bands(tags)
    if fractions > 1:
        scene = scene.select(range(fractions))
        stored, valid = scene.read_small(LONGEST)
        palette = choose_colors([band.name for band in scene.bands])
        colors, known = mixed_colors(scene.to_physical(stored), palette)
        return Drawing(with_alpha(colors, valid & known))
    scene = scene.select([0])
    stored, valid = scene.read_small(LONGEST)
    values = scene.to_physical(stored)[0]
    own = ramp_limits(values[valid])
    colors = ramp_colors(values, scale or own)
    return Drawing(with_alpha(colors, valid), Meaning(_quantity(raster), scale or own, own))


def _quantity(raster: Path) -> str:
    """Format the name and unit of the first band."""
    with open_dataset(str(raster)) as dataset:
        name, unit = dataset.descriptions[0] or "value", dataset.units[0]
    return f"{name} ({unit})" if unit else str(name)
