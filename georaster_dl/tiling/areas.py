"""Connected areas of a raster of any size, found strip by strip.

Areas share pixel edges. What is found depends on the raster alone, not on how it is cut: areas are numbered in the order of
their first pixels, and all sums are of whole numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["Areas", "find_areas", "group", "pixel_edges", "sum_borders"]

_Ints = npt.NDArray[np.int64]
_Read = Callable[[slice], npt.NDArray[Any]]


@dataclass(frozen=True)
class Areas:
    """All connected areas of a raster.

    Attributes
    ----------
    values : (areas,) of their pixels.
    sizes : (areas,) sums of the weights of their pixels.
    first : (areas,) place of the first pixel, row * cols + col.
    """

    values: npt.NDArray[Any]
    sizes: npt.NDArray[np.float64]
    first: _Ints
    _read: _Read = field(repr=False)
    _strips: Sequence[slice] = field(repr=False)
    _of_pieces: npt.NDArray[np.int32] = field(repr=False)
    _offsets: tuple[int, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.values)

    def numbers(self) -> Iterator[tuple[slice, npt.NDArray[np.int32]]]:
        """Read the raster again; yield the rows of each strip, and the number of the area of its pixels (rows, cols)."""
        for rows, offset in zip(self._strips, self._offsets, strict=True):
            pieces = _label(self._read(rows))[0]
            yield rows, self._of_pieces[pieces + offset]


def find_areas(read: _Read, strips: Sequence[slice], weights: _Ints | None = None) -> Areas:
    """Find the connected areas of equal value.

    Memory grows with the number of areas, some 40 bytes each, not with the raster.

    Parameters
    ----------
    read : rows to values (rows, cols); called again by ``numbers``.
    strips : of full-width rows that cover the raster from its top.
    weights : (rows,) of a pixel of each row, as whole numbers, so that sums are exact; 1 by default.
    """
    offsets, values, sizes, first, joints = [0], [], [], [], []
    above: tuple[npt.NDArray[Any], _Ints] | None = None
    for rows in strips:
        strip = read(rows)
        labels, starts = _label(strip)
        offset, n_cols = offsets[-1], strip.shape[1]
        by_pixel = None if weights is None else np.repeat(weights[rows].astype(np.float64), n_cols)
        sizes.append(np.bincount(labels.ravel(), by_pixel, minlength=len(starts)))
        values.append(strip.ravel()[starts])
        first.append(starts + rows.start * n_cols)
        if above is not None:
            same = above[0] == strip[0]
            joints.append(np.stack([above[1][same], labels[0][same].astype(np.int64) + offset]))
        above = strip[-1].copy(), labels[-1].astype(np.int64) + offset
        offsets.append(offset + len(starts))
    joined = np.concatenate(joints, axis=1) if joints else np.zeros((2, 0), np.int64)
    n, of_pieces = group(offsets[-1], joined[0], joined[1])
    # Pieces are in the order of their first pixels, so the first one of an area is written last.
    of_area = np.concatenate(values)
    value, place = np.empty(n, of_area.dtype), np.empty(n, np.int64)
    value[of_pieces[::-1]] = of_area[::-1]
    place[of_pieces[::-1]] = np.concatenate(first)[::-1]
    size = np.bincount(of_pieces, np.concatenate(sizes), minlength=n).astype(np.float64)
    return Areas(value, size, place, read, strips, of_pieces, tuple(offsets[:-1]))


def group(
    n: int, ones: npt.NDArray[Any], others: npt.NDArray[Any]
) -> tuple[int, npt.NDArray[np.int32]]:
    """Number the groups of ``n`` things of which pairs belong together, in the order of their first members."""
    graph = coo_array((np.ones(len(ones), np.int8), (ones, others)), shape=(n, n))
    count, groups = connected_components(graph, directed=False)
    return int(count), groups


def pixel_edges(
    strips: Iterable[npt.NDArray[Any]],
) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    """Yield the numbers on both sides of all pixel edges of strips (rows, cols), those to the strip above included."""
    above: npt.NDArray[Any] | None = None
    for here in strips:
        below = here if above is None else np.concatenate([above[None], here])
        yield here[:, :-1], here[:, 1:]
        yield below[:-1], below[1:]
        above = here[-1].copy()


def sum_borders(
    ones: npt.NDArray[Any], others: npt.NDArray[Any], lengths: npt.NDArray[Any], n: int
) -> tuple[_Ints, _Ints, _Ints]:
    """Add up the lengths of borders between the same two of ``n`` things, in the order of their numbers."""
    pair, place = np.unique(ones.astype(np.int64) * n + others, return_inverse=True)
    total = np.bincount(place, lengths, minlength=len(pair)).astype(np.int64)
    return pair // n, pair % n, total


def _label(pixels: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int32], _Ints]:
    """Number the connected areas of an array (rows, cols), and find the first pixel of each.

    Runs of equal pixels along a row are the nodes of a graph, so that there are few.
    """
    starts = np.ones(pixels.shape, bool)
    np.not_equal(pixels[:, 1:], pixels[:, :-1], out=starts[:, 1:])
    runs = np.cumsum(starts.ravel(), dtype=np.int32).reshape(pixels.shape) - 1
    # Two runs overlap from where the later one begins.
    links = pixels[1:] == pixels[:-1]
    links &= starts[1:] | starts[:-1]
    n, areas = group(int(runs[-1, -1]) + 1, runs[:-1][links], runs[1:][links])
    first = np.empty(n, np.int64)
    first[areas[::-1]] = np.flatnonzero(starts)[::-1]
    return areas[runs], first
