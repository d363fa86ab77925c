"""Plane and area in which objects of two files are compared."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import can_transform, metres_per_unit, resolution_m
from georaster_dl.evaluation.objects.inputs import ObjectFile, polygon_parts
from georaster_dl.io.vectors.aoi import polygons_of_interest

__all__ = ["Ground", "Placed", "ground_of"]

_DISTORTED = 0.01  # of a length: a CRS that distorts less is taken as it is
_STEPS = 50  # along a side of a map, which is no straight line in most CRSs
_HAIR = 1e-6  # of a pixel or unit, by which lines on the border lie within it through rounding

_Shapes = npt.NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Placed:
    """Objects of a file within the compared area.

    Attributes
    ----------
    shapes : (n,) polygons in the plane; what the border cuts in two is two objects.
    owner : (n,) place of each in its file.
    cut : (n,) whether the border has cut it.
    left_out : objects of the file that lie outside.
    """

    shapes: _Shapes
    owner: npt.NDArray[np.intp]
    cut: npt.NDArray[np.bool_]
    left_out: int


@dataclass(frozen=True, eq=False)
class Ground:
    """A plane with true lengths, and the area of it that both files cover.

    Attributes
    ----------
    crs : of the plane; None where neither file has one.
    metres : length of its unit; None where that is not known.
    area : None where both are polygons that do not tell the ground they cover, and no area was named.
    pixel : side of a pixel in the plane's unit; None where both are polygons.
    """

    crs: pyproj.CRS | None
    metres: float | None
    area: shapely.Geometry | None
    pixel: float | None

    def place(self, file: ObjectFile, which: npt.NDArray[np.intp]) -> Placed:
        """Transform objects to the plane and cut them at the border of the area.

        Pieces that are smaller than a pixel are left out, as no map can show them.
        """
        shapes, owner, _ = polygon_parts(_moved(file.shapes[which], file.crs, self.crs))
        owner = which[owner]
        if self.area is None or not len(shapes):
            outside = len(which) - len(np.unique(owner))
            return Placed(shapes, owner, np.zeros(len(shapes), bool), outside)
        shapely.prepare(self.area)
        whole = shapely.covers(self.area, shapes)
        across = np.flatnonzero(~whole & shapely.intersects(self.area, shapes))
        pieces, of, _ = polygon_parts(shapely.intersection(shapes[across], self.area))
        kept = shapely.area(pieces) >= (self.pixel or 0) ** 2 * (1 - _HAIR)
        pieces, of = pieces[kept], of[kept]
        cut = np.repeat([False, True], [int(whole.sum()), len(pieces)])
        placed = np.concatenate([owner[whole], owner[across][of]])
        outside = len(which) - len(np.unique(placed))
        return Placed(np.concatenate([shapes[whole], pieces]), placed, cut, outside)

    def outlines(self, placed: Placed) -> _Shapes:
        """Give outlines (n,) of objects, without parts on the border of the area."""
        lines = np.asarray(shapely.boundary(placed.shapes), object)
        if self.area is None or not len(lines):
            return lines
        within = self.area.buffer(-_HAIR * (self.pixel or 1), join_style="mitre")
        shapely.prepare(within)
        near = np.flatnonzero(~shapely.contains_properly(within, lines))
        lines[near] = shapely.intersection(lines[near], within)
        return lines


def ground_of(mapped: ObjectFile, reference: ObjectFile, aoi: Path | None) -> Ground:
    """Choose the plane, and find the area that maps and an area of interest have in common.

    A map is a raster, or polygons that tell the ground of the one they were made of.

    The plane is the map's CRS, where that has true lengths, else an equal-area one around the map (Lambert's).

    Raises
    ------
    OptionError
        When only one file has a CRS, nothing leads from the one to the other, or the area is empty.
    """
    _check_crs(mapped, reference)
    crs, metres = _plane(
        reference if mapped.footprint is None and not len(mapped.shapes) else mapped
    )
    pixel = next((_side(file.grid, crs, metres) for file in (mapped, reference) if file.grid), None)
    areas = [_covered(file, crs) for file in (mapped, reference) if file.footprint is not None]
    if aoi is not None:
        frame = polygons_of_interest(aoi)
        if crs is None or not can_transform(pyproj.CRS(frame.crs), crs):
            raise OptionError(
                f"`aoi='{aoi}'` has a CRS that does not fit that of the map {mapped.path}; give both in one."
            )
        areas.append(shapely.union_all(frame.to_crs(crs).geometry.make_valid().to_numpy()))
    area = None
    for each in areas:
        area = each if area is None else shapely.intersection(area, each)
    if area is not None and not area.area > 0:
        raise OptionError(
            f"The map {mapped.path} and the reference {reference.path}{' and the area of interest' if aoi else ''} have "
            f"no ground in common; check that they show the same place, and their CRSs."
        )
    return Ground(crs, metres, area, pixel)


def _check_crs(mapped: ObjectFile, reference: ObjectFile) -> None:
    if (mapped.crs is None) != (reference.crs is None):
        without = mapped if mapped.crs is None else reference
        raise OptionError(
            f"{without.path} has no CRS but the other file has one, so they cannot be laid over each other; "
            f"georeference it (gdal_edit -a_srs, ogr2ogr -a_srs)."
        )
    if mapped.crs and reference.crs and not can_transform(mapped.crs, reference.crs):
        raise OptionError(
            f"The map {mapped.path} has the CRS {mapped.crs.name!r} and the reference {reference.path} "
            f"{reference.crs.name!r}, and nothing leads from one to the other; give both in one CRS."
        )


def _plane(file: ObjectFile) -> tuple[pyproj.CRS | None, float | None]:
    """The CRS of a plane, and the metres of its unit."""
    crs = file.crs
    if crs is None:
        return None, None
    x, y = _middle(file)
    if crs.is_projected:
        unit = metres_per_unit(crs)
        true = resolution_m(GeoBox((1, 1), Affine(1, 0, x, 0, -1, y), crs.to_wkt()))
        if unit is None or true is None or abs(true / unit - 1) <= _DISTORTED:
            return crs, unit
    elif not crs.is_geographic:
        return crs, metres_per_unit(crs)
    to_degrees = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    lon, lat = to_degrees.transform(x, y)
    around = f"+proj=laea +lat_0={lat:.6f} +lon_0={lon:.6f} +datum=WGS84 +units=m"
    return pyproj.CRS(around), 1.0


def _middle(file: ObjectFile) -> tuple[float, float]:
    if file.footprint is not None:
        centre = file.footprint.centroid
        return centre.x, centre.y
    if not len(file.shapes):
        return 0.0, 0.0
    west, south, east, north = shapely.total_bounds(file.shapes)
    return (west + east) / 2, (south + north) / 2


def _side(grid: GeoBox, crs: pyproj.CRS | None, metres: float | None) -> float:
    """Side of a pixel in the plane's unit."""
    if crs is None or grid.crs is None or grid.crs.proj == crs:
        return math.sqrt(abs(grid.affine.determinant))
    side = resolution_m(grid)
    return math.sqrt(abs(grid.affine.determinant)) if side is None else side / (metres or 1.0)


def _covered(file: ObjectFile, crs: pyproj.CRS | None) -> shapely.Geometry:
    """Make the outline of a map, less its nodata."""
    extent: Any = file.footprint
    extent = shapely.segmentize(extent, extent.length / 4 / _STEPS) if file.crs != crs else extent
    (ground,) = _moved(np.array([extent], object), file.crs, crs)
    if file.nodata is not None and len(file.nodata):
        nothing = _moved(file.nodata, file.crs, crs)
        ground = shapely.difference(ground, shapely.union_all(nothing))
    return ground


def _moved(shapes: _Shapes, crs: pyproj.CRS | None, plane: pyproj.CRS | None) -> _Shapes:
    """(n,) shapes in the plane; without those that it does not reach."""
    if crs is None or plane is None or crs == plane or not len(shapes):
        return shapes
    moved = geopandas.GeoSeries(shapes, crs=crs).to_crs(plane).to_numpy()
    reached = np.isfinite(shapely.bounds(moved)).all(axis=1)
    if not reached.all():
        moved[~reached] = shapely.Polygon()
    return np.asarray(moved, object)
