"""Rasters in memory: values, a valid mask, a georeference, and bands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from odc.geo.gcp import GCPGeoBox
from odc.geo.geobox import GeoBox

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import OptionError

__all__ = ["Georeference", "Raster"]

Georeference: TypeAlias = GeoBox | GCPGeoBox
"""Shape, transform (or ground control points) and CRS of a raster; the CRS may be None."""


@dataclass(frozen=True)
class Raster:
    """Pixels in memory.

    Attributes
    ----------
    array : (bands, rows, cols), physical values.
    valid : (rows, cols), True where every band holds a measurement. One mask per raster.
    geobox : shape, transform and CRS of the pixels.
    bands : what each plane of ``array`` is.
    """

    array: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_]
    geobox: Georeference
    bands: tuple[Band, ...]

    def __post_init__(self) -> None:
        """Check that the parts agree in shape."""
        expected = (len(self.bands), *self.valid.shape)
        if self.array.shape != expected or tuple(self.geobox.shape) != self.valid.shape:
            raise OptionError(
                f"A raster of {len(self.bands)} bands and a valid mask of {self.valid.shape} needs an "
                f"array of {expected} and a grid of {self.valid.shape}, but got an array of "
                f"{self.array.shape} and a grid of {tuple(self.geobox.shape)}."
            )
