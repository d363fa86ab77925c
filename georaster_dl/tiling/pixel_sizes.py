"""Sizes of the pixels of each row of a raster, as whole numbers, so that sums of them are exact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georaster_dl.core.geography import Georeference, middle_pixel_areas
from georaster_dl.tiling.area_text import MinimumArea

__all__ = ["PixelSizes"]

_PARTS = (
    2**20
)  # of the largest pixel, in which the others are weighed: their rounding cannot be seen
_SAME = 1e-6


@dataclass(frozen=True)
class PixelSizes:
    """Sizes of pixels.

    Attributes
    ----------
    weights : (rows,) size of a pixel of each row, in a unit of its own; 1 where all are of one size.
    m2 : square metres of that unit; None where pixels have no known area.
    """

    weights: npt.NDArray[np.int64]
    m2: float | None

    @classmethod
    def of(cls, geobox: Georeference, *areas: MinimumArea | None) -> PixelSizes:
        """Measure pixels as polygons are measured (``area_measure``), for areas that are asked for.

        Where all of these are in pixels, pixels are counted.
        """
        n_rows = geobox.shape[0]
        ones = np.ones(n_rows, np.int64)
        measured = middle_pixel_areas(geobox, slice(0, n_rows))
        if measured is None or not np.isfinite(measured).all():
            return cls(ones, None)
        largest = float(measured.max())
        on_ground = any(area is not None and not area.in_pixels for area in areas)
        if not on_ground or np.ptp(measured) <= _SAME * largest:
            return cls(ones, float(measured[n_rows // 2]))
        return cls(np.round(measured / largest * _PARTS).astype(np.int64), largest / _PARTS)

    def of_area(self, area: MinimumArea) -> float:
        """Convert an area to the unit of the weights; where pixels differ, that of the middle row counts for a pixel.

        Raises
        ------
        OptionError
            When it is on the ground, and pixels have no known area.
        """
        if area.in_pixels:
            return area.amount * float(self.weights[len(self.weights) // 2])
        return area.pixels(self.m2)
