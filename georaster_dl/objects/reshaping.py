"""Outlines of objects changed as the options ask."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.io.vectors.polygons import Reshape
from georaster_dl.objects.options import PolygonOptions
from georaster_dl.objects.outlines import noded, simplified, smoothed
from georaster_dl.objects.right_angles import right_angled

__all__ = ["reshaping"]

_OF_RIGHT_ANGLES = (
    2.0  # pixels: edges after it show the directions, on masks of buildings of 0.35 m
)


def reshaping(options: PolygonOptions, shape: tuple[int, int]) -> Reshape | None:
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

    def reshape(
        polygons: npt.NDArray[Any], numbers: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
        # What is no object takes part: its borders with objects are not the end of the map.
        polygons = noded(polygons)
        if tolerance is not None:
            polygons = simplified(polygons, tolerance)
        if options.round_corners:
            polygons = smoothed(polygons, shape)
        if options.right_angles and tolerance is not None:
            objects = numbers != 0
            polygons, numbers = polygons[objects], numbers[objects]
            polygons = right_angled(polygons, 2 * tolerance)
        return polygons, numbers

    return reshape
