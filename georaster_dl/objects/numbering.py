"""Objects of a class map, cleaned and numbered in a raster: memory grows with their number, not with the map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.core.wording import counted
from georaster_dl.io.vectors.class_raster import ClassRaster, NumberRaster, Shares
from georaster_dl.objects.merging import NO_CLASS, Groups
from georaster_dl.objects.options import PolygonOptions
from georaster_dl.objects.regions import OUTSIDE, Regions, find_regions
from georaster_dl.objects.touching import LARGEST, split_touching
from georaster_dl.render.palette import choose_colors
from georaster_dl.tiling.pixel_sizes import PixelSizes

__all__ = ["STRIP_PIXELS", "Numbered", "number_objects"]

STRIP_PIXELS = 2**22  # some 200 MiB with all that is computed of them


@dataclass(frozen=True)
class Numbered:
    """Objects by their numbers.

    Attributes
    ----------
    classes : (n + 1,) class of each.
    confidence : (n + 1,) mean confidence of each, NaN where unknown; None where not asked for.
    legend : classes of the map.
    fewest : (rows,) pixels that an object at each row has at least.
    """

    classes: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64] | None
    legend: Legend
    fewest: npt.NDArray[np.float64]


def number_objects(
    source: ClassRaster,
    stated: Sequence[MapClass],
    options: PolygonOptions,
    raster: Path,
    *,
    strip_pixels: int = STRIP_PIXELS,
    warn: Callable[[str], None] = lambda _message: None,
) -> Numbered:
    """Clean the areas of a map as the options ask and write the number of each object.

    Parameters
    ----------
    stated : classes that the map names; others that it holds are called by their value.
    raster : file to make, of the objects' numbers.
    strip_pixels : pixels that are read at a time, on which no object depends.
    warn : called with every warning.

    Raises
    ------
    OptionError
        When the options name a class that is not there, or an area that cannot be known.
    """
    sizes = PixelSizes.of(source.geobox, options.smallest, options.largest_hole)
    regions = find_regions(source.read, source.strips(strip_pixels), sizes.weights)
    legend = _legend(stated, regions, source)
    groups = Groups(regions, source.nodata)
    least = 0.0 if options.smallest is None else sizes.of_area(options.smallest)
    held = set(np.unique(groups.values).tolist()) - {NO_CLASS}
    if least:
        groups.merge_small(least)
    dropped = options.dropped_values(legend)
    if dropped:
        groups.drop(dropped)
    if options.largest_hole is not None:
        groups.fill_holes(sizes.of_area(options.largest_hole))
    is_object = groups.values >= 0
    of_region = np.where(is_object, np.cumsum(is_object), 0).astype(np.int32)[groups.of_region]
    with NumberRaster(raster, source.shape) as file:
        for rows, areas in regions.numbers():
            file.write(of_region[areas], rows)
    classes = np.concatenate([[0], groups.values[is_object]])
    if options.split_touching:
        classes = classes[
            _split(
                raster, source, options, len(classes) - 1, least, sizes.weights, strip_pixels, warn
            )
        ]
    confidence = None
    if options.confidence is not None:
        with closing(Shares(options.confidence, source, "confidence")) as shares:
            confidence = _means(raster, shares, len(classes), strip_pixels)
    if len(classes) == 1:
        warn(_nothing(options, held, dropped))
    return Numbered(classes, confidence, legend, least / np.maximum(sizes.weights, 1))


def _split(
    raster: Path,
    source: ClassRaster,
    options: PolygonOptions,
    n: int,
    least: float,
    weights: npt.NDArray[np.int64],
    strip_pixels: int,
    warn: Callable[[str], None],
) -> npt.NDArray[np.int64]:
    """Separate objects that touch; the object (m + 1,) that each is part of."""
    with ExitStack() as stack:
        boundaries = None
        if options.boundaries is not None:
            shares = Shares(options.boundaries, source, "boundaries")
            boundaries = stack.enter_context(closing(shares)).read
        of, too_large = split_touching(
            raster, strip_pixels, n, boundaries, least=least, weights=weights
        )
    if too_large:
        warn(
            f"{counted(too_large, 'object')} of more than {LARGEST:,} pixels (with what is around it) stayed whole; "
            f"`split_touching=` is for groups of buildings, crowns or fields"
        )
    return of


def _nothing(options: PolygonOptions, held: set[int], dropped: Sequence[int]) -> str:
    """Say why there are no polygons of a map that holds these values."""
    if not held:
        why = "every pixel of the map is nodata; check its nodata value"
    elif not held.difference(dropped):
        why = "the map holds no pixel of the classes to keep"
    else:
        why = f"no area is as large as `min_area={options.min_area}`"
    return f"No polygons: {why}."


def _legend(stated: Sequence[MapClass], regions: Regions, source: ClassRaster) -> Legend:
    """Classes that the map names, and those that it only holds."""
    held = np.unique(np.delete(regions.values, OUTSIDE)).tolist()
    known = {one.value for one in stated}
    others = [value for value in held if value not in known and value != source.nodata]
    if not stated and not others:
        raise OptionError(
            f"{source.path} has no pixel of a class: every pixel is nodata; check its nodata value."
        )
    if others and (min(others) < 0 or max(others) > 65534):
        raise OptionError(
            f"{source.path} holds the values {min(others)} to {max(others)}, but classes are whole numbers from 0 to 65534; "
            f"state its nodata value (gdal_edit -a_nodata), or give a map of classes."
        )
    names = [str(value) for value in others]
    colors = choose_colors(
        [*(one.name for one in stated), *names],
        [*(one.color for one in stated), *(None,) * len(others)],
    )[len(stated) :]
    more = [MapClass(*each) for each in zip(others, names, colors, strict=True)]
    return Legend((*stated, *more))


def _means(raster: Path, shares: Shares, n: int, strip_pixels: int) -> npt.NDArray[np.float64]:
    """Average a raster over each of ``n`` objects, to six digits; NaN for objects without a valid pixel."""
    sums, counts = np.zeros((2, n))
    with NumberRaster(raster) as file:
        for rows in file.strips(strip_pixels):
            stored, valid = shares.stored(rows, slice(0, file.shape[1]))
            there = file.read(rows)[valid]
            counts += np.bincount(there, minlength=n)
            sums += np.bincount(there, weights=stored[valid], minlength=n)
    means = sums / np.where(counts > 0, counts, np.nan)
    return np.asarray(np.round(means * shares.scale + shares.offset, 6), np.float64)
