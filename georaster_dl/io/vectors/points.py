"""Points with fields, as a GeoPackage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas
import numpy.typing as npt
import pyogrio

from georaster_dl.core.errors import OutputError
from georaster_dl.io.vectors.layers import writable

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
    try:
        with writable(out) as path:
            pyogrio.write_dataframe(
                frame, path, driver="GPKG", layer=out.stem, geometry_type="Point"
            )
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, OSError) as error:
        reason = " ".join(str(error).split())
        raise OutputError(
            f"Cannot write points to {out.name}: {reason}; free some space or write elsewhere."
        ) from error
