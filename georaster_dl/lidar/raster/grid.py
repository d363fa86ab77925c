"""Grid of a raster of points, and the cell that each point belongs to."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
from affine import Affine
from odc.geo.geobox import GeoBox

from georaster_dl.core.errors import OptionError
from georaster_dl.io.scenes.dataset import open_dataset
from georaster_dl.io.scenes.grid import proj_crs
from georaster_dl.lidar.tiles import Tile, TileSet

__all__ = ["cells_of", "grid_like", "grid_of", "pixel_box", "side_m"]

_DECIMALS = 6
"""Places of a cell to which a position is rounded: a point written on an edge lies on it in spite of its float."""
_MOST_CELLS = 2**40
_MOST_MOVED = 0.01  # of a cell, between two CRSs that are the same


def grid_of(tiles: TileSet, cell: float) -> GeoBox:
    """Make a grid over the extent of the files; edges are multiples of the side, so rasters of neighbours fit.

    Parameters
    ----------
    cell : side of a cell in metres.

    Raises
    ------
    OptionError
        Where the extent in a header is no extent.
    """
    side = cell / tiles.unit_m
    left, bottom, right, top = tiles.box
    if not np.isfinite(tiles.box).all() or right < left or top < bottom:
        raise OptionError(
            f"The headers state an extent from {left}, {bottom} to {right}, {top}; write them anew."
        )
    first_col, last_col = (math.floor(round(x / side, _DECIMALS)) for x in (left, right))
    first_row, last_row = (math.ceil(round(-y / side, _DECIMALS)) - 1 for y in (top, bottom))
    rows, cols = last_row - first_row + 1, last_col - first_col + 1
    if rows * cols > _MOST_CELLS:
        widest = max(tiles.tiles, key=_extent)
        raise OptionError(
            f"`cell={cell:g}` would make {rows} x {cols} cells; take a larger one, or check the files' extents: that of "
            f"{widest.path} is {_extent(widest):.6g} units."
        )
    affine = Affine(side, 0, first_col * side, 0, -side, -first_row * side)
    return GeoBox((rows, cols), affine, None if tiles.crs is None else tiles.crs.to_wkt())


def _extent(tile: Tile) -> float:
    """Longest side of a file's extent in units of the CRS."""
    left, bottom, right, top = tile.box
    return max(right - left, top - bottom)


def grid_like(tiles: TileSet, path: Path) -> GeoBox:
    """Take the grid of a raster, which must be in the CRS of the points.

    Raises
    ------
    OptionError
        Where it is in another CRS, or has no affine transform.
    SceneError
        Where it cannot be read.
    """
    with open_dataset(str(path)) as dataset:
        crs, affine = proj_crs(dataset), dataset.transform
        shape = (dataset.height, dataset.width)
    if affine.is_identity:
        raise OptionError(
            f"{path.name} has no place on Earth that its pixels could be filled from; take `cell=`."
        )
    grid = GeoBox(shape, affine, None)
    if crs is not None and tiles.crs is not None and not _is_same(crs, tiles.crs, grid):
        raise OptionError(
            f"{path.name} is in {crs.name}, the points are in {tiles.crs.name}; warp the raster to the CRS of the "
            f"points, or transform the points."
        )
    known = tiles.crs if crs is None else crs
    return GeoBox(shape, affine, None if known is None else known.to_wkt())


def _is_same(one: pyproj.CRS, other: pyproj.CRS, grid: GeoBox) -> bool:
    """Compare two CRSs by the corners of a grid in both, as programs write one CRS in many ways."""
    if one.equals(other, ignore_axis_order=True):
        return True
    corners = np.array(grid.extent.exterior.points).T
    moved = pyproj.Transformer.from_crs(one, other, always_xy=True).transform(*corners)
    far = _MOST_MOVED * abs(float(grid.affine.determinant)) ** 0.5
    return bool((np.abs(np.array(moved) - corners) <= far).all())


def side_m(tiles: TileSet, grid: GeoBox) -> float:
    """Side of a cell in metres."""
    return float(abs(grid.affine.determinant) ** 0.5 * tiles.unit_m)


def cells_of(
    grid: GeoBox, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Find row and col of each point, also outside the grid.

    A point on an edge belongs to the cell right of it or above it, as tiles usually hold their left and lower edge.
    """
    inverse = ~grid.affine
    cols = inverse.a * x + inverse.b * y + inverse.c
    rows = inverse.d * x + inverse.e * y + inverse.f
    rows, cols = np.round(rows, _DECIMALS), np.round(cols, _DECIMALS)
    return np.ceil(rows).astype(np.int64) - 1, np.floor(cols).astype(np.int64)


def pixel_box(grid: GeoBox, box: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
    """First row, first col, last row and last col of the points in a box."""
    left, bottom, right, top = box
    rows, cols = cells_of(
        grid, np.array([left, left, right, right]), np.array([bottom, top, bottom, top])
    )
    return int(rows.min()), int(cols.min()), int(rows.max()), int(cols.max())
