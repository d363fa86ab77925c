"""Regions of a class map merged: small areas into a neighbour, holes into the object around them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from georaster_dl.objects.regions import OUTSIDE, Regions, summed_edges
from georaster_dl.tiling.areas import group
from georaster_dl.tiling.merging import sieved

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
    values, sizes : (groups,) value and size of each; ``NO_CLASS`` of the outside, and of nodata.
    edges, lengths : (m, 2) groups that touch, and (m,) pixel edges that they share.
    """

    def __init__(self, regions: Regions, nodata: int | None) -> None:
        self.of_region: npt.NDArray[np.int32] = np.arange(len(regions.values), dtype=np.int32)
        self.values = regions.values.copy()
        self.sizes, self._first = regions.sizes, regions.first
        self.edges, self.lengths = regions.edges, regions.lengths
        self.values[OUTSIDE] = NO_CLASS
        if nodata is not None:
            self.values[self.values == nodata] = NO_CLASS

    def merge_small(self, least: float) -> None:
        """Merge groups below a size into neighbours, by the rule of the sieve (``tiling.merging``).

        A group without a neighbour of any class becomes no object.
        """
        sides = [(*self.edges.T, self.lengths)]
        is_class = self.values != NO_CLASS
        self.values = sieved(self.values, self.sizes, self._first, is_class, sides, least)
        self._join()
        self.values[self.sizes < least] = NO_CLASS

    def fill_holes(self, largest: float) -> None:
        """Merge groups of at most this size into the object that is their only neighbour."""
        while True:
            degree = np.bincount(self.edges.ravel(), minlength=len(self.values))
            holes = (degree == 1) & (self.sizes <= largest) & (self.values != NO_CLASS)
            both = np.concatenate([self.edges, self.edges[:, ::-1]])
            pairs = both[holes[both[:, 0]] & (self.values[both[:, 1]] >= 0)]
            if not len(pairs):
                return
            self.values[pairs[:, 0]] = self.values[pairs[:, 1]]
            self._join()

    def drop(self, values: Sequence[int]) -> None:
        """Make no objects of these values; neighbours among them become one group."""
        self.values[np.isin(self.values, values)] = DROPPED
        self._join()

    def _join(self) -> None:
        """Join neighbours of one value, and number the groups anew."""
        same = self.values[self.edges[:, 0]] == self.values[self.edges[:, 1]]
        pairs = self.edges[same & (self.values[self.edges[:, 0]] != NO_CLASS)]
        n, joined = group(len(self.values), pairs[:, 0], pairs[:, 1])
        values, first = np.empty((2, n), np.int64)
        # Groups are in the order of their first pixels, so the first one is written last.
        values[joined[::-1]], first[joined[::-1]] = self.values[::-1], self._first[::-1]
        self.values, self._first = values, first
        self.sizes = np.bincount(joined, self.sizes, minlength=n).astype(np.float64)
        self.edges, self.lengths = summed_edges(joined[self.edges], self.lengths, n)
        self.of_region = joined[self.of_region]
