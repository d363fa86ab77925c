"""Regions of a class map merged: small areas into a neighbour, holes into the object around them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from georaster_dl.objects.regions import OUTSIDE, Regions, summed_edges
from georaster_dl.tiling.areas import group

__all__ = ["DROPPED", "NO_CLASS", "Groups"]

NO_CLASS = -1
"""Value of nodata and of the outside, with which nothing merges."""

DROPPED = -2
"""Value of all classes of which no objects are made."""

_Numbers = npt.NDArray[np.int64]


class Groups:
    """Regions that are merged step by step; neighbours of one value are one group after each step.

    Parameters
    ----------
    regions : of the map.
    nodata : value without a class, with which nothing merges.

    Attributes
    ----------
    of_region : (regions,) number of the group of each region, in the order of their first pixels.
    values, pixels : (groups,) value and size of each; ``NO_CLASS`` of the outside, and of nodata.
    edges, lengths : (m, 2) groups that touch, and (m,) pixel edges that they share.
    """

    def __init__(self, regions: Regions, nodata: int | None) -> None:
        self.of_region: npt.NDArray[np.int32] = np.arange(len(regions.values), dtype=np.int32)
        self.values = regions.values.copy()
        self.pixels = regions.pixels
        self.edges, self.lengths = regions.edges, regions.lengths
        self.values[OUTSIDE] = NO_CLASS
        if nodata is not None:
            self.values[self.values == nodata] = NO_CLASS

    def merge_small(self, minimum: float) -> None:
        """Merge groups of fewer pixels into the neighbour with the longest shared border.

        The smallest go first (by powers of two), so that what they make larger can stay. Of borders of
        one length that with the larger neighbour counts, then that with the first. A group without a
        neighbour of any class becomes no object.
        """
        limit = 1.0
        while limit < minimum:
            limit *= 2
            while len(pairs := self._best_neighbours(self._small(min(limit, minimum)))):
                self._join(pairs)
        self.values[self._small(minimum)] = NO_CLASS

    def fill_holes(self, largest: float) -> None:
        """Merge groups of at most so many pixels into the object that is their only neighbour."""
        while True:
            degree = np.bincount(self.edges.ravel(), minlength=len(self.values))
            holes = (degree == 1) & (self.pixels <= largest) & (self.values != NO_CLASS)
            pairs = self._best_neighbours(holes)
            pairs = pairs[self.values[pairs[:, 1]] != DROPPED]
            if not len(pairs):
                return
            self.values[pairs[:, 0]] = self.values[pairs[:, 1]]
            self._join(pairs)

    def drop(self, values: Sequence[int]) -> None:
        """Make no objects of these values; neighbours among them become one group."""
        self.values[np.isin(self.values, values)] = DROPPED
        self._join(np.empty((0, 2), np.int64))

    def _small(self, limit: float) -> npt.NDArray[np.bool_]:
        small: npt.NDArray[np.bool_] = (self.pixels < limit) & (self.values != NO_CLASS)
        return small

    def _best_neighbours(self, wanted: npt.NDArray[np.bool_]) -> _Numbers:
        """Pair (m, 2) each wanted group with the neighbour that fits; those without one are left out."""
        both = np.concatenate([self.edges, self.edges[:, ::-1]])
        fits = wanted[both[:, 0]] & (self.values[both[:, 1]] != NO_CLASS)
        lengths = np.concatenate([self.lengths, self.lengths])[fits]
        both = both[fits]
        order = np.lexsort((both[:, 1], -self.pixels[both[:, 1]], -lengths, both[:, 0]))
        both = both[order]
        first = np.ones(len(both), bool)
        first[1:] = both[1:, 0] != both[:-1, 0]
        pairs: _Numbers = both[first]
        return pairs

    def _join(self, pairs: _Numbers) -> None:
        """Join pairs of groups; the largest gives the value. Then neighbours of one value are joined."""
        self._renumber(pairs)
        same = self.values[self.edges[:, 0]] == self.values[self.edges[:, 1]]
        objects = self.values[self.edges[:, 0]] != NO_CLASS
        self._renumber(self.edges[same & objects])

    def _renumber(self, pairs: _Numbers) -> None:
        """Join the groups of each pair (m, 2), and number them anew."""
        n, joined = group(len(self.values), pairs[:, 0], pairs[:, 1])
        # Of equal sizes the first counts: it is written last.
        order = np.lexsort((-np.arange(len(joined)), self.pixels))
        values = np.empty(n, np.int64)
        values[joined[order]] = self.values[order]
        self.values = values
        self.pixels = np.bincount(joined, weights=self.pixels, minlength=n).astype(np.int64)
        self.edges, self.lengths = summed_edges(joined[self.edges], self.lengths, n)
        self.of_region = joined[self.of_region]
