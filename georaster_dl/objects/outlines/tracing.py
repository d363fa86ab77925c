"""Outlines of numbered objects, traced strip by strip; an object is traced whole when its last row is behind.

Pieces of borders are held until then, so that memory grows with the borders of objects that go on, not with the raster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

__all__ = ["Chunk", "traced"]

Chunk: TypeAlias = tuple[npt.NDArray[Any], npt.NDArray[np.int64]]
"""Polygons (n,) in cols and rows, and the number of each."""

_Numbers = npt.NDArray[np.int64]
_Pieces = npt.NDArray[np.void]

_PIECE = np.dtype(
    [("rank", "i4"), ("other", "i4"), ("start", "i8"), ("end", "i8"), ("heading", "i1")]
)
_EAST, _SOUTH, _WEST, _NORTH = range(4)


def traced(
    read: Callable[[slice], npt.NDArray[np.int32]],
    strips: Sequence[slice],
    order: _Numbers,
    ready: _Numbers,
    *,
    nodes: bool,
) -> Iterator[Chunk]:
    """Trace objects in a given order.

    Parameters
    ----------
    read : rows to the number of the object of each pixel (rows, cols), 0 where there is none; the pixels of an object
        are connected by edges.
    strips : of full-width rows that cover the raster from its top.
    order : (n,) numbers of the objects.
    ready : (n,) last row after which each may be traced, not before the object ends, and in ascending order.
    nodes : whether outlines have vertices where others meet them, or only at their corners.
    """
    rank = np.full(len(order) + 1, -1, np.int32)
    rank[order] = np.arange(len(order))
    held: list[_Pieces] = []
    begun = 0
    above = np.empty((0, 0), np.int32)
    for rows in strips:
        numbers = read(rows)
        n_cols = numbers.shape[1]
        if rows.start == 0:
            above = np.zeros((1, n_cols), np.int32)
        held.append(_pieces(np.concatenate([above, numbers]), rows.start, rank))
        above = numbers[-1:].copy()
        # The lower borders of the strip's last row are those of the next one.
        done = int(np.searchsorted(ready, rows.stop - 2, side="right"))
        if done > begun:
            held, pieces = _taken(held, done)
            yield _outlines(pieces, order, n_cols + 1, nodes)
            begun = done
    last = np.concatenate([above, np.zeros_like(above)])
    held.append(_pieces(last, strips[-1].stop, rank, sides=False))
    if begun < len(order):
        _held, pieces = _taken(held, len(order))
        yield _outlines(pieces, order, above.shape[1] + 1, nodes)


def _pieces(
    numbers: npt.NDArray[np.int32], top: int, rank: npt.NDArray[np.int32], *, sides: bool = True
) -> _Pieces:
    """Pieces of borders above the rows of a strip and, of its ``sides``, between its cols, sorted by rank.

    Parameters
    ----------
    numbers : (1 + rows, cols) of the strip and the row above.
    top : row at which the strip begins.
    """
    n_vertices = numbers.shape[1] + 1
    row, col, end, one, other = _runs(numbers[:-1], numbers[1:])
    left, right = (top + row) * n_vertices + col, (top + row) * n_vertices + end
    made = [(one, other, right, left, _WEST), (other, one, left, right, _EAST)]
    if sides:
        strip = np.pad(numbers[1:], ((0, 0), (1, 1))).T
        col, row, end, one, other = _runs(strip[:-1], strip[1:])
        upper, lower = (top + row) * n_vertices + col, (top + end) * n_vertices + col
        made += [(one, other, upper, lower, _SOUTH), (other, one, lower, upper, _NORTH)]
    parts = []
    for of, beyond, start, stop, heading in made:
        wanted = of > 0
        part = np.empty(int(wanted.sum()), _PIECE)
        part["rank"], part["other"] = rank[of[wanted]], beyond[wanted]
        part["start"], part["end"], part["heading"] = start[wanted], stop[wanted], heading
        parts.append(part)
    pieces = np.concatenate(parts)
    return pieces[np.argsort(pieces["rank"], kind="stable")]


def _runs(
    one: npt.NDArray[np.int32], other: npt.NDArray[np.int32]
) -> tuple[_Numbers, _Numbers, _Numbers, Any, Any]:
    """Find runs along lines (lines, n) where the same two objects are on both sides: line, first, end, and the two."""
    differ = one != other
    begins = differ.copy()
    begins[:, 1:] &= ~differ[:, :-1] | (one[:, 1:] != one[:, :-1]) | (other[:, 1:] != other[:, :-1])
    ends = differ.copy()
    ends[:, :-1] &= ~differ[:, 1:] | begins[:, 1:]
    line, first = np.nonzero(begins)
    return line, first, np.nonzero(ends)[1] + 1, one[begins], other[begins]


def _taken(held: list[_Pieces], done: int) -> tuple[list[_Pieces], _Pieces]:
    """Take the pieces of ranks below ``done``: the pieces that are left, and those taken."""
    cuts = [int(np.searchsorted(pieces["rank"], done)) for pieces in held]
    taken = np.concatenate([pieces[:cut] for pieces, cut in zip(held, cuts, strict=True)])
    left = [pieces[cut:].copy() if cut else pieces for pieces, cut in zip(held, cuts, strict=True)]
    return [pieces for pieces in left if len(pieces)], taken


def _outlines(pieces: _Pieces, order: _Numbers, n_vertices: int, nodes: bool) -> Chunk:
    """Polygons of whole objects, of their pieces.

    Parameters
    ----------
    n_vertices : in a row of the raster.
    """
    first = int(pieces["rank"].min())
    owner = (pieces["rank"] - first).astype(np.int64)
    places = int(max(pieces["start"].max(), pieces["end"].max())) + 1
    # Where an object touches itself at a corner, its outline turns left: so a hole there is a ring of its own.
    outs = np.argsort((owner * places + pieces["start"]) * 4 + pieces["heading"])
    pieces, owner = pieces[outs], owner[outs]
    ins = np.argsort((owner * places + pieces["end"]) * 4 + (pieces["heading"] + 3) % 4)
    after = np.empty(len(pieces), np.int64)
    after[ins] = np.arange(len(pieces))
    way, ring = _rings(after)
    pieces, owner = pieces[way], owner[way]
    pieces, owner, ring = _straightened(pieces, owner, ring, nodes)
    y, x = np.divmod(pieces["start"], n_vertices)
    starts = np.flatnonzero(np.diff(ring, prepend=-1))
    next_ = np.append(np.arange(1, len(ring)), 0)
    next_[np.append(starts[1:], len(ring)) - 1] = starts
    is_hole = np.add.reduceat(x * y[next_] - x[next_] * y, starts) < 0
    corners = np.stack([x, y], axis=1).astype(np.float64)
    rings = shapely.linearrings(corners, indices=np.cumsum(np.diff(ring, prepend=ring[0]) != 0))
    of_rings = owner[starts]
    shells_first = np.lexsort((is_hole, of_rings))
    polygons = shapely.polygons(rings[shells_first], indices=of_rings[shells_first])
    return np.asarray(polygons, object), order[first : first + len(polygons)]


def _rings(after: _Numbers) -> tuple[_Numbers, _Numbers]:
    """Put pieces in the order of their rings, each from its first piece; and number the ring of each."""
    n = len(after)
    pointers = np.arange(n + 1)
    graph = csr_array((np.ones(n, np.int8), after, pointers), shape=(n, n))
    _n, ring = connected_components(graph, directed=False)
    first = np.unique(ring, return_index=True)[1]
    before = np.empty(n, np.int64)
    before[after] = np.arange(n)
    # All rings as one way, which goes on from the last piece of each with the first of the next.
    way = after.copy()
    way[before[first[:-1]]] = first[1:]
    way[before[first[-1]]] = first[-1]
    graph = csr_array((np.ones(n, np.int8), way, pointers), shape=(n, n))
    ordered = breadth_first_order(graph, int(first[0]), return_predecessors=False)
    return ordered, ring[ordered]


def _straightened(
    pieces: _Pieces, owner: _Numbers, ring: _Numbers, nodes: bool
) -> tuple[_Pieces, _Numbers, _Numbers]:
    """Leave out vertices on straight borders, but, of ``nodes``, those at which the neighbour changes."""
    # The first of a ring is a corner.
    straight = (pieces["heading"][1:] == pieces["heading"][:-1]) & (ring[1:] == ring[:-1])
    if nodes:
        straight &= pieces["other"][1:] == pieces["other"][:-1]
    kept = np.append(True, ~straight)
    return pieces[kept], owner[kept], ring[kept]
