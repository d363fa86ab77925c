"""Shapes of polygons, measured for networks of pixel sets."""

from __future__ import annotations

import geopandas
import numpy as np
import numpy.typing as npt
import shapely

from georaster_dl.core.geography import Georeference, metres_per_unit
from georaster_dl.io.vectors.placing import in_coordinates_of
from georaster_dl.models.zoo.series.shapes import parcel_shapes

__all__ = ["measure_shapes"]


def measure_shapes(
    frame: geopandas.GeoDataFrame, geobox: Georeference, counts: npt.NDArray[np.int64], title: str
) -> npt.NDArray[np.float32]:
    """Measure polygons on a grid as networks of pixel sets take them: (n, 4), see ``parcel_shapes``.

    In the plane of the grid's CRS, on the ellipsoid where that has degrees.

    Parameters
    ----------
    frame : polygons with a CRS.
    counts : (n,) pixels of each.
    title : what a message calls the file.
    """
    placed = in_coordinates_of(frame[["geometry"]], geobox, title=title)
    shapes, crs = placed.geometry.to_numpy(), placed.crs
    areas, (west, south, east, north) = shapely.area(shapes), shapely.bounds(shapes).T
    boxes = (east - west) * (north - south)
    if crs.is_geographic:
        geod = crs.get_geod()
        measured = [geod.geometry_area_perimeter(shape) for shape in shapes]
        metric, perimeters = np.abs(np.array(measured, np.float64).reshape(-1, 2)).T
    else:
        unit = metres_per_unit(crs) or 1.0
        metric, perimeters = areas * unit**2, shapely.length(shapes) * unit
    cover = areas / np.maximum(boxes, np.finfo(np.float64).tiny)
    return parcel_shapes(perimeters, metric, metric / np.maximum(cover, 1e-9), counts)
