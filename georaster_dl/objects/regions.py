"""Connected areas of a raster of any size, with their sizes and shared borders.

The raster is read twice in strips. The first reading numbers the areas of each strip and joins what
continues in the next; all sums (pixels, edges shared by neighbours) are of whole numbers, so they are
the same for any height of the strips. The second gives each pixel the number of its area.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

__all__ = ["OUTSIDE", "Regions", "find_regions", "joined", "summed_edges"]

OUTSIDE = 0
"""Number of the region around the raster; those of the raster begin at 1."""

_Numbers = npt.NDArray[np.int64]
_Read = Callable[[slice], npt.NDArray[Any]]


@dataclass(frozen=True)
class Regions:
    """Connected areas (pixels that share edges) of one value each, in the order of their first pixels.

    Attributes
    ----------
    values, pixels : (n,) value and size of each; 0 of ``OUTSIDE``, the first.
    edges : (m, 2) numbers of regions that touch, the smaller first.
    lengths : (m,) pixel edges that two regions share.
    strips : as which the raster was read.
    parts : of each strip, the region of each of its own areas.
    """

    values: _Numbers
    pixels: _Numbers
    edges: _Numbers
    lengths: _Numbers
    strips: tuple[slice, ...]
    parts: tuple[npt.NDArray[np.int32], ...] = field(repr=False)

    def numbers(self, read: _Read) -> Iterator[tuple[slice, npt.NDArray[np.int32]]]:
        """Read the raster again; yield rows and the number of the region of each pixel (rows, cols)."""
        for rows, parts in zip(self.strips, self.parts, strict=True):
            runs, areas = _areas(read(rows))
            yield rows, parts[areas][runs]


def find_regions(read: _Read, strips: list[slice]) -> Regions:
    """Find the connected areas of a raster.

    Parameters
    ----------
    read : rows to whole numbers (rows, cols); called twice for each strip.
    strips : of full-width rows that cover the raster from its top.

    Returns
    -------
    The regions, those of every value; memory grows with their number.
    """
    scan = _Scan()
    for rows in strips:
        scan.add(read(rows))
    scan.close()
    return scan.regions(tuple(strips))


def joined(pairs: _Numbers, n: int) -> npt.NDArray[np.int32]:
    """Number the groups (n,) that pairs (m, 2) make of n things, in the order of their first things."""
    graph = coo_matrix((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, groups = connected_components(graph, directed=False)
    _, first, groups = np.unique(groups, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int32)
    rank[np.argsort(first)] = np.arange(len(first))
    found: npt.NDArray[np.int32] = rank[groups]
    return found


def summed_edges(edges: _Numbers, lengths: _Numbers, n: int) -> tuple[_Numbers, _Numbers]:
    """Sum the lengths of edges (m, 2) between the same two of n things; those within one are left out."""
    low, high = edges.min(axis=1), edges.max(axis=1)
    apart = low != high
    keys, inverse = np.unique(low[apart] * n + high[apart], return_inverse=True)
    sums = np.bincount(inverse, weights=lengths[apart], minlength=len(keys)).astype(np.int64)
    return np.stack([keys // n, keys % n], axis=1), sums


def _areas(values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Number the horizontal run of each pixel (rows, cols), and the connected area of each run."""
    starts = np.ones(values.shape, bool)
    starts[:, 1:] = values[:, 1:] != values[:, :-1]
    runs = (np.cumsum(starts, dtype=np.int32) - 1).reshape(values.shape)
    same = values[1:] == values[:-1]
    pairs = _first_of_equal(runs[:-1][same], runs[1:][same])
    return runs, joined(pairs, int(runs[-1, -1]) + 1)


def _first_of_equal(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> _Numbers:
    """Pairs (m, 2) of which those that follow an equal one are left out."""
    new = np.ones(len(a), bool)
    new[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
    return np.stack([a[new], b[new]], axis=1).astype(np.int64)


class _Scan:
    """First reading: sums over areas of strips, whose numbers go on from strip to strip."""

    def __init__(self) -> None:
        self._n = 1  # areas so far, the outside included
        self._values = [np.zeros(1, np.int64)]
        self._pixels = [np.zeros(1, np.int64)]
        self._edges: list[_Numbers] = []
        self._lengths: list[_Numbers] = []
        self._links: list[_Numbers] = []
        self._parts: list[int] = []  # first number of each strip
        self._above: tuple[npt.NDArray[Any], _Numbers] | None = None

    def add(self, values: npt.NDArray[Any]) -> None:
        """Take the next strip."""
        runs, areas = _areas(values)
        first, n = self._n, int(areas.max()) + 1
        numbers = areas[runs].astype(np.int64) + first
        per_run = np.bincount(runs.ravel())
        self._pixels.append(np.bincount(areas, weights=per_run, minlength=n).astype(np.int64))
        of_area = np.empty(n, np.int64)
        of_area[numbers.ravel() - first] = values.ravel()
        self._values.append(of_area)
        self._parts.append(first)
        self._n += n
        self._touch(numbers[:, :-1], numbers[:, 1:])
        self._touch(numbers[:-1], numbers[1:])
        self._touch(numbers[:, 0], np.full(len(numbers), OUTSIDE))
        self._touch(numbers[:, -1], np.full(len(numbers), OUTSIDE))
        if self._above is None:
            self._touch(numbers[0], np.full(numbers.shape[1], OUTSIDE))
        else:
            above, there = self._above
            same = above == values[0]
            self._links.append(_first_of_equal(there[same], numbers[0][same]))
            self._touch(there[~same], numbers[0][~same])
        self._above = values[-1].copy(), numbers[-1].copy()

    def close(self) -> None:
        """End below the last strip."""
        if self._above is not None:
            numbers = self._above[1]
            self._touch(numbers, np.full(len(numbers), OUTSIDE))

    def regions(self, strips: tuple[slice, ...]) -> Regions:
        """Join the areas of all strips."""
        links = np.concatenate([np.empty((0, 2), np.int64), *self._links])
        region = joined(links, self._n)
        n = int(region.max()) + 1
        values = np.zeros(n, np.int64)
        values[region] = np.concatenate(self._values)
        pixels = np.concatenate(self._pixels)
        edges, lengths = summed_edges(
            region[np.concatenate(self._edges)].astype(np.int64), np.concatenate(self._lengths), n
        )
        bounds = [*self._parts, self._n]
        return Regions(
            values,
            np.bincount(region, weights=pixels, minlength=n).astype(np.int64),
            edges,
            lengths,
            strips,
            tuple(region[a:b] for a, b in pairwise(bounds)),
        )

    def _touch(self, a: _Numbers, b: _Numbers) -> None:
        """Count the pixel edges between two different areas."""
        differ = a != b
        low, high = np.minimum(a[differ], b[differ]), np.maximum(a[differ], b[differ])
        keys, counts = np.unique(low * self._n + high, return_counts=True)
        self._edges.append(np.stack([keys // self._n, keys % self._n], axis=1))
        self._lengths.append(counts.astype(np.int64))
