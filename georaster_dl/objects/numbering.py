"""Objects of a class map, cleaned and numbered in a raster: memory grows with their number, not with the map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.io.vectors.class_raster import ClassRaster, Shares, write_numbers
from georaster_dl.io.vectors.polygons import NumberedObjects
from georaster_dl.objects.merging import Groups
from georaster_dl.objects.options import PolygonOptions
from georaster_dl.objects.regions import OUTSIDE, Regions, find_regions
from georaster_dl.render.palette import choose_colors

__all__ = ["STRIP_PIXELS", "number_objects"]

STRIP_PIXELS = 2**22  # some 200 MiB with all that is computed of them


def number_objects(
    source: ClassRaster,
    stated: Sequence[MapClass],
    options: PolygonOptions,
    raster: Path,
    *,
    strip_pixels: int = STRIP_PIXELS,
) -> tuple[NumberedObjects, Legend]:
    """Clean the areas of a map as the options ask and write the number of each object.

    Parameters
    ----------
    stated : classes that the map names; others that it holds are called by their value.
    raster : file to make, of the objects' numbers.
    strip_pixels : pixels that are read at a time, on which no number depends.

    Returns
    -------
    The objects, and the classes of the map.

    Raises
    ------
    OptionError
        When the options name a class that is not there, or an area that cannot be known.
    """
    regions = find_regions(source.read, source.strips(strip_pixels))
    legend = _legend(stated, regions, source)
    groups = Groups(regions, source.nodata)
    if options.smallest is not None:
        groups.merge_small(options.smallest.pixels(source.pixel_m2))
    dropped = options.dropped_values(legend)
    if dropped:
        groups.drop(dropped)
    if options.largest_hole is not None:
        groups.fill_holes(options.largest_hole.pixels(source.pixel_m2))
    is_object = groups.values >= 0
    of_region = np.where(is_object, np.cumsum(is_object), 0).astype(np.int32)[groups.of_region]
    means = None if options.confidence is None else _Means(int(is_object.sum()))
    shares = None if options.confidence is None else Shares(options.confidence, source)
    with write_numbers(raster, source.shape) as write:
        for rows, areas in regions.numbers():
            numbers = of_region[areas]
            write(rows, numbers)
            if means is not None and shares is not None:
                means.add(numbers, *shares.read(rows))
    confidence = None
    if means is not None and shares is not None:
        confidence = means.values(shares.scale, shares.offset)
        shares.close()
    classes = np.concatenate([[0], groups.values[is_object]])
    return NumberedObjects(raster, classes, confidence), legend


def _legend(stated: Sequence[MapClass], regions: Regions, source: ClassRaster) -> Legend:
    """Classes that the map names, and those that it only holds."""
    held = np.unique(np.delete(regions.values, OUTSIDE)).tolist()
    known = {one.value for one in stated}
    others = [value for value in held if value not in known and value != source.nodata]
    if not stated and not others:
        others = [0]  # nothing but nodata: an empty layer
    if others and (min(others) < 0 or max(others) > 65534):
        raise OptionError(
            f"{source.path} holds the values {min(others)} to {max(others)}, but classes are whole numbers from 0 to 65534; "
            f"state its nodata value (gdal_edit -a_nodata), or give a map of classes."
        )
    names = [f"class {value}" for value in others]
    colors = choose_colors(
        [*(one.name for one in stated), *names],
        [*(one.color for one in stated), *(None,) * len(others)],
    )[len(stated) :]
    more = [MapClass(*each) for each in zip(others, names, colors, strict=True)]
    return Legend((*stated, *more))


class _Means:
    """Mean of a raster over each object, by sums."""

    def __init__(self, n: int) -> None:
        self._sums = np.zeros(n + 1)
        self._counts = np.zeros(n + 1)

    def add(
        self,
        numbers: npt.NDArray[np.int32],
        stored: npt.NDArray[np.float64],
        valid: npt.NDArray[np.bool_],
    ) -> None:
        """Take a strip."""
        there, n = numbers[valid], len(self._sums)
        self._counts += np.bincount(there, minlength=n)
        self._sums += np.bincount(there, weights=stored[valid], minlength=n)

    def values(self, scale: float, offset: float) -> npt.NDArray[np.float64]:
        """Means (n + 1,), to six digits; NaN where an object has no valid pixel."""
        with np.errstate(invalid="ignore"):
            means = self._sums / np.where(self._counts > 0, self._counts, np.nan)
        return np.asarray(np.round(means * scale + offset, 6), np.float64)
