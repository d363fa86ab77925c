"""Outlines of objects changed as the options ask."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from georaster_dl.objects.options import PolygonOptions
from georaster_dl.objects.outlines.right_angles import right_angled
from georaster_dl.objects.outlines.simpler import simplified, smoothed

__all__ = ["Reshaping", "reshaping"]

_MARGIN = 2
_ROOM = 4  # tolerances by which right angles may leave the box around an object

_OF_RIGHT_ANGLES = (
    2.0  # pixels: edges after it show the directions, on masks of buildings of 0.35 m
)


@dataclass(frozen=True)
class Reshaping:
    """Change of outlines.

    Attributes
    ----------
    change : of polygons (n,) in cols and rows to others (n,).
    margin : pixels around the box of an object within which its new outline stays.
    """

    change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
    margin: int


def reshaping(options: PolygonOptions, shape: tuple[int, int]) -> Reshaping | None:
    """Make the function that changes outlines; None where they stay those of the pixels.

    Parameters
    ----------
    shape : rows, cols of the map.
    """
    tolerance = options.simplify
    if options.right_angles and tolerance is None:
        tolerance = _OF_RIGHT_ANGLES
    if tolerance is None and not options.round_corners:
        return None
    margin = _MARGIN
    if options.right_angles and tolerance is not None:
        margin = max(_MARGIN, math.ceil(_ROOM * tolerance))

    def reshape(polygons: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if tolerance is not None:
            polygons = simplified(polygons, tolerance, shape)
        if options.round_corners:
            polygons = smoothed(polygons, shape)
        if options.right_angles and tolerance is not None:
            polygons = right_angled(polygons, 2 * tolerance, room=margin)
        return polygons

    return Reshaping(reshape, margin)
