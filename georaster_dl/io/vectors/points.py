"""Points with fields, as a GeoPackage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas
import numpy.typing as npt

from georaster_dl.io.vectors.geopackage import write_geopackage

__all__ = ["write_points"]


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
