"""Outlines of objects changed as the options ask."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.io.vectors.polygons import Reshape
from georaster_dl.objects.options import PolygonOptions
from georaster_dl.objects.outlines import noded, simplified, smoothed

__all__ = ["reshaping"]


def reshaping(options: PolygonOptions, shape: tuple[int, int]) -> Reshape | None:
    """Make the function that changes outlines; None where they stay those of the pixels.

    Parameters
    ----------
    shape : rows, cols of the map.
    """
    if options.simplify is None and not options.smooth:
        return None

    def reshape(
        polygons: npt.NDArray[Any], numbers: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
        # What is no object takes part: its borders with objects are not the end of the map.
        polygons = noded(polygons)
        if options.simplify is not None:
            polygons = simplified(polygons, options.simplify)
        if options.smooth:
            polygons = smoothed(polygons, shape)
        return polygons, numbers

    return reshape
