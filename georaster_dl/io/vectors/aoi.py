"""Areas of interest: polygons of any CRS, burnt onto a scene's grid window by window."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import numpy.typing as npt
from rasterio.features import geometry_mask

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import Georeference
from georaster_dl.core.wording import counted
from georaster_dl.io.files.layer_path import file_of
from georaster_dl.io.vectors.files import WindowIndex, check_geometries, near_scene, read_layer

__all__ = ["AreaOfInterest", "polygons_of_interest"]


class AreaOfInterest:
    """Polygons that say which pixels of a scene are asked for.

    A pixel is in when its centre is.

    Parameters
    ----------
    path : vector file that OGR reads, or ``file|layername=NAME``; only its polygons count.
    geobox : the scene's grid.

    Raises
    ------
    OptionError
        When the file cannot be read, has no polygons, no CRS, or lies beside the scene.
    """

    def __init__(self, path: Path, geobox: Georeference) -> None:
        near, affine = near_scene(
            polygons_of_interest(path), geobox, title=f"`aoi='{path}'`", kind="polygons"
        )
        self._shapes = near.geometry.to_numpy()
        self._index = WindowIndex(self._shapes, affine)

    def mask(self, rows: slice, cols: slice) -> npt.NDArray[np.bool_]:
        """Mask pixels whose centre is in a polygon: (rows, cols)."""
        shape, affine, hit = self._index.window(rows, cols)
        if not len(hit):
            return np.zeros(shape, bool)
        inside: npt.NDArray[np.bool_] = geometry_mask(
            self._shapes[hit], out_shape=shape, transform=affine, invert=True
        )
        return inside


def polygons_of_interest(path: Path) -> geopandas.GeoDataFrame:
    """Read the polygons of a file, each part a row, in their own CRS.

    Raises
    ------
    OptionError
        When the file cannot be read, or has no polygons or no CRS.
    """
    frame = read_layer(
        path,
        title=f"`aoi='{path}'`",
        kind="polygons",
        how=f"`aoi=` '{file_of(path)}|layername=NAME'",
        fits=lambda info: "Polygon" in info["geometry_type"] or info["geometry_type"] == "Unknown",
    ).frame
    frame = frame.explode()  # collections may hold polygons, too
    polygons = frame[frame.geometry.geom_type.isin(["Polygon", "MultiPolygon"])]
    if polygons.empty or polygons.crs is None:
        what = (
            "no CRS" if len(polygons) else f"no polygons among its {counted(len(frame), 'feature')}"
        )
        raise OptionError(f"`aoi='{path}'` has {what}; give polygons with a CRS.")
    check_geometries(polygons.geometry, title=f"`aoi='{path}'`")
    return polygons
