"""Rasters of LiDAR: files of points in, one raster of nine bands out, in memory of a block of cells."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from georaster_dl.core.bands import Band
from georaster_dl.core.events import Progressed, Report, Started, no_report, warner
from georaster_dl.core.wording import counted
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.files.temporary import working_folder
from georaster_dl.io.output.staged_raster import StagedRaster
from georaster_dl.io.output.staging import FailedOutput, Staging
from georaster_dl.io.output.view_style import style_by_values
from georaster_dl.io.output.writer import RasterSpec
from georaster_dl.io.shown import ShownResult
from georaster_dl.lidar.options import RasterOptions
from georaster_dl.lidar.raster.cells import BANDS, UNITS, CellSums
from georaster_dl.lidar.raster.grid import grid_like, grid_of, pixel_box, side_m
from georaster_dl.lidar.raster.ground import levels_of, reach
from georaster_dl.lidar.raster.spill import BLOCK, Spill
from georaster_dl.lidar.tiles import GROUND, Tile, TileSet, open_tiles, read_points

__all__ = ["LidarRaster", "lidar_raster", "points_counter"]

_FOOT_M = 0.3048


@dataclass(frozen=True)
class LidarRaster(ShownResult):
    """Result of rasterising points.

    Attributes
    ----------
    files : the raster.
    points : of the files, inside the grid and neither noise nor withheld.
    dropped : other points of the files.
    shape : rows and cols.
    filled : share of the cells that have points, 0..1.
    cell : side of a cell in metres.
    ground : ``class`` or ``filter``, where the terrain comes from.
    failed : styles that could not be written; each was reported as a warning.
    """

    files: tuple[Path, ...]
    points: int
    dropped: int
    shape: tuple[int, int]
    filled: float
    cell: float
    ground: str
    seconds: float
    failed: tuple[FailedOutput, ...] = ()


def lidar_raster(
    paths: Sequence[Path],
    output: Path,
    options: RasterOptions | None = None,
    report: Report = no_report,
) -> LidarRaster:
    """Write bands of heights, intensity and returns of the points in each cell.

    The files are one cloud: neighbours meet without a seam, and memory is that of a block of cells. Points are
    sorted into temporary files beside the output, 13 bytes each, those of a few rows of blocks at a time.

    Parameters
    ----------
    paths : LAS, LAZ or COPC files in one CRS.
    output : GeoTIFF to make: float32, NaN where a cell has no points.
    report : called with ``start``, ``progress`` and ``warning`` events.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the files, the options or the output; nothing is left behind.
    """
    options = options or RasterOptions(cell=0.5)
    options.check()
    begun, warn = time.monotonic(), warner(report)
    tiles = open_tiles(paths, crs=options.crs, warn=warn)
    if tiles.unit_m != 1 or tiles.height_unit_m != 1:
        warn(
            f"the points are in units of {tiles.unit_m:g} m, heights of {tiles.height_unit_m:g} m; all bands are in "
            f"metres"
        )
    grid = _grid(tiles, options)
    protect = [*paths, *([] if options.like is None else [options.like])]
    with Staging(output, overwrite=options.overwrite, protect=protect, warn=warn) as stage:
        run = _Run(tiles, grid, options, report)
        bands = [
            Band(name, modality="lidar", unit=unit) for name, unit in zip(BANDS, UNITS, strict=True)
        ]
        spec = RasterSpec(BANDS, "float32", math.nan, "average", statistics=True, bands=bands)
        with (
            gdal_environment(),
            StagedRaster(stage, output, grid, spec, _style) as raster,
            working_folder(stage.path(output).parent) as folder,
        ):
            spill = run.into(raster, folder)
            raster.finish()
    if not spill.used:
        warn(
            "no point lies in the grid that is neither noise (classes 7, 18) nor withheld; all cells are nodata"
        )
    if not run.filtered and spill.used and not run.with_ground:
        warn(
            "no point is of ground (class 2), so dtm and ndsm are empty; `ground='filter'` finds the terrain without classes"
        )
    if spill.late:
        warn(
            f"{counted(spill.late, 'point')} outside the extent that the file's header states were left out"
        )
    return LidarRaster(
        (output,), spill.used, tiles.count - spill.used, (int(grid.shape[0]), int(grid.shape[1])),
        run.with_points / (int(grid.shape[0]) * int(grid.shape[1])), side_m(tiles, grid), "filter" if run.filtered else "class", time.monotonic() - begun, stage.failed,
    )  # fmt: skip


def _grid(tiles: TileSet, options: RasterOptions) -> GeoBox:
    if options.like is not None:
        return grid_like(tiles, options.like)
    return grid_of(tiles, 0.5 if options.cell is None else options.cell)


def _style(path: Path) -> None:
    style_by_values(path, BANDS.index("ndsm") + 1)


class _Run:
    """One pass over the files, block by block.

    Attributes
    ----------
    filtered : whether the terrain is that of a filter.
    with_points : cells so far that have points.
    with_ground : whether any cell has a terrain.
    """

    def __init__(
        self, tiles: TileSet, grid: GeoBox, options: RasterOptions, report: Report
    ) -> None:
        self._tiles, self._grid, self._fill, self._report = tiles, grid, options.fill, report
        self._side = side_m(tiles, grid)
        self.with_points, self.with_ground = 0, False
        self.filtered = options.ground == "filter" or (
            options.ground == "auto" and not _all_have_ground(tiles, warner(report))
        )
        self._halo = reach(self._side, filtered=self.filtered)
        self._waiting = sorted(
            ((pixel_box(grid, tile.box), tile) for tile in tiles.tiles), key=lambda each: each[0]
        )

    def into(self, raster: StagedRaster, folder: Path) -> Spill:
        """Write all blocks that have points."""
        self._report(Started("cpu"))
        rows, cols = (int(n) for n in self._grid.shape)
        spill = Spill(folder, self._grid, self._halo, 2 ** levels_of(self._side))
        progress = points_counter(self._tiles.count, self._report)
        for block_row in range(-(-rows // BLOCK)):
            last = (block_row + 1) * BLOCK + self._halo
            while self._waiting and self._waiting[0][0][0] < last:
                box, tile = self._waiting.pop(0)
                if self._meets(box, rows, cols):
                    for points in read_points(self._tiles, tile):
                        spill.add(points)
                        progress(len(points.x))
            for block_col in range(-(-cols // BLOCK)):
                self._write(raster, spill, block_row, block_col)
            spill.drop_row(block_row)
        return spill

    def _meets(self, box: tuple[int, int, int, int], rows: int, cols: int) -> bool:
        top, left, bottom, right = box
        near = bottom >= -self._halo and right >= -self._halo
        return near and top < rows + self._halo and left < cols + self._halo

    def _write(self, raster: StagedRaster, spill: Spill, block_row: int, block_col: int) -> None:
        sums = None
        for chunk in spill.read(block_row, block_col):
            sums = sums or CellSums(spill.sides)
            sums.add(chunk)
        if sums is None:
            return
        dtm = sums.terrain(self._side, filtered=self.filtered)
        bands = sums.bands(dtm, self._side, spill.read(block_row, block_col), self._fill)
        rows, cols = (
            slice(at * BLOCK, min((at + 1) * BLOCK, int(n)))
            for at, n in zip((block_row, block_col), self._grid.shape, strict=True)
        )
        core = tuple(
            slice(self._halo, self._halo + each.stop - each.start) for each in (rows, cols)
        )
        inner = np.ascontiguousarray(bands[:, core[0], core[1]])
        self.with_points += int(np.isfinite(inner[BANDS.index("density")]).sum())
        self.with_ground |= bool(np.isfinite(inner[BANDS.index("dtm")]).any())
        raster.write(rows, cols, inner)


def _all_have_ground(tiles: TileSet, warn: Callable[[str], None]) -> bool:
    """Look for terrain points (class 2) among the first points of every file."""
    without = [tile.path.name for tile in tiles.tiles if not _has_ground(tiles, tile)]
    if without and len(without) < len(tiles.tiles):
        warn(
            f"{counted(len(without), 'file')} of {len(tiles.tiles)}, {without[0]} the first, have no points of ground "
            f"(class 2), so the terrain of all is that of the filter; `ground='class'` takes the classes all the same"
        )
    return not without


def _has_ground(tiles: TileSet, tile: Tile) -> bool:
    return any((points.classes == GROUND).any() for points in [next(read_points(tiles, tile))])


def points_counter(total: int, report: Report) -> Callable[[int], None]:
    """Make a function that counts points as done and reports the progress."""
    begun, done = time.monotonic(), 0

    def count(points: int) -> None:
        nonlocal done
        done += points
        left = (time.monotonic() - begun) / max(done, 1) * max(total - done, 0)
        report(Progressed(done, total, round(left, 1)))

    return count
