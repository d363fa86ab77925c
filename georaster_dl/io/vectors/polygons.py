"""Polygons of a class raster in a GeoPackage, with names, areas and colours."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import geopandas
import numpy as np
import numpy.typing as npt
import pyogrio
import pyproj
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
    "map_footprint",
    "write_polygons",
]

_FOOTPRINT = "MAP_FOOTPRINT"  # item of the layer's metadata, in the layer's CRS

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
    objects: OutlinedObjects,
) -> int:
    """Write the objects of a class raster as polygons.

    The layer is named after the file and has the fields ``class_id``, ``class_name``, ``area_m2``, ``id`` (1, 2, ...)
    and ``perimeter_m``, and where the CRS has another unit than the metre ``area_map`` in the square of that. Areas
    and lengths are planar where the CRS keeps areas within 1 % at the scene's centre (UTM, national grids,
    equal-area), in metres whatever the CRS's unit; elsewhere (degrees, Web Mercator) they are those on the ellipsoid;
    without a CRS they are null. A categorized style is stored inside the GeoPackage, where QGIS finds it and it cannot
    clash with the raster's ``.qml``. The layer's metadata hold the raster's outline (:func:`map_footprint`).

    Parameters
    ----------
    class_raster : single-band raster of the legend's values.
    out : the GeoPackage, replaced if it exists.
    legend : classes of the raster.
    objects : of the raster.

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
        footprint = _outline(dataset.transform, dataset.height, dataset.width)
    with open_geopackage(out) as path:
        count = 0
        for polygons, numbers in objects.chunks:
            frame = fields.frame(polygons, numbers, count, crs)
            if len(frame) or not count:
                _append(frame, path, out.stem, footprint, append=count > 0)
            count += len(frame)
        if not count:
            nothing = fields.frame(np.empty(0, object), np.empty(0, np.int64), 0, crs)
            _append(nothing, path, out.stem, footprint, append=False)
    store_style(out, legend, field="class_name")
    return count


def map_footprint(info: Mapping[str, Any]) -> shapely.Geometry | None:
    """Read the outline of the map that a layer of polygons was made of, in the layer's CRS.

    Parameters
    ----------
    info : pyogrio's description of the layer.

    Returns
    -------
    None where the layer does not tell it, as in files of other programs.
    """
    text = (info.get("layer_metadata") or {}).get(_FOOTPRINT)
    return None if text is None else shapely.from_wkt(text, on_invalid="ignore")


def _outline(affine: Affine, rows: int, cols: int) -> str:
    corners = to_coordinates(affine, np.array([0, cols, cols, 0]), np.array([0, 0, rows, rows]))
    return str(shapely.to_wkt(shapely.Polygon(np.stack(corners, axis=1)), rounding_precision=-1))


class _Fields:
    """Attributes of polygons, and their coordinates in the CRS of the map."""

    def __init__(
        self,
        legend: Legend,
        objects: OutlinedObjects,
        crs: pyproj.CRS | None,
        affine: Affine,
        shape: tuple[int, int],
    ) -> None:
        self._names = dict(zip(legend.values, legend.names, strict=True))
        self._objects = objects
        self._affine = affine
        self._area = area_measure(crs, affine, shape)
        self._length = length_measure(crs, affine, shape)
        self._of_map = crs is not None and metres_per_unit(crs) not in (1.0, None)

    def frame(
        self, polygons: npt.NDArray[Any], numbers: npt.NDArray[np.int64], before: int, crs: Any
    ) -> geopandas.GeoDataFrame:
        """Polygons of the objects among these, with their fields; ``before`` were written."""
        wanted = numbers != 0
        numbers = numbers[wanted]
        placed = shapely.transform(
            polygons[wanted], lambda at: np.stack(to_coordinates(self._affine, *at.T), axis=1)
        )
        values = self._objects.classes[numbers]
        columns = {
            "class_id": values.astype("int32"),
            "class_name": np.array([self._names.get(v, str(v)) for v in values.tolist()], object),
            "area_m2": self._area(placed),
            "id": np.arange(before + 1, before + 1 + len(placed), dtype="int64"),
            "perimeter_m": self._length(placed),
        }
        if self._of_map:
            columns["area_map"] = shapely.area(placed)
        if self._objects.confidence is not None:
            columns["confidence"] = self._objects.confidence[numbers]
        return geopandas.GeoDataFrame(columns, geometry=placed, crs=crs)


def _append(
    frame: geopandas.GeoDataFrame, out: Path, layer: str, footprint: str, *, append: bool
) -> None:
    metadata = None if append else {_FOOTPRINT: footprint}
    with warnings.catch_warnings():
        # Without a CRS; said by the null areas.
        warnings.filterwarnings("ignore", message="'crs' was not provided")
        pyogrio.write_dataframe(
            frame,
            out,
            driver="GPKG",
            layer=layer,
            geometry_type="Polygon",
            append=append,
            layer_metadata=metadata,
        )
