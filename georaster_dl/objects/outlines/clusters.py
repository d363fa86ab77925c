"""Clusters of objects that are near each other, so that each cluster can be outlined without the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from georaster_dl.objects.extents import Extents
from georaster_dl.tiling.areas import find_areas

__all__ = ["find_clusters", "in_order"]

_Numbers = npt.NDArray[np.int64]


def in_order(extents: Extents, clusters: _Numbers | None = None) -> tuple[_Numbers, _Numbers]:
    """Order objects by the last rows of their clusters; without clusters by their own.

    Returns
    -------
    (n,) numbers of the objects, and the last row of the cluster of each.
    """
    numbers = np.arange(1, len(extents.top))
    ready = extents.bottom
    if clusters is not None:
        last = np.full(int(clusters.max(initial=0)) + 1, -1)
        np.maximum.at(last, clusters[1:], extents.bottom[1:])
        ready = last[clusters]
    cluster = numbers if clusters is None else clusters[1:]
    order = np.lexsort((extents.last[1:], cluster, ready[1:]))
    if clusters is None:
        order = np.argsort(extents.last[1:])
    return numbers[order], ready[numbers[order]]


def find_clusters(extents: Extents, margin: int, strips: Sequence[slice], n_cols: int) -> _Numbers:
    """Find the clusters of objects whose extents, with a margin around each, overlap or share an edge.

    The outlines of two clusters, within these extents, cannot meet.

    Parameters
    ----------
    margin : pixels.
    strips : of full-width rows that cover the raster from its top.

    Returns
    -------
    (n + 1,) number of the cluster of each object, in the order of their first pixels.
    """
    top, bottom = extents.top - margin, extents.bottom + margin + 1
    left = np.maximum(extents.left - margin, 0)
    right = np.minimum(extents.right + margin + 1, n_cols)

    def covered(rows: slice) -> npt.NDArray[np.bool_]:
        here = (top < rows.stop) & (bottom > rows.start)
        here[0] = False
        steps = np.zeros((rows.stop - rows.start + 1, n_cols + 1), np.int32)
        first = np.maximum(top[here] - rows.start, 0)
        last = np.minimum(bottom[here], rows.stop) - rows.start
        for row, col, step in (
            (first, left, 1),
            (first, right, -1),
            (last, left, -1),
            (last, right, 1),
        ):
            np.add.at(steps, (row, col[here]), step)
        counts = steps.cumsum(axis=0, dtype=np.int32).cumsum(axis=1, dtype=np.int32)
        return np.asarray(counts[:-1, :-1] > 0)

    found = np.zeros(len(top), np.int64)
    for rows, areas in find_areas(covered, strips).numbers():
        here = (extents.top >= rows.start) & (extents.top < rows.stop)
        here[0] = False
        found[here] = areas[extents.top[here] - rows.start, extents.left[here]]
    return found
