"""Connected areas of a raster with their shared borders, and the outside as one more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.tiling.areas import Areas, find_areas, pixel_edges, sum_borders

__all__ = ["OUTSIDE", "Regions", "find_regions", "summed_edges"]

OUTSIDE = 0
"""Number of the region around the raster; those of the raster begin at 1."""

_Numbers = npt.NDArray[np.int64]
_Read = Callable[[slice], npt.NDArray[Any]]


@dataclass(frozen=True)
class Regions:
    """Connected areas (pixels that share edges) of one value each, in the order of their first pixels.

    Attributes
    ----------
    values, sizes : (n,) value and size of each; 0 of ``OUTSIDE``, the first.
    first : (n,) place of the first pixel, row * cols + col; -1 of ``OUTSIDE``.
    edges : (m, 2) numbers of regions that touch, the smaller first.
    lengths : (m,) pixel edges that two regions share.
    """

    values: _Numbers
    sizes: npt.NDArray[np.float64]
    first: _Numbers
    edges: _Numbers
    lengths: _Numbers
    _areas: Areas = field(repr=False)

    def numbers(self) -> Iterator[tuple[slice, npt.NDArray[np.int32]]]:
        """Read the raster again; yield rows and the number of the region of each pixel (rows, cols)."""
        return _numbers(self._areas)


def find_regions(read: _Read, strips: list[slice], weights: _Numbers | None = None) -> Regions:
    """Find the connected areas of a raster, and their shared borders.

    Parameters
    ----------
    read : rows to whole numbers (rows, cols); called several times for each strip.
    strips : of full-width rows that cover the raster from its top.
    weights : (rows,) of a pixel of each row in the sizes; 1 by default.

    Returns
    -------
    The regions, those of every value; memory grows with their number.
    """
    areas = find_areas(read, strips, weights)
    n = len(areas) + 1
    edges, lengths = [], []
    for one, other in pixel_edges(_surrounded(areas)):
        differ = one != other
        between, length = summed_edges(
            np.stack([one[differ], other[differ]], axis=1), np.ones(int(differ.sum())), n
        )
        edges.append(between)
        lengths.append(length)
    return Regions(
        np.concatenate([[0], areas.values.astype(np.int64)]),
        np.concatenate([[0.0], areas.sizes]),
        np.concatenate([[-1], areas.first]),
        *summed_edges(np.concatenate(edges), np.concatenate(lengths), n),
        areas,
    )


def summed_edges(
    edges: npt.NDArray[Any], lengths: npt.NDArray[Any], n: int
) -> tuple[_Numbers, _Numbers]:
    """Sum the lengths of edges (m, 2) between the same two of n things; those within one are left out."""
    low, high = edges.min(axis=1), edges.max(axis=1)
    apart = low != high
    low, high, sums = sum_borders(low[apart], high[apart], lengths[apart], n)
    return np.stack([low, high], axis=1), sums


def _numbers(areas: Areas) -> Iterator[tuple[slice, npt.NDArray[np.int32]]]:
    for rows, numbers in areas.numbers():
        yield rows, numbers + np.int32(1)


def _surrounded(areas: Areas) -> Iterator[npt.NDArray[np.int32]]:
    """Yield numbers of regions with the outside on all sides of the raster."""
    width = 0
    for _rows, numbers in _numbers(areas):
        if not width:
            width = numbers.shape[1] + 2
            yield np.full((1, width), OUTSIDE, np.int32)
        yield np.pad(numbers, ((0, 0), (1, 1)), constant_values=OUTSIDE)
    yield np.full((1, width), OUTSIDE, np.int32)
