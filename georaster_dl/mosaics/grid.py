"""Grid of a mosaic, and the position of each map on it."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj.exceptions import CRSError

from georaster_dl.core.errors import OptionError, OutputError
from georaster_dl.core.geography import (
    can_transform,
    full_turn,
    near_longitude,
    outline,
    to_coordinates,
)
from georaster_dl.mosaics.maps import MosaicMap

__all__ = ["Layout", "Placed", "check_one_grid", "check_size", "lay_out"]

_WHOLE = 0.01  # of a pixel: offsets that near a whole number are one
_LARGE = 10**9  # pixels: what is mostly empty may have no more
_MOSTLY_EMPTY = 0.05  # less of it is covered by maps
_WITH_OVERVIEWS = 4 / 3


@dataclass(frozen=True)
class Placed:
    """A map in a mosaic.

    Attributes
    ----------
    rows, cols : of the mosaic, that the map covers.
    same_grid : whether its pixels are pixels of the mosaic; else it is resampled.
    moved : what its longitudes are called more by in the mosaic than in the map.
    """

    map: MosaicMap
    rows: slice
    cols: slice
    same_grid: bool
    moved: float = 0.0


@dataclass(frozen=True)
class Layout:
    """A mosaic without its pixels.

    Attributes
    ----------
    geobox : its grid.
    placed : its maps, those first that are taken where others lie below them.
    """

    geobox: GeoBox
    placed: tuple[Placed, ...]


def lay_out(
    maps: Sequence[MosaicMap], ordered: Sequence[MosaicMap], crs: str | None = None
) -> Layout:
    """The smallest grid around all maps, aligned with the pixels of the first.

    Parameters
    ----------
    maps : as they were named.
    ordered : the same, as the layout holds them.
    crs : of the mosaic, where not that of the first map. The pixels are then those of the first map
        that has it; else as large as those of the first map, on multiples of their size.

    Raises
    ------
    OptionError
        When the CRS is unknown, or a map has no place in it.
    """
    grid = maps[0].geobox if crs is None else _grid_in(crs, maps)
    places = _brought_together([_place(one, grid) for one in ordered], grid)
    top, left = min(one.top for one in places), min(one.left for one in places)
    bottom, right = max(one.bottom for one in places), max(one.right for one in places)
    affine = grid.affine * Affine.translation(left, top)
    return Layout(
        GeoBox((bottom - top, right - left), affine, grid.crs),
        tuple(
            Placed(
                one,
                slice(place.top - top, place.bottom - top),
                slice(place.left - left, place.right - left),
                place.same_grid,
                place.moved,
            )
            for one, place in zip(ordered, places, strict=True)
        ),
    )


@dataclass(frozen=True)
class _Place:
    """First row and col of a map, and those behind the last, counted in a grid; as ``Placed`` has it."""

    top: int
    left: int
    bottom: int
    right: int
    same_grid: bool
    moved: float = 0.0


def _brought_together(places: Sequence[_Place], grid: GeoBox) -> list[_Place]:
    """Shift places by whole turns so that together they span the fewest longitudes."""
    affine: Any = grid.affine
    if grid.crs is None or not grid.crs.geographic or affine.b or affine.d:
        return list(places)
    turn = full_turn(grid.crs.proj) / abs(affine.a)
    left, right = np.array([[one.left, one.right] for one in places], float).T
    start = np.sort(left % turn)
    order = np.argsort(left % turn, kind="stable")
    end = np.maximum.accumulate(start + (right - left)[order])
    gaps = np.append(start[1:], start[0] + turn) - end
    begin = start[(int(gaps.argmax()) + 1) % len(start)]
    turns = np.round((begin + (left - begin) % turn - left) / turn)
    turns -= np.median(turns).round()
    moved = turns * turn
    if np.ptp([left + moved, right + moved]) > np.ptp([left, right]) - 1:
        return list(places)
    sign = math.copysign(full_turn(grid.crs.proj), affine.a)
    return [_moved(*of_one) for of_one in zip(places, moved, turns * sign, strict=True)]


def _moved(place: _Place, cols: float, longitudes: float) -> _Place:
    whole = round(cols)
    return replace(
        place,
        left=place.left + math.floor(cols + _WHOLE),
        right=place.right + math.ceil(cols - _WHOLE),
        same_grid=place.same_grid and abs(cols - whole) <= _WHOLE,
        moved=float(longitudes),
    )


def _grid_in(name: str, maps: Sequence[MosaicMap]) -> GeoBox:
    """One pixel of a grid in another CRS, as ``lay_out`` chooses it."""
    try:
        crs = pyproj.CRS.from_user_input(name)
    except CRSError as error:
        raise OptionError(f"`crs=` must name a CRS such as EPSG:32631, not {name!r}.") from error
    if not (crs.is_projected or crs.is_geographic) or len(crs.axis_info) != 2:
        raise OptionError(
            f"`crs=` must be projected or geographic and without heights, but {name} is a {crs.type_name}."
        )
    known = next((one.geobox for one in maps if one.geobox.crs == crs), None)
    if known is not None:
        return known
    wide, high = _pixel_size(maps[0], crs)
    return GeoBox((1, 1), Affine.scale(wide, -high), crs)


def _pixel_size(one: MosaicMap, crs: pyproj.CRS) -> tuple[float, float]:
    """Sides of a map's pixels in another CRS; of squares as large as they are where its unit differs."""
    affine: Any = one.geobox.affine
    here = pyproj.CRS.from_user_input(str(one.geobox.crs))
    if _unit(here) == _unit(crs):
        return float(np.hypot(affine.a, affine.d)), float(np.hypot(affine.b, affine.e))
    if not can_transform(here, crs):
        raise _no_place(one, crs.name)
    rows, cols = one.geobox.shape
    x, y = affine * (cols / 2 + np.array([0, 1, 0]), rows / 2 + np.array([0, 0, 1]))
    places = pyproj.Transformer.from_crs(here, crs, always_xy=True).transform(x, y)
    if not np.isfinite(places).all():
        raise _no_place(one, crs.name)
    if crs.is_geographic:
        places = near_longitude(places[0], places[0][0], full_turn(crs)), places[1]
    (a, b), (c, d) = (axis[1:] - axis[0] for axis in places)
    side = float(np.sqrt(abs(a * d - b * c)))
    return side, side


def _unit(crs: pyproj.CRS) -> str:
    return crs.axis_info[0].unit_name


def _no_place(one: MosaicMap, crs: str) -> OptionError:
    return OptionError(
        f"{one.path} has no place in the CRS of the mosaic ({crs}); choose another with `crs=`."
    )


def _place(one: MosaicMap, grid: GeoBox) -> _Place:
    rows, cols = one.geobox.shape
    offset = _offset(one.geobox, grid)
    if offset is not None:
        row, col = offset
        return _Place(row, col, row + rows, col + cols, True)
    return _Place(*_bounds(one, grid), False)


def _bounds(one: MosaicMap, grid: GeoBox) -> tuple[int, int, int, int]:
    """Return the place of a map of another grid: all pixels that its outline touches."""
    crs: Any = grid.crs
    area = outline(one.geobox, crs.proj)
    if area is None:
        raise _no_place(one, _called(grid))
    cols, rows = to_coordinates(~grid.affine, *shapely.get_coordinates(area).T)
    top, left = (math.floor(side.min() + _WHOLE) for side in (rows, cols))
    bottom, right = (math.ceil(side.max() - _WHOLE) for side in (rows, cols))
    return top, left, max(bottom, top + 1), max(right, left + 1)


def _offset(geobox: GeoBox, grid: GeoBox) -> tuple[int, int] | None:
    """Row and col of a grid's first pixel in another; None where their pixels are not the same."""
    if geobox.crs != grid.crs:
        return None
    step: Any = ~grid.affine * geobox.affine
    row, col = round(step.f), round(step.c)
    # What the size of a pixel differs by adds up along the map.
    grown = np.abs([step.a - 1, step.d, step.b, step.e - 1]) * np.repeat(geobox.shape[::-1], 2)
    if max(*grown, abs(step.f - row), abs(step.c - col)) > _WHOLE:
        return None
    return row, col


def check_one_grid(layout: Layout, base: MosaicMap) -> None:
    """Check that no map would have to be resampled.

    Raises
    ------
    OptionError
        When one would; it says which, and what differs.
    """
    for placed in layout.placed:
        if not placed.same_grid:
            raise OptionError(
                f"{placed.map.path} is not on the grid of {base.path}: {_differing(placed.map, base)}. A .vrt "
                f"joins maps as they are; end the name in .tif, which reprojects."
            )


def check_size(layout: Layout, of_pixel: int, output: Path) -> None:
    """Check that a mosaic with pixels of its own is worth making, and that its disk holds it.

    Parameters
    ----------
    of_pixel : bytes.

    Raises
    ------
    OptionError
        When it is large and hardly any of it is covered by maps.
    OutputError
        When its pixels do not fit on the disk.
    """
    rows, cols = layout.geobox.shape
    share = _covered(layout.placed) / (rows * cols)
    needed = rows * cols * of_pixel * _WITH_OVERVIEWS
    size = f"{output.name} would have {rows:,} x {cols:,} pixels and take {needed / 1e9:.1f} GB"
    if rows * cols > _LARGE and share < _MOSTLY_EMPTY:
        raise OptionError(
            f"{size}, but maps cover only {100 * share:.2g} % of it; {_smaller(layout)}."
        )
    if not output.parent.is_dir():
        return  # which is told when it is written
    free = shutil.disk_usage(output.parent).free
    if needed > free:
        raise OutputError(
            f"{size}, but {free / 1e9:.1f} GB are free; free some space, write to another disk, or "
            f"{_smaller(layout)}."
        )


def _covered(placed: Sequence[Placed]) -> int:
    """Count the pixels of the mosaic within the frame of any map."""
    frames = [(one.rows, one.cols) for one in placed]
    edges = [np.unique([(s.start, s.stop) for s in sides]) for sides in zip(*frames, strict=True)]
    held = np.zeros([len(axis) - 1 for axis in edges], bool)
    for frame in frames:
        held[
            tuple(
                slice(*np.searchsorted(axis, (side.start, side.stop)))
                for axis, side in zip(edges, frame, strict=True)
            )
        ] = True
    high, wide = (np.diff(axis) for axis in edges)
    return int((high[:, None] * wide)[held].sum())


def _smaller(layout: Layout) -> str:
    """Suggest a remedy for a mosaic that is too large."""
    if all(one.same_grid for one in layout.placed):
        return "end the name in .vrt, which refers to the maps, or join fewer maps"
    return (
        "join fewer maps, which lie near each other, name one with larger pixels first (the mosaic has "
        "those of the first), or choose another `crs=`"
    )


def _differing(one: MosaicMap, base: MosaicMap) -> str:
    if one.geobox.crs != base.geobox.crs:
        return f"its CRS is {_called(one.geobox)}, not {_called(base.geobox)}"
    sizes = [
        f"{np.hypot(a.a, a.d):.9g} x {np.hypot(a.b, a.e):.9g}"
        for a in (one.geobox.affine, base.geobox.affine)
    ]
    if sizes[0] != sizes[1]:
        return f"its pixels are {sizes[0]}, not {sizes[1]}"
    return "its pixels are not a whole number of pixels away"


def _called(geobox: GeoBox) -> str:
    """A CRS as people call it; a map has one."""
    crs: Any = geobox.crs
    return f"EPSG:{crs.to_epsg()}" if crs.to_epsg() else str(crs.proj.name)
