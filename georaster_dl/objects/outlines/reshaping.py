"""Outlines of objects changed as the options ask."""

from __future__ import annotations

import math
import operator
from functools import partial
from typing import Any

import numpy.typing as npt

from georaster_dl.objects.options import PolygonOptions
from georaster_dl.objects.outlines.limits import Limits
from georaster_dl.objects.outlines.right_angles import right_angled
from georaster_dl.objects.outlines.simpler import simplified, smoothed

__all__ = ["Reshaping"]

_MARGIN = 2
_ROOM = 4  # tolerances by which right angles may leave the box around an object

_OF_RIGHT_ANGLES = (
    2.0  # pixels: edges after it show the directions, on masks of buildings of 0.35 m
)


class Reshaping:
    """Change of outlines.

    Parameters
    ----------
    options : that ask for a change.
    shape : rows, cols of the map.
    limits : of the change.

    Attributes
    ----------
    margin : pixels around the box of an object within which its new outline stays.
    not_right_angled : objects that right angles did not fit, so far.
    """

    def __init__(self, options: PolygonOptions, shape: tuple[int, int], limits: Limits) -> None:
        self._options, self._shape, self._limits = options, shape, limits
        self._tolerance = options.simplify
        self.margin = _MARGIN
        self.not_right_angled = 0
        if options.right_angles:
            self._tolerance = options.simplify or _OF_RIGHT_ANGLES
            self.margin = max(_MARGIN, math.ceil(_ROOM * self._tolerance))

    def change(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Change polygons (n,) in cols and rows to others (n,)."""
        limit = (
            self._limits.other_places if self._options.right_angles else self._limits.other_areas
        )
        is_other = partial(limit, pixels)
        polygons = pixels
        if self._tolerance is not None:
            polygons = simplified(polygons, self._tolerance, self._shape, is_other)
        if self._options.round_corners:
            polygons = smoothed(polygons, self._shape, is_other)
        if self._options.right_angles and self._tolerance is not None:
            least = self._limits.least_areas(pixels)
            made = right_angled(
                polygons, pixels, least, 2 * self._tolerance, self.margin, self._shape
            )
            self.not_right_angled += sum(map(operator.is_, made, polygons))
            return made
        return polygons
