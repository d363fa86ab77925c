"""A class raster as polygons in a GeoPackage, with names, areas and colours.

The whole raster goes through one pass of GDAL's polygonize, so no polygon is cut at the edge of a
tile or strip.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import pyogrio
import rasterio
import rasterio.features
import shapely

from georaster_dl.core.errors import OutputError
from georaster_dl.core.geography import area_measure
from georaster_dl.core.legend import Legend
from georaster_dl.io.scenes.dataset import open_dataset
from georaster_dl.io.scenes.grid import proj_crs
from georaster_dl.io.vectors.geopackage import open_geopackage, store_style

__all__ = ["check_polygons_possible", "polygons_of_rings", "write_polygons"]

_CHUNK = 20_000  # polygons per append: some tens of MiB, and few enough transactions
_AREA_TOLERANCE = 0.01

# Polygons as shapely objects in, square metres (NaN where unknown) out.
_Measure = Callable[[npt.NDArray[Any]], npt.NDArray[np.float64]]


def check_polygons_possible(*, has_gcps: bool, has_transform: bool) -> None:
    """Check, before anything is computed, that a scene has an affine transform for polygons.

    Parameters
    ----------
    has_gcps : whether ground control points are the scene's only georeferencing.
    has_transform : whether it has an affine transform; a CRS is not needed.

    Raises
    ------
    OutputError
        When vector coordinates cannot be given.
    """
    if has_transform and not has_gcps:
        return
    what = "only ground control points" if has_gcps else "no georeferencing"
    raise OutputError(
        f"The scene has {what}, but polygons need an affine transform; "
        f"georeference it first (gdalwarp -t_srs ...), or write the raster only."
    )


def write_polygons(class_raster: Path, out: Path, *, legend: Legend) -> int:
    """Write every connected area (sharing pixel edges) of one class as a polygon.

    The layer is named after the file and has the fields ``class_id``, ``class_name`` and
    ``area_m2``. The area is planar where the CRS keeps areas within 1 % at the scene's centre (UTM,
    national grids, equal-area), in square metres whatever the CRS's unit; elsewhere (degrees, Web
    Mercator) it is that on the ellipsoid; without a CRS it is null. A categorized style is
    stored inside the GeoPackage, where QGIS finds it and it cannot clash with the raster's ``.qml``.

    Memory grows with the number of polygons, not of pixels: about 1 KB each.

    Parameters
    ----------
    class_raster : single-band raster of the legend's values; nodata makes no polygons.
    out : the GeoPackage, replaced if it exists.
    legend : classes of the raster.

    Returns
    -------
    Number of polygons, which may be 0: the layer then exists and is empty.

    Raises
    ------
    OutputError
        When the raster has no affine transform, or the file cannot be written.
    """
    with open_dataset(str(class_raster)) as dataset:
        plain = dataset.transform.is_identity and dataset.crs is None
        check_polygons_possible(has_gcps=bool(dataset.gcps[0]), has_transform=not plain)
        measure = area_measure(proj_crs(dataset), dataset.transform, dataset.shape)
        shapes = rasterio.features.shapes(rasterio.band(dataset, 1), transform=dataset.transform)
        with open_geopackage(out) as path:
            count = _append_all(
                shapes, path, out.stem, legend=legend, crs=dataset.crs, measure=measure
            )
    store_style(out, legend, field="class_name")
    return count


def _append_all(
    shapes: Iterator[tuple[dict[str, Any], float]],
    out: Path,
    layer: str,
    *,
    legend: Legend,
    crs: Any,
    measure: _Measure,
) -> int:
    names = dict(zip(legend.values, legend.names, strict=True))
    kept = ((shape, int(value)) for shape, value in shapes if int(value) != legend.nodata)
    count = 0
    while True:
        chunk = list(islice(kept, _CHUNK))
        if not chunk and count:
            return count
        geometry = polygons_of_rings([shape["coordinates"] for shape, _ in chunk])
        values = [value for _, value in chunk]
        frame = geopandas.GeoDataFrame(
            {
                "class_id": np.array(values, dtype="int32"),
                "class_name": np.array([names.get(v, f"class {v}") for v in values], dtype=object),
                "area_m2": measure(geometry),
            },
            geometry=geometry,
            crs=crs.to_wkt() if crs else None,
        )
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message="'crs' was not provided"
            )  # said by the null areas
            pyogrio.write_dataframe(
                frame, out, driver="GPKG", layer=layer, geometry_type="Polygon", append=count > 0
            )
        count += len(chunk)
        if not chunk:
            return 0


def polygons_of_rings(coordinates: list[list[list[tuple[float, float]]]]) -> npt.NDArray[Any]:
    """Build polygons, each given as its outer ring and its holes, all at once, which is thrice as fast: (n,)."""
    if not coordinates:
        return np.empty(0, dtype=object)
    rings = [ring for polygon in coordinates for ring in polygon]
    points = np.array([point for ring in rings for point in ring], dtype=np.float64)
    owner = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    polygon = np.repeat(np.arange(len(coordinates)), [len(polygon) for polygon in coordinates])
    made = shapely.polygons(shapely.linearrings(points, indices=owner), indices=polygon)
    return np.asarray(made, dtype=object)
