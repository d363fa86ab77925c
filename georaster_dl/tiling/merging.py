"""Areas that are too small join their neighbours, as a graph and without pixels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from georaster_dl.tiling.areas import group, sum_borders

__all__ = ["Borders", "merge_small", "sieved"]

_Ints = npt.NDArray[np.int64]
_Sides: TypeAlias = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any] | None]


@dataclass(frozen=True)
class Borders:
    """Common borders of areas, in both directions where both are small.

    Attributes
    ----------
    source : (n,) numbers of small areas.
    target : (n,) numbers of their neighbours, small or not.
    length : (n,) pixel edges that they share.
    """

    source: _Ints
    target: _Ints
    length: _Ints

    @classmethod
    def summed(cls, source: Any, target: Any, length: Any, n: int) -> Borders:
        """Add up borders of the same two of ``n`` areas, in the order of their numbers."""
        return cls(*sum_borders(source, target, length, n))


def sieved(
    values: npt.NDArray[Any],
    sizes: npt.NDArray[Any],
    first: _Ints,
    is_class: npt.NDArray[np.bool_],
    sides: Iterable[_Sides],
    least: float,
) -> npt.NDArray[Any]:
    """Find the values of areas after those below a size have joined neighbours, as ``merge_small`` lets them.

    Parameters
    ----------
    values, sizes : (areas,) of each.
    first : (areas,) place of the first pixel of each.
    is_class : (areas,) whether an area has a class; one without joins none and is joined by none.
    sides : areas on both sides of borders, and their lengths; None where each is a pixel edge.
    least : size of the smallest area that stays.

    Returns
    -------
    (areas,) values; small areas without a neighbour keep theirs.
    """
    small = (sizes < least) & is_class
    n_small = int(small.sum())
    if not n_small:
        return values.copy()  # without looking at the sides, which may have to be read
    listed, classes = np.unique(values, return_inverse=True)
    n = n_small + len(listed)
    # Large areas take part as one for each class: which of them it is, is the same to a small one.
    numbers = np.where(small, np.cumsum(small) - 1, n_small + classes)
    numbers[~is_class] = -1
    parts = [
        _of_sides(numbers[one], numbers[other], length, n_small, n) for one, other, length in sides
    ]
    source, target, length = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("source", "target", "length")
    )
    joined = merge_small(
        np.concatenate([classes[small], np.arange(len(listed))]),
        np.concatenate([sizes[small], np.full(len(listed), float(least))]),
        # Those of large areas never count.
        np.concatenate([first[small], -1 - np.arange(len(listed))]),
        Borders.summed(source, target, length, n),
        least,
    )
    after = values.copy()
    after[small] = listed[joined[:n_small]]
    return after


def merge_small(
    classes: npt.NDArray[Any],
    sizes: npt.NDArray[np.float64],
    first: _Ints,
    borders: Borders,
    least: float,
) -> npt.NDArray[Any]:
    """Let areas below a size join neighbours until none is left that has a neighbour.

    In each round those go that are smaller than all their small neighbours (of equal ones, whose
    scrambled place is smaller): to the class with which they share the longest border, of equal ones
    the first class. They then are one area with all their neighbours of that class.

    Parameters
    ----------
    classes : (areas,) places of their classes in a list.
    sizes : (areas,) of which those below ``least`` are small.
    first : (areas,) a number of each that no other has and that does not depend on its order.
    borders : of the small ones.

    Returns
    -------
    (areas,) classes after it.
    """
    of_area: npt.NDArray[Any] = np.arange(len(classes))
    order = _scrambled(first)
    classes, sizes = classes.astype(np.int64), sizes.astype(np.float64)
    while len(borders.source):
        n = len(classes)
        goes, wanted = _choose(classes, sizes, order, borders, least)
        joins = goes[borders.source] & (classes[borders.target] == wanted[borders.source])
        count, groups = group(n, borders.source[joins], borders.target[joins])
        kept = ~goes
        joined = np.empty(count, np.int64)
        joined[groups[kept]] = classes[kept]
        rank = np.empty(count, np.uint64)
        rank[groups[::-1]] = order[::-1]
        sizes = np.bincount(groups, sizes, minlength=count).astype(np.float64)
        classes, order, of_area = joined, rank, groups[of_area]
        source, target = groups[borders.source], groups[borders.target]
        left = (source != target) & (sizes[source] < least)
        borders = Borders.summed(source[left], target[left], borders.length[left], count)
    after: npt.NDArray[Any] = classes[of_area]
    return after


def _of_sides(
    one: _Ints, other: _Ints, length: npt.NDArray[Any] | None, n_small: int, n: int
) -> Borders:
    """Sum the borders of small areas, whose numbers are below ``n_small``; -1 has no class."""
    least = np.minimum(one, other)
    counts = (one != other) & (least >= 0) & (least < n_small)
    ends = np.stack([one[counts], other[counts]])
    lengths = np.ones(ends.shape[1], np.int64) if length is None else length[counts]
    source, target = ends.ravel(), ends[::-1].ravel()
    small = source < n_small
    return Borders.summed(source[small], target[small], np.tile(lengths, 2)[small], n)


def _choose(
    classes: _Ints,
    sizes: npt.NDArray[np.float64],
    order: npt.NDArray[np.uint64],
    borders: Borders,
    least: float,
) -> tuple[npt.NDArray[np.bool_], _Ints]:
    """Choose the areas that join a neighbour in this round, and for each its class."""
    n = len(classes)
    rank = np.empty(n, np.int64)
    rank[np.lexsort((order, sizes))] = np.arange(n)
    starts = np.flatnonzero(np.diff(borders.source, prepend=-1))
    smallest = np.minimum.reduceat(
        np.where(sizes[borders.target] < least, rank[borders.target], n), starts
    )
    sources = borders.source[starts]
    goes = np.zeros(n, bool)
    goes[sources[rank[sources] < smallest]] = True
    of_those = goes[borders.source]
    n_classes = int(classes.max()) + 1
    by_class = Borders.summed(
        borders.source[of_those],
        classes[borders.target[of_those]],
        borders.length[of_those],
        n_classes,
    )
    wanted = np.full(n, -1, np.int64)
    # Written from the shortest border to the longest, and of equal ones the first class last.
    longest = np.lexsort((-by_class.target, by_class.length))
    wanted[by_class.source[longest]] = by_class.target[longest]
    return goes, wanted


def _scrambled(numbers: _Ints) -> npt.NDArray[np.uint64]:
    """Scramble distinct numbers (SplitMix64); in order, equal areas would go one at a time, from a corner."""
    x = numbers.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: npt.NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return mixed
