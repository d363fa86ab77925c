"""``geodl lidar raster``: write heights, intensity and returns of LiDAR points as a raster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from georaster_dl.core.events import Finished, Report
from georaster_dl.core.wording import counted

from ..options.shared import (
    INPUT_FILE,
    check_suffix,
    output_option,
    overwrite_option,
    progress_options,
)
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs
from .options import crs_option, ground_option

if TYPE_CHECKING:
    from georaster_dl.lidar.options import GroundFrom
    from georaster_dl.lidar.raster.run import LidarRaster

__all__ = ["raster"]


@click.command()
@click.argument("tiles", nargs=-1, required=True, metavar="TILES...", type=INPUT_FILE)
@output_option("Raster to make, one band for each quantity.", required=True)
@click.option("--cell", type=float, metavar="METRES", help="Side of a cell; 0.5 by default.")
@click.option(
    "--like",
    type=INPUT_FILE,
    metavar="RASTER",
    help="Take the grid of this raster, as of an orthophoto, in place of --cell.",
)
@ground_option("auto")
@click.option(
    "--fill",
    type=int,
    default=0,
    metavar="CELLS",
    help="Fill gaps of dsm and dtm from cells within this distance.",
)
@crs_option
@overwrite_option
@progress_options
def raster(
    *,
    tiles: tuple[Path, ...],
    output: Path,
    cell: float | None,
    like: Path | None,
    ground: GroundFrom,
    fill: int,
    crs: str | None,
    overwrite: bool,
    terminal: Terminal,
) -> int:
    """Write heights, intensity and returns of LiDAR points as a raster of nine bands.

    TILES are LAS, LAZ or COPC files in one CRS, which are one cloud: nothing shows where they meet. Bands: dsm, dtm,
    ndsm, intensity, return_ratio, multi_share, density, roughness, above_2m; heights in metres, nodata where a cell
    has no points. Noise (classes 7 and 18) and withheld points are left out.

    \b
    geodl lidar raster tiles/*.laz --cell 0.5 -o bands.tif
    geodl lidar raster tiles/*.laz --like ortho.tif --fill 3 -o bands.tif
    geodl lidar raster raw.las --ground filter --crs EPSG:25833 -o bands.tif
    """
    check_suffix("-o", output, "a GeoTIFF", (".tif", ".tiff"))
    from georaster_dl.lidar.options import RasterOptions
    from georaster_dl.lidar.raster.run import lidar_raster

    options = RasterOptions(cell, like, ground, fill, crs, overwrite)

    def run(report: Report) -> LidarRaster:
        return lidar_raster(tiles, output, options, report)

    return run_with_progress(terminal, run, _finished, _print)


def _finished(made: LidarRaster) -> Finished:
    return finished(
        made.files, made.failed, round(made.seconds, 3), points=made.points, dropped=made.dropped,
        shape=made.shape, filled=round(made.filled, 4), cell=made.cell, ground=made.ground,
    )  # fmt: skip


def _print(made: LidarRaster) -> None:
    rows, cols = made.shape
    click.echo(
        f"{rows} x {cols} cells of {made.cell:g} m, {100 * made.filled:.0f} % of them with points "
        f"({counted(made.points, 'point')}); terrain by {made.ground}"
    )
    print_outputs(made.files)
