"""The raster as a value: numbers, one valid mask, a place on Earth, and what the planes mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyproj
from odc.geo.gcp import GCPGeoBox
from odc.geo.geobox import GeoBox

from georaster_dl.bands import Band
from georaster_dl.errors import OptionError

__all__ = ["Georeference", "Place", "Raster", "centre_of", "resolution_m"]

Georeference: TypeAlias = GeoBox | GCPGeoBox
"""Shape, transform (or ground control points) and CRS of a raster; the CRS may be None."""

Place: TypeAlias = tuple[float, float]
"""Longitude (-180 to 180) and latitude in degrees."""

METRES_PER_DEGREE = 111_320.0


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

    def crop(self, rows: slice, cols: slice) -> Raster:
        """Pixels of these rows and cols; a view, with its own place on Earth."""
        return Raster(
            self.array[:, rows, cols], self.valid[rows, cols], self.geobox[rows, cols], self.bands
        )


def centre_of(geobox: Georeference) -> Place | None:
    """Where the middle of a raster lies; None without a CRS, or with one that is not tied to Earth."""
    if geobox.crs is None:
        return None
    linear = geobox.approx if isinstance(geobox, GCPGeoBox) else geobox
    rows, cols = geobox.shape
    try:
        to_lonlat = pyproj.Transformer.from_crs(geobox.crs.to_wkt(), "EPSG:4326", always_xy=True)
        lon, lat = to_lonlat.transform(*(linear.affine * (cols / 2, rows / 2)))
    except pyproj.exceptions.ProjError:
        return None
    if not np.isfinite([lon, lat]).all() or abs(lat) > 90:
        return None
    return float((lon + 180) % 360 - 180), float(lat)


def resolution_m(geobox: Georeference) -> float | None:
    """Ground size of a pixel in metres, the mean of its two sides; None without a CRS.

    For a geographic CRS the size is taken at the raster's centre.
    """
    if geobox.crs is None:
        return None
    linear = geobox.approx if isinstance(geobox, GCPGeoBox) else geobox
    affine = linear.affine
    side_x, side_y = np.hypot(affine.a, affine.d), np.hypot(affine.b, affine.e)
    if not geobox.crs.geographic:
        to_metres = geobox.crs.proj.axis_info[0].unit_conversion_factor
        return float((side_x + side_y) / 2 * to_metres)
    rows, cols = geobox.shape
    latitude = (affine * (cols / 2, rows / 2))[1]
    return float((side_x * np.cos(np.radians(latitude)) + side_y) / 2 * METRES_PER_DEGREE)
