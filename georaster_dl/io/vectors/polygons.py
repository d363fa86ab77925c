"""A class raster as polygons in a GeoPackage, with names, areas and colours.

The whole raster goes through one pass of GDAL's polygonize, so no polygon is cut at the edge of a
tile or strip.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import geopandas
import numpy as np
import numpy.typing as npt
import pyogrio
import pyproj
import rasterio
import rasterio.features
import shapely
from affine import Affine

from georaster_dl.core.errors import OutputError
from georaster_dl.core.geography import (
    area_measure,
    length_measure,
    metres_per_unit,
    to_coordinates,
)
from georaster_dl.core.legend import Legend
from georaster_dl.io.scenes.dataset import open_dataset
from georaster_dl.io.scenes.grid import proj_crs
from georaster_dl.io.vectors.geopackage import open_geopackage, store_style

__all__ = [
    "OutlinedObjects",
    "check_polygons_possible",
    "polygons_of_rings",
    "write_polygons",
]

_CHUNK = 20_000  # polygons per append: some tens of MiB, and few enough transactions

_Chunk: TypeAlias = tuple[npt.NDArray[Any], npt.NDArray[np.int64]]


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


@dataclass(frozen=True)
class OutlinedObjects:
    """Objects of a map with their outlines.

    Attributes
    ----------
    chunks : polygons (m,) in cols and rows and their numbers, some at a time.
    classes : (n + 1,) class of each object, by its number from 1.
    confidence : (n + 1,) mean confidence of each, NaN where unknown; None makes no such field.
    """

    chunks: Iterable[_Chunk]
    classes: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64] | None = None


def write_polygons(
    class_raster: Path,
    out: Path,
    *,
    legend: Legend,
    objects: OutlinedObjects | None = None,
) -> int:
    """Write every connected area (sharing pixel edges) of one class as a polygon.

    The layer is named after the file and has the fields ``class_id``, ``class_name``, ``area_m2``, ``id`` (1, 2, ...)
    and ``perimeter_m``, and where the CRS has another unit than the metre ``area_map`` in the square of that. Areas
    and lengths are planar where the CRS keeps areas within 1 % at the scene's centre (UTM, national grids,
    equal-area), in metres whatever the CRS's unit; elsewhere (degrees, Web Mercator) they are those on the ellipsoid;
    without a CRS they are null. A categorized style is stored inside the GeoPackage, where QGIS finds it and it cannot
    clash with the raster's ``.qml``.

    Memory grows with the number of polygons, not of pixels: about 1 KB each.

    Parameters
    ----------
    class_raster : single-band raster of the legend's values; nodata makes no polygons.
    out : the GeoPackage, replaced if it exists.
    legend : classes of the raster.
    objects : the objects of the raster, whose outlines are taken in place of its classes'.

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
        fields = _Fields(
            legend, objects, proj_crs(dataset), dataset.transform, (dataset.height, dataset.width)
        )
        crs = dataset.crs.to_wkt() if dataset.crs else None
    chunks = _outlines(class_raster) if objects is None else objects.chunks
    with open_geopackage(out) as path:
        count = 0
        for polygons, numbers in chunks:
            frame = fields.frame(polygons, numbers, count, crs)
            if len(frame) or not count:
                _append(frame, path, out.stem, append=count > 0)
            count += len(frame)
        if not count:
            nothing = fields.frame(np.empty(0, object), np.empty(0, np.int64), 0, crs)
            _append(nothing, path, out.stem, append=False)
    store_style(out, legend, field="class_name")
    return count


def _outlines(raster: Path) -> Iterator[_Chunk]:
    """Polygons, in the raster's coordinates, and the value of each, some at a time."""
    with open_dataset(str(raster)) as dataset:
        shapes = rasterio.features.shapes(rasterio.band(dataset, 1))
        while chunk := list(islice(shapes, _CHUNK)):
            polygons = polygons_of_rings([shape["coordinates"] for shape, _ in chunk])
            yield polygons, np.array([value for _, value in chunk], np.int64)


class _Fields:
    """Attributes of polygons, and their coordinates in the CRS of the map."""

    def __init__(
        self,
        legend: Legend,
        objects: OutlinedObjects | None,
        crs: pyproj.CRS | None,
        affine: Affine,
        shape: tuple[int, int],
    ) -> None:
        self._names = dict(zip(legend.values, legend.names, strict=True))
        self._objects = objects
        self._nothing = legend.nodata if objects is None else 0
        self._affine = affine
        self._area = area_measure(crs, affine, shape)
        self._length = length_measure(crs, affine, shape)
        self._of_map = crs is not None and metres_per_unit(crs) not in (1.0, None)

    def frame(
        self, polygons: npt.NDArray[Any], numbers: npt.NDArray[np.int64], before: int, crs: Any
    ) -> geopandas.GeoDataFrame:
        """Polygons of the objects among these, with their fields; ``before`` were written."""
        wanted = numbers != self._nothing
        numbers = numbers[wanted]
        placed = polygons[wanted]
        if self._objects is not None:
            placed = shapely.transform(
                placed, lambda at: np.stack(to_coordinates(self._affine, *at.T), axis=1)
            )
        values = numbers if self._objects is None else self._objects.classes[numbers]
        columns = {
            "class_id": values.astype("int32"),
            "class_name": np.array(
                [self._names.get(v, f"class {v}") for v in values.tolist()], object
            ),
            "area_m2": self._area(placed),
            "id": np.arange(before + 1, before + 1 + len(placed), dtype="int64"),
            "perimeter_m": self._length(placed),
        }
        if self._of_map:
            columns["area_map"] = shapely.area(placed)
        if self._objects is not None and self._objects.confidence is not None:
            columns["confidence"] = self._objects.confidence[numbers]
        return geopandas.GeoDataFrame(columns, geometry=placed, crs=crs)


def _append(frame: geopandas.GeoDataFrame, out: Path, layer: str, *, append: bool) -> None:
    with warnings.catch_warnings():
        # Without a CRS; said by the null areas.
        warnings.filterwarnings("ignore", message="'crs' was not provided")
        pyogrio.write_dataframe(
            frame, out, driver="GPKG", layer=layer, geometry_type="Polygon", append=append
        )


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
