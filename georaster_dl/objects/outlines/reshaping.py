"""Outlines of objects changed as the options ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy.typing as npt

from georaster_dl.objects.options import PolygonOptions
from georaster_dl.objects.outlines.right_angles import right_angled
from georaster_dl.objects.outlines.simpler import simplified, smoothed

__all__ = ["MARGIN", "reshaping"]

MARGIN = 2
"""Pixels around objects in which another cannot matter to their outlines: those stay within the box of what they were."""

_OF_RIGHT_ANGLES = (
    2.0  # pixels: edges after it show the directions, on masks of buildings of 0.35 m
)

_Reshape: TypeAlias = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]


def reshaping(options: PolygonOptions, shape: tuple[int, int]) -> _Reshape | None:
    """Make the function that changes outlines (n,); None where they stay those of the pixels.

    Parameters
    ----------
    shape : rows, cols of the map.
    """
    tolerance = options.simplify
    if options.right_angles and tolerance is None:
        tolerance = _OF_RIGHT_ANGLES
    if tolerance is None and not options.round_corners:
        return None

    def reshape(polygons: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if tolerance is not None:
            polygons = simplified(polygons, tolerance, shape)
        if options.round_corners:
            polygons = smoothed(polygons, shape)
        if options.right_angles and tolerance is not None:
            polygons = right_angled(polygons, 2 * tolerance, room=MARGIN / 2)
        return polygons

    return reshape
