"""Outlines of the objects of a raster, some at a time, changed as the options ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from georaster_dl.io.vectors.class_raster import NumberRaster
from georaster_dl.objects.extents import find_extents
from georaster_dl.objects.options import PolygonOptions
from georaster_dl.objects.outlines.clusters import find_clusters, in_order
from georaster_dl.objects.outlines.reshaping import reshaping
from georaster_dl.objects.outlines.tracing import Chunk, traced

__all__ = ["outlines"]


def outlines(raster: Path, n: int, options: PolygonOptions, strip_pixels: int) -> Iterator[Chunk]:
    """Outline objects, in an order that does not depend on the strips.

    Where outlines are changed, objects that are near each other come together (``find_clusters``).

    Parameters
    ----------
    raster : of their numbers.
    n : objects in it, numbered from 1.

    Yields
    ------
    Polygons in cols and rows, and the number of each.
    """
    if not n:
        return
    with NumberRaster(raster) as file:
        strips = file.strips(strip_pixels)
        extents = find_extents(file.read, strips, n)
        reshape = reshaping(options, file.shape)
        clusters = None
        if reshape is not None:
            clusters = find_clusters(extents, reshape.margin, strips, file.shape[1])
        order, ready = in_order(extents, clusters)
        changes = reshape is not None
        for polygons, numbers in traced(file.read, strips, order, ready, nodes=changes):
            yield (polygons if reshape is None else reshape.change(polygons)), numbers
