"""Outlines of the objects of a raster, some at a time, changed as the options ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.core.wording import counted
from georaster_dl.io.vectors.class_raster import NumberRaster
from georaster_dl.objects.extents import find_extents
from georaster_dl.objects.options import PolygonOptions
from georaster_dl.objects.outlines.clusters import find_clusters, in_order
from georaster_dl.objects.outlines.limits import LEAST_IOU, Limits
from georaster_dl.objects.outlines.reshaping import Reshaping
from georaster_dl.objects.outlines.tracing import Chunk, traced

__all__ = ["outlines"]


def outlines(
    raster: Path,
    n: int,
    options: PolygonOptions,
    strip_pixels: int,
    fewest: npt.NDArray[np.float64],
    warn: Callable[[str], None],
) -> Iterator[Chunk]:
    """Outline objects, in an order that does not depend on the strips.

    Where outlines are changed, objects that are near each other come together (``find_clusters``).

    Parameters
    ----------
    raster : of their numbers.
    n : objects in it, numbered from 1.
    fewest : (rows,) pixels that an object at each row has at least.
    warn : called with every warning.

    Yields
    ------
    Polygons in cols and rows, and the number of each.
    """
    if not n:
        return
    with NumberRaster(raster) as file:
        strips = file.strips(strip_pixels)
        extents = find_extents(file.read, strips, n)
        if not options.changes_outlines:
            order, ready = in_order(extents)
            yield from traced(file.read, strips, order, ready, nodes=False)
            return
        reshape = Reshaping(options, file.shape, Limits(fewest))
        clusters = find_clusters(extents, reshape.margin, strips, file.shape[1])
        order, ready = in_order(extents, clusters)
        for pixels, numbers in traced(file.read, strips, order, ready, nodes=True):
            yield reshape.change(pixels), numbers
        if reshape.not_right_angled:
            warn(
                f"`right_angles=True` did not fit {reshape.not_right_angled:,} of {counted(n, 'object')}, which kept other "
                f"outlines: right-angled ones would have an intersection over union below {LEAST_IOU:g} with the pixels, "
                f"overlap others or be smaller than `min_area=`."
            )
