"""Points on a raster's grid, and points with fields as a GeoPackage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
from odc.geo.gcp import GCPGeoBox

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import Georeference, full_turn, near_longitude, to_coordinates
from georaster_dl.io.vectors.geopackage import write_geopackage
from georaster_dl.io.vectors.placing import in_coordinates_of

__all__ = ["pixels_of_points", "write_points"]


def pixels_of_points(
    points: geopandas.GeoDataFrame, geobox: Georeference, *, title: str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Find row and col of each point's pixel, on the raster or beside it.

    Parameters
    ----------
    points : in any CRS.
    geobox : the raster's grid, with a CRS.
    title : what a message calls the points' file.

    Raises
    ------
    OptionError
        When the raster has no CRS and transform, or nothing leads from the points' CRS to its.
    """
    if isinstance(geobox, GCPGeoBox) or geobox.crs is None:
        raise OptionError(
            f"{title} cannot be laid over a raster without CRS and transform; georeference it first (gdalwarp)."
        )
    places = in_coordinates_of(points, geobox, title=title).geometry
    x, y = places.x.to_numpy(), places.y.to_numpy()
    if geobox.crs.geographic:
        x = near_longitude(x, geobox.extent.geom.centroid.x, full_turn(geobox.crs.proj))
    cols, rows = np.floor(to_coordinates(~geobox.affine, x, y)).astype(np.int64)
    return rows, cols


def write_points(
    out: Path,
    xs: npt.NDArray[Any],
    ys: npt.NDArray[Any],
    fields: Mapping[str, npt.NDArray[Any]],
    *,
    crs: str,
) -> None:
    """Write points to a layer named after the file.

    Parameters
    ----------
    out : the GeoPackage, replaced if it exists.
    xs, ys : (points,) coordinates in the CRS.
    fields : (points,) values by field name; one of type object holds text.
    crs : as WKT.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    frame = geopandas.GeoDataFrame(dict(fields), geometry=geopandas.points_from_xy(xs, ys), crs=crs)
    write_geopackage(out, frame, geometry_type="Point")
