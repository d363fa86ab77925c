"""Areas of interest: polygons of any CRS, burnt onto a scene's grid window by window."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import numpy.typing as npt
import pyogrio
from affine import Affine
from odc.geo.gcp import GCPGeoBox
from rasterio.features import geometry_mask

from georaster_dl.errors import OptionError
from georaster_dl.raster import Georeference

__all__ = ["AreaOfInterest"]


class AreaOfInterest:
    """Polygons that say which pixels of a scene are asked for.

    A pixel is in when its centre is.

    Parameters
    ----------
    path : vector file that OGR reads; only its polygons count.
    geobox : the scene's grid.

    Raises
    ------
    OptionError
        When the file cannot be read, has no polygons, no CRS, or lies beside the scene.
    """

    def __init__(self, path: Path, geobox: Georeference) -> None:
        if isinstance(geobox, GCPGeoBox) or geobox.crs is None:
            raise OptionError(
                f"--aoi {path} cannot be laid over a scene without a CRS and transform; georeference "
                f"the scene first (gdalwarp)."
            )
        polygons = _polygons(path)
        # Only corners are reprojected, and a polygon of the whole Earth has none near the scene:
        # cut to the scene's surroundings it does.
        crs = geobox.crs.to_wkt()
        around = geopandas.GeoSeries([geobox.extent.geom], crs=crs).to_crs(polygons.crs).iloc[0]
        near = polygons.clip(around.buffer(around.length).envelope).to_crs(crs)
        self._affine: Affine = geobox.affine
        self._index = near.sindex
        self._shapes = near.geometry.array
        if not len(self._index.query(geobox.extent.geom, predicate="intersects")):
            raise OptionError(
                f"--aoi {path} does not touch the scene: its polygons span "
                f"{_corners(polygons.total_bounds)} and the scene {_corners(around.bounds)} in the "
                f"polygons' CRS; check the polygons' CRS and place."
            )

    def mask(self, rows: slice, cols: slice) -> npt.NDArray[np.bool_]:
        """(rows, cols) True where the pixel's centre lies in a polygon."""
        shape = (rows.stop - rows.start, cols.stop - cols.start)
        affine = self._affine * Affine.translation(cols.start, rows.start)
        corners = [affine * (x, y) for x in (0, shape[1]) for y in (0, shape[0])]
        xs, ys = zip(*corners, strict=True)
        hit = self._index.intersection((min(xs), min(ys), max(xs), max(ys)))
        if not len(hit):
            return np.zeros(shape, bool)
        inside: npt.NDArray[np.bool_] = geometry_mask(
            self._shapes[hit], out_shape=shape, transform=affine, invert=True
        )
        return inside


def _polygons(path: Path) -> geopandas.GeoDataFrame:
    try:
        # A GeoPackage may hold tables without geometry too, its styles for example.
        layers = [name for name, geometry in pyogrio.list_layers(path) if geometry is not None]
        frame = (
            geopandas.read_file(path, layer=layers[0])
            if layers
            else geopandas.GeoDataFrame(geometry=[])
        )
    except Exception as error:  # pyogrio raises many kinds; all mean the same here
        raise OptionError(
            f"--aoi {path} cannot be read as polygons ({error}); give a GeoPackage, GeoJSON or Shapefile."
        ) from error
    polygons = frame[frame.geometry.geom_type.isin(["Polygon", "MultiPolygon"])]
    if polygons.empty or polygons.crs is None:
        what = "no CRS" if len(polygons) else f"no polygons among its {len(frame)} features"
        raise OptionError(f"--aoi {path} has {what}; give polygons with a CRS.")
    return polygons


def _corners(bounds: tuple[float, float, float, float]) -> str:
    return "({:.6g}, {:.6g}) to ({:.6g}, {:.6g})".format(*bounds)
