"""Features transformed to a raster's coordinates, also across the 180th meridian."""

from __future__ import annotations

import geopandas
import numpy as np
import pandas as pd
import pyproj
import shapely

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import (
    Georeference,
    can_transform,
    full_turn,
    near_longitude,
    outline,
    with_same_turns,
)

__all__ = ["in_coordinates_of", "in_degrees", "surroundings"]

_FARTHEST = 1 / 8  # of all longitudes: what lies farther beside a scene does not matter to it


def in_coordinates_of(
    frame: geopandas.GeoDataFrame, geobox: Georeference, *, title: str
) -> geopandas.GeoDataFrame:
    """Features in the CRS of a raster; longitudes are called as they are there (-179, 181, ...).

    Parameters
    ----------
    frame : features with a CRS, of none wider than half the Earth.
    geobox : the raster's grid, with a CRS.
    title : what a message calls the features' file.

    Raises
    ------
    OptionError
        When nothing leads from the one CRS to the other: one is local, or of another planet.
    """
    crs = _crs(geobox)
    if not can_transform(frame.crs, crs):
        if not _same_plane(frame.crs, crs):
            raise OptionError(
                f"{title} has the CRS {frame.crs.name!r} and the scene {crs.name!r}, and nothing leads from one "
                f"to the other; give both in one CRS."
            )
        return frame.set_crs(crs.to_wkt(), allow_override=True)
    placed = frame.to_crs(crs.to_wkt())
    if crs.is_geographic:
        placed.geometry = _without_jumps(frame.geometry, placed.geometry, geobox.extent.geom)
    return placed


def in_degrees(frame: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    """Features in longitude and latitude (WGS 84), each in one piece beside the first of them."""
    placed = frame.to_crs("EPSG:4326")
    placed.geometry = _without_jumps(frame.geometry, placed.geometry, placed.geometry.iloc[0])
    return placed


def surroundings(
    frame: geopandas.GeoDataFrame, geobox: Georeference
) -> tuple[geopandas.GeoDataFrame, tuple[float, float, float, float]] | None:
    """Features cut to a raster's surroundings, in their own CRS, and the raster's bounds in that.

    Only corners are reprojected, and a polygon of the whole Earth has none near a scene: cut to its
    surroundings it does. None where the features' CRS does not reach as far as the raster.
    """
    local = not can_transform(frame.crs, _crs(geobox))
    around = geobox.extent.geom if local else outline(geobox, frame.crs)
    if around is None:
        return None
    if not frame.crs.is_geographic:
        return frame.clip(around.buffer(around.length).envelope).sort_index(), around.bounds
    turn = full_turn(frame.crs)
    window = _window(around, turn)
    pieces = []
    for turns in (-turn, 0, turn):
        piece = frame.clip(shapely.affinity.translate(window, turns).envelope)
        # A parallel is no straight line in most CRSs.
        pieces.append(piece.set_geometry(piece.geometry.segmentize(turn / 360).translate(-turns)))
    return pd.concat(pieces).sort_index(kind="stable"), around.bounds


def _window(around: shapely.Geometry, turn: float) -> shapely.Geometry:
    """A box of longitude and latitude around a scene, nowhere wider than the Earth."""
    west, south, east, north = around.bounds
    beside = min(around.length, _FARTHEST * turn)
    room = max(min(beside, (turn - (east - west)) / 2), 0)
    return shapely.box(west - room, south - beside, east + room, north + beside)


def _crs(geobox: Georeference) -> pyproj.CRS:
    if geobox.crs is None:
        raise OptionError("A raster without a CRS has no coordinates to lay features in.")
    return geobox.crs.proj


def _same_plane(one: pyproj.CRS, other: pyproj.CRS) -> bool:
    """Whether two engineering CRSs may be one: files keep their units better than their names."""
    units = [[axis.unit_name for axis in crs.axis_info] for crs in (one, other)]
    return bool(one.is_engineering and other.is_engineering and units[0] == units[1])


def _without_jumps(
    before: geopandas.GeoSeries, placed: geopandas.GeoSeries, place: shapely.Geometry
) -> geopandas.GeoSeries:
    """Shapes in a geographic CRS without the jumps that PROJ makes at the 180th meridian.

    Longitudes that were such before stay as near to those as they can; of others every shape becomes
    one piece, and as a whole lies near ``place``.
    """
    turn = full_turn(placed.crs)
    xy, owner = shapely.get_coordinates(placed.to_numpy(), return_index=True)
    if before.crs.is_geographic:
        old = shapely.get_coordinates(before.to_numpy())
        xy = with_same_turns(xy, old, before.crs, placed.crs)
    else:
        starts = np.searchsorted(owner, owner)
        lon = near_longitude(xy[:, 0], xy[starts, 0], turn)
        n = np.bincount(owner, minlength=len(placed))
        middle = (np.bincount(owner, lon, len(placed)) / np.maximum(n, 1))[owner]
        xy[:, 0] = lon + near_longitude(middle, place.centroid.x, turn) - middle
    shapes = shapely.set_coordinates(placed.to_numpy().copy(), xy)
    return geopandas.GeoSeries(shapes, index=placed.index, crs=placed.crs)
