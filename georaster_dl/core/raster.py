"""Place of a raster's pixels on Earth."""

from __future__ import annotations

from typing import TypeAlias

from odc.geo.gcp import GCPGeoBox
from odc.geo.geobox import GeoBox

__all__ = ["Georeference"]

Georeference: TypeAlias = GeoBox | GCPGeoBox
"""Shape, transform (or ground control points) and CRS of a raster; the CRS may be None."""
