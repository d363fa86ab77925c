"""How far a changed outline may be from that of the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

__all__ = ["LEAST_IOU", "Limits", "intersection_over_union"]

LEAST_IOU = 0.8
"""Intersection over union with the outline of the pixels below which an outline is another object's."""

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """Limits of changed outlines.

    Attributes
    ----------
    fewest : (rows,) pixels that an object at each row of the map has at least.
    """

    fewest: _Floats

    def least_areas(self, pixels: npt.NDArray[Any]) -> _Floats:
        """Compute the smallest areas (n,), in pixels, of outlines, at most those of the objects (n,)."""
        upper, lower = shapely.bounds(pixels)[:, [1, 3]].T.astype(np.int64)
        # Pixels are largest at the equator, so the most are needed at one of the ends.
        fewest = np.maximum(self.fewest[upper], self.fewest[lower - 1])
        least: _Floats = np.minimum(fewest, shapely.area(pixels))
        return least

    def other_areas(
        self, pixels: npt.NDArray[Any], made: npt.NDArray[Any]
    ) -> npt.NDArray[np.bool_]:
        """Find outlines (n,) whose area is too small, or too far from that of their pixels.

        Areas alone: a line of single pixels may lose its stairs, though little of it is where it was.
        """
        after, before = shapely.area(made), shapely.area(pixels)
        least = np.maximum(self.least_areas(pixels), LEAST_IOU * before)
        found: npt.NDArray[np.bool_] = (after < least) | (after * LEAST_IOU > before)
        return found

    def other_places(
        self, pixels: npt.NDArray[Any], made: npt.NDArray[Any]
    ) -> npt.NDArray[np.bool_]:
        """Find outlines (n,) that are too small, or cover too little of the place of their pixels."""
        other_place = intersection_over_union(made, pixels) < LEAST_IOU
        found: npt.NDArray[np.bool_] = other_place | (shapely.area(made) < self.least_areas(pixels))
        return found


def intersection_over_union(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> _Floats:
    """Compute the intersection over union (n,) of pairs of polygons."""
    common = shapely.area(shapely.intersection(one, other))
    found: _Floats = common / (shapely.area(one) + shapely.area(other) - common)
    return found
