"""Location of a raster on Earth and the size of its pixels there, in any CRS."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.gcp import GCPGeoBox
from odc.geo.geobox import GeoBox
from pyproj.exceptions import ProjError

__all__ = [
    "Footprint",
    "Georeference",
    "Place",
    "area_measure",
    "can_transform",
    "centre_of",
    "crs_name",
    "footprint",
    "full_turn",
    "has_longitude",
    "length_measure",
    "lonlat_of_pixels",
    "metres_per_unit",
    "middle_pixel_areas",
    "near_longitude",
    "outline",
    "pixel_areas",
    "resolution_m",
    "to_coordinates",
    "with_same_turns",
]

Georeference: TypeAlias = GeoBox | GCPGeoBox
"""Shape, transform (or ground control points) and CRS of a raster; the CRS may be None."""

Place: TypeAlias = tuple[float, float]
"""Longitude (-180 to 180) and latitude in degrees."""

_Floats = npt.NDArray[np.float64]
_Plane = Callable[[_Floats], _Floats]

_METRES_PER_RADIAN = 111_320.0 * 180 / math.pi
_TOLERANCE = 0.01  # of an area: a CRS that distorts less is taken as it is
_PLACES = 5  # along a row, at which areas are measured
_POINTS = 51  # along a side of an outline, to be projected


def crs_name(crs: CRS | None) -> str:
    """Name a CRS for a line of text: ``EPSG:32631``, or its own name."""
    if crs is None:
        return "no CRS"
    code = crs.to_epsg()
    return str(crs.proj.name) if code is None else f"EPSG:{code}"


def has_longitude(crs: pyproj.CRS) -> bool:
    """Whether coordinates say where on Earth; those of engineering CRSs (``LOCAL_CS``) do not."""
    return bool(crs.is_projected or crs.is_geographic)


def metres_per_unit(crs: pyproj.CRS) -> float | None:
    """Length of a unit of the coordinates; None where these are angles or their unit is unknown."""
    axis = crs.axis_info[0] if crs.axis_info else None
    if axis is None or crs.is_geographic or axis.unit_name == "unknown":
        return None
    return float(axis.unit_conversion_factor)


def resolution_m(geobox: Georeference) -> float | None:
    """Return the side of a pixel in metres, the mean of both sides, at the raster's centre.

    None without a CRS, and where the CRS does not say how long its unit is.
    """
    if geobox.crs is None:
        return None
    linear = geobox.approx if isinstance(geobox, GCPGeoBox) else geobox
    affine, crs = linear.affine, geobox.crs.proj
    side_x, side_y = np.hypot(affine.a, affine.d), np.hypot(affine.b, affine.e)
    rows, cols = geobox.shape
    centre = affine * (cols / 2, rows / 2)
    if crs.is_geographic:
        to_radians = crs.axis_info[0].unit_conversion_factor
        shrunk = np.cos(centre[1] * to_radians)
        return float((side_x * shrunk + side_y) / 2 * to_radians * _METRES_PER_RADIAN)
    unit = metres_per_unit(crs)
    return None if unit is None else float((side_x + side_y) / 2 * unit / _stretch(linear, centre))


def _stretch(geobox: Any, centre: tuple[float, float]) -> float:
    """Return the length in the plane over that on the ellipsoid; 1 where both hardly differ."""
    crs = geobox.crs.proj
    if not has_longitude(crs):
        return 1.0
    scale = float(_areal_scale(crs, geobox.affine)(np.array([centre]))[0])
    scale *= crs.axis_info[0].unit_conversion_factor ** 2
    return 1.0 if abs(scale - 1) <= _TOLERANCE else math.sqrt(scale)


def centre_of(geobox: Georeference) -> Place | None:
    """Return the place of a raster's centre; None where its CRS has no relation to the Earth."""
    linear = geobox.approx if isinstance(geobox, GCPGeoBox) else geobox
    if linear.crs is None or not has_longitude(linear.crs.proj):
        return None
    rows, cols = linear.shape
    try:
        to_lonlat = pyproj.Transformer.from_crs(linear.crs.to_wkt(), "EPSG:4326", always_xy=True)
        lon, lat = to_lonlat.transform(*(linear.affine * (cols / 2, rows / 2)))
    except ProjError:
        return None
    if not np.isfinite([lon, lat]).all() or abs(lat) > 90:
        return None
    return float((lon + 180) % 360 - 180), float(lat)


def pixel_areas(geobox: Georeference, rows: slice) -> _Floats | None:
    """Ground area of one pixel of each row, in square metres on the ellipsoid.

    It is the mean along the row: exact for geographic CRSs and Mercator, whose distortion changes
    with latitude alone, and for equal-area ones; of any pixel within 0.1 % for a scene in UTM. In an
    engineering CRS it is planar.

    Parameters
    ----------
    geobox : the map's grid.
    rows : the rows asked for.

    Returns
    -------
    (rows,) areas; None without a CRS, in one of unknown unit, or with ground control points only.
    """
    if isinstance(geobox, GCPGeoBox) or geobox.crs is None:
        return None
    crs, affine = geobox.crs.proj, geobox.affine
    middle = np.arange(rows.start, rows.stop) + 0.5
    if not has_longitude(crs):
        unit = metres_per_unit(crs)
        area = None if unit is None else abs(affine.determinant) * unit**2
        return None if area is None else np.full_like(middle, area)
    along = (np.arange(_PLACES) + 0.5) / _PLACES * geobox.shape[1]
    places = to_coordinates(affine, *(axis.ravel() for axis in np.meshgrid(along, middle)))
    scales = _areal_scale(crs, affine)(np.stack(places, axis=1)).reshape(-1, _PLACES)
    areas: _Floats = abs(affine.determinant) * (1 / scales).mean(axis=1)
    return areas


def to_coordinates(affine: Affine, cols: _Floats, rows: _Floats) -> tuple[_Floats, _Floats]:
    """Coordinates x and y of places given as arrays of cols and rows; by the inverse, the way back."""
    x = affine.a * cols + affine.b * rows + affine.c
    y = affine.d * cols + affine.e * rows + affine.f
    return x, y


def lonlat_of_pixels(
    geobox: Georeference, rows: npt.NDArray[Any], cols: npt.NDArray[Any]
) -> _Floats | None:
    """Longitude and latitude (n, 2) of places on a raster, in pixels from its corner; None without a CRS."""
    grid: Any = geobox
    if grid.crs is None:
        return None
    x, y = to_coordinates(grid.affine, cols, rows)
    to_lonlat = pyproj.Transformer.from_crs(grid.crs.to_wkt(), "EPSG:4326", always_xy=True)
    return np.stack(to_lonlat.transform(x, y), axis=1)


def area_measure(
    crs: pyproj.CRS | None, affine: Affine, shape: tuple[int, int]
) -> Callable[[npt.NDArray[Any]], _Floats]:
    """Choose how polygons of pixels are measured: shapely polygons in, square metres out.

    Planar where the CRS keeps areas within 1 % at the raster's centre, and in an engineering CRS; else
    on the ellipsoid. NaN without a CRS and in one of unknown unit.

    Parameters
    ----------
    affine, shape : transform, rows and cols of the raster whose pixels make the polygons.
    """
    if crs is None:
        return _unmeasured
    if crs.is_geographic:
        to_radians = crs.axis_info[0].unit_conversion_factor
        to_plane = _equal_area_plane(crs)
        return lambda polygons: np.asarray(
            shapely.area(shapely.transform(polygons, lambda xy: to_plane(xy * to_radians))),
            np.float64,
        )
    unit = metres_per_unit(crs)
    if unit is None:
        return _unmeasured
    if _keeps_areas(crs, affine, shape, unit):
        return lambda polygons: np.asarray(shapely.area(polygons) * unit**2, np.float64)
    scale = _areal_scale(crs, affine)

    def measure(polygons: npt.NDArray[Any]) -> _Floats:
        centres = shapely.get_coordinates(shapely.centroid(polygons))
        return np.asarray(shapely.area(polygons) / scale(centres), np.float64)

    return measure


def middle_pixel_areas(geobox: Georeference, rows: slice) -> _Floats | None:
    """Measure the middle pixel of each row in square metres, as polygons are measured.

    Returns
    -------
    (rows,) areas, NaN without a CRS and in one of unknown unit; None with ground control points only.
    """
    if isinstance(geobox, GCPGeoBox):
        return None
    row = np.arange(rows.start, rows.stop, dtype=np.float64)
    col = np.full(len(row), float(geobox.shape[1] // 2))
    corners = [
        np.stack(to_coordinates(geobox.affine, col + right, row + down), axis=1)
        for right, down in ((0, 0), (1, 0), (1, 1), (0, 1))
    ]
    crs = None if geobox.crs is None else geobox.crs.proj
    measure = area_measure(crs, geobox.affine, (geobox.shape[0], geobox.shape[1]))
    return measure(shapely.polygons(np.stack(corners, axis=1)))


def length_measure(
    crs: pyproj.CRS | None, affine: Affine, shape: tuple[int, int]
) -> Callable[[npt.NDArray[Any]], _Floats]:
    """Choose how perimeters of polygons of pixels are measured: shapely polygons in, metres out.

    Planar where areas are by ``area_measure``; else geodesics from vertex to vertex. NaN without a CRS and in one of
    unknown unit.
    """
    unit = None if crs is None else metres_per_unit(crs)
    if crs is None or (unit is None and not crs.is_geographic):
        return _unmeasured
    if unit is not None and _keeps_areas(crs, affine, shape, unit):
        return lambda polygons: np.asarray(shapely.length(polygons) * unit, np.float64)
    to_lonlat = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    geodetic: Any = crs.geodetic_crs
    geod: Any = crs.get_geod()
    radians = geodetic.axis_info[0].unit_conversion_factor

    def measure(polygons: npt.NDArray[Any]) -> _Floats:
        rings, owner = shapely.get_rings(polygons, return_index=True)
        places, ring = shapely.get_coordinates(rings, return_index=True)
        lon, lat = (np.asarray(axis) * radians for axis in to_lonlat.transform(*places.T))
        along = geod.inv(lon[:-1], lat[:-1], lon[1:], lat[1:], radians=True)[2]
        same = ring[1:] == ring[:-1]
        sums = np.bincount(owner[ring[1:][same]], weights=along[same], minlength=len(polygons))
        return np.asarray(sums, np.float64)

    return measure


def _keeps_areas(crs: pyproj.CRS, affine: Affine, shape: tuple[int, int], metres: float) -> bool:
    """Whether areas in the plane are those on Earth within 1 % at a raster's centre; ``metres`` long is the unit."""
    if not has_longitude(crs):
        return True
    middle = np.array([affine * (shape[1] / 2, shape[0] / 2)])
    return abs(float(_areal_scale(crs, affine)(middle)[0]) * metres**2 - 1) <= _TOLERANCE


def _unmeasured(polygons: npt.NDArray[Any]) -> _Floats:
    return np.full(len(polygons), np.nan)


def _areal_scale(crs: pyproj.CRS, affine: Affine) -> _Plane:
    """Area in the CRS's squared units over square metres on the ellipsoid, at (n, 2) places.

    Measured across a pixel: PROJ's own factors take Web Mercator for a sphere's.
    """
    geodetic: Any = crs.geodetic_crs
    to_lonlat = pyproj.Transformer.from_crs(crs, geodetic, always_xy=True)
    to_radians = geodetic.axis_info[0].unit_conversion_factor
    to_plane = _equal_area_plane(crs)
    steps = np.array([[affine.a, affine.d], [affine.b, affine.e]])
    in_plane = abs(affine.determinant)

    def across(places: _Floats, step: _Floats) -> Any:
        ends = []
        for place in (places + step / 2, places - step / 2):
            lon, lat = to_lonlat.transform(place[:, 0], place[:, 1])
            ends.append(to_plane(np.stack([lon, lat], axis=1) * to_radians))
        x, y = (ends[0] - ends[1]).T
        return np.mod(x + math.pi, 2 * math.pi) - math.pi, y  # the date line may lie between

    def scale(places: _Floats) -> _Floats:
        (x1, y1), (x2, y2) = (across(places, step) for step in steps)
        true = np.abs(x1 * y2 - x2 * y1)
        return np.asarray(in_plane / np.where(true > 0, true, in_plane), np.float64)

    return scale


def _equal_area_plane(crs: pyproj.CRS) -> _Plane:
    """Return the map from (n, 2) longitude, latitude in radians to a plane with true areas.

    Latitude is replaced by the area of the ellipsoid between it and the equator per radian of
    longitude (the equal-area cylinder). Meridians and parallels stay straight, so pixels in degrees
    are measured exactly, and unlike PROJ's projections it does not tear what crosses the date line.
    """
    ellipsoid = crs.ellipsoid
    a = ellipsoid.semi_major_metre if ellipsoid else 6378137.0
    b = ellipsoid.semi_minor_metre if ellipsoid else 6356752.314
    e = math.sqrt(max(1 - (b / a) ** 2, 1e-16))

    def to_plane(lonlat: _Floats) -> _Floats:
        sine = np.sin(lonlat[:, 1])
        height = b**2 / 2 * (sine / (1 - (e * sine) ** 2) + np.arctanh(e * sine) / e)
        return np.stack([lonlat[:, 0], height], axis=1)

    return to_plane


@dataclass(frozen=True)
class Footprint:
    """Outline of a raster in longitude and latitude (WGS 84), as RFC 7946 has it.

    Attributes
    ----------
    geometry : within -180..180; of two parts where the 180th meridian divides it.
    bbox : west, south, east, north in degrees; west is greater than east across that meridian.
    """

    geometry: shapely.Geometry
    bbox: tuple[float, float, float, float]


def footprint(geobox: Georeference) -> Footprint | None:
    """Outline of a raster on Earth; None where its CRS does not say where that is."""
    area = outline(geobox, pyproj.CRS("EPSG:4326"))
    if area is None:
        return None
    west, south, east, north = area.bounds
    turns = 360 * math.floor((west + 180) / 360)
    west, east = west - turns, east - turns
    area = shapely.affinity.translate(area, -turns)
    parts = [
        shapely.affinity.translate(area.intersection(shapely.box(w, -90, w + 360, 90)), -180 - w)
        for w in (-180, 180)
        if east > w
    ]
    if east - west >= 360:
        west, east = -180.0, 180.0
    elif east > 180:
        east -= 360
    anticlockwise = shapely.reverse(shapely.normalize(shapely.union_all(parts)))
    return Footprint(anticlockwise, (west, south, east, north))


def outline(geobox: Georeference, crs: pyproj.CRS) -> shapely.Polygon | None:
    """Outline of a raster in another CRS; None where that does not reach all of it.

    Longitudes go on beyond the 180th meridian, so the outline is not torn there; around a pole it is
    closed along that.
    """
    linear = geobox.approx if isinstance(geobox, GCPGeoBox) else geobox
    if linear.crs is None or not can_transform(linear.crs.proj, crs):
        return None
    before = np.stack(to_coordinates(linear.affine, *_border(linear.shape)), axis=1)
    ring = before
    if linear.crs.proj != crs:
        transformer = pyproj.Transformer.from_crs(linear.crs.to_wkt(), crs, always_xy=True)
        ring = np.stack(transformer.transform(*before.T), axis=1)
    if not np.isfinite(ring).all():
        return None
    if crs.is_geographic:
        same = linear.crs.proj.is_geographic
        ring = with_same_turns(ring, before, linear.crs.proj, crs) if same else _unrolled(ring, crs)
    return shapely.make_valid(shapely.Polygon(ring))


def can_transform(one: pyproj.CRS, other: pyproj.CRS) -> bool:
    """Return whether coordinates can be transformed between two CRSs: both on one planet, or the same."""
    if one == other:
        return True
    if not (has_longitude(one) and has_longitude(other)):
        return False
    try:
        pyproj.Transformer.from_crs(one, other, always_xy=True)
    except ProjError:
        return False
    return True


def full_turn(crs: pyproj.CRS) -> float:
    """All longitudes of a geographic CRS in its unit: 360 degrees, or 400 grads."""
    return float(2 * math.pi / crs.axis_info[0].unit_conversion_factor)


def _border(shape: Any) -> tuple[_Floats, _Floats]:
    """Cols and rows of places along the border, anticlockwise where north is up, closed."""
    rows, cols = shape
    there = np.linspace(0, 1, _POINTS)
    still = np.zeros(_POINTS)
    col = np.concatenate([still, there, still + 1, there[::-1]]) * cols
    row = np.concatenate([there, still + 1, there[::-1], still]) * rows
    return col, row


def with_same_turns(
    places: _Floats, before: _Floats, crs_before: pyproj.CRS, crs: pyproj.CRS
) -> _Floats:
    """Shift longitudes (n, 2) by whole turns next to those of the same places in another CRS."""
    turn = full_turn(crs)
    wanted = before[:, 0] * turn / full_turn(crs_before)
    lat = np.clip(places[:, 1], -turn / 4, turn / 4)
    return np.stack([near_longitude(places[:, 0], wanted, turn), lat], axis=1)


def _unrolled(ring: _Floats, crs: pyproj.CRS) -> _Floats:
    """(n, 2) ring whose longitudes do not jump; around a pole it goes along that."""
    turn = full_turn(crs)
    along = np.unwrap(ring[:, 0], period=turn)
    lat = np.clip(ring[:, 1], -turn / 4, turn / 4)
    ring = np.stack([along, lat], axis=1)
    if abs(along[-1] - along[0]) < turn / 2:
        return ring
    pole = math.copysign(turn / 4, lat.mean())
    return np.concatenate([ring, [[along[-1], pole], [along[0], pole]]])


def near_longitude(lon: _Floats, centre: _Floats | float, turn: float) -> _Floats:
    """Longitudes as they are called within half a turn of others."""
    near: _Floats = centre + np.mod(lon - centre + turn / 2, turn) - turn / 2
    return near
