"""``geodl lidar classify``: give the points of a file the classes of a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.events import Finished, Report
from georaster_dl.core.wording import counted

from ..options.shared import (
    INPUT_FILE,
    check_suffix,
    device_option,
    model_option,
    output_option,
    overwrite_option,
    progress_options,
)
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished
from .options import crs_option, ground_option

if TYPE_CHECKING:
    from georaster_dl.lidar.classify.run import ClassifiedPoints
    from georaster_dl.lidar.options import GroundFrom

__all__ = ["classify"]


def _codes(_ctx: Any, _param: Any, texts: tuple[str, ...]) -> dict[str, int]:
    """Parse ``NAME=CODE``."""
    codes = {}
    for text in texts:
        name, _, code = text.rpartition("=")
        if not name or not code.isdecimal():
            raise click.BadParameter(f"{text!r} is not NAME=CODE, as building=6.")
        codes[name] = int(code)
    return codes


@click.command()
@click.argument("tile", metavar="TILE", type=INPUT_FILE)
@model_option(required=True)
@output_option("LAS or LAZ file to make.", required=True)
@click.option(
    "--codes",
    multiple=True,
    callback=_codes,
    metavar="NAME=CODE",
    help="Code of points for a class of a map whose name does not say it, as roof=6.",
)
@ground_option("filter")
@crs_option
@device_option()
@overwrite_option
@progress_options
def classify(
    *,
    tile: Path,
    model: str,
    output: Path,
    codes: dict[str, int],
    ground: GroundFrom,
    crs: str | None,
    device: str,
    overwrite: bool,
    terminal: Terminal,
) -> int:
    """Write a copy of a file of LiDAR points with the classes of a model.

    MODEL is a model of classes trained on bands of geodl lidar raster: points get the class of their cell, corrected
    by their height above the terrain; or a forest of points (.skops). All attributes stay but the
    classification; noise and withheld points keep theirs.

    \b
    geodl lidar classify tile.laz -m model.safetensors -o classified.laz
    geodl lidar classify tile.laz -m points.skops -o classified.laz
    """
    check_suffix("-o", output, "a file of points", (".laz", ".las"))
    from georaster_dl.lidar.classify.run import ClassifyOptions, classify_points_of_tile
    from georaster_dl.models.package.file import find_model

    package = Path(model) if model.endswith(".skops") else find_model(model)
    options = ClassifyOptions(codes, ground, crs, device, overwrite)

    def run(report: Report) -> ClassifiedPoints:
        return classify_points_of_tile(tile, package, output, options, report)

    return run_with_progress(terminal, run, _finished, _print)


def _finished(made: ClassifiedPoints) -> Finished:
    return finished(
        made.files, made.failed, round(made.seconds, 3), counts=dict(made.counts), kept=made.kept
    )


def _print(made: ClassifiedPoints) -> None:
    for code, count in made.counts.items():
        click.echo(f"class {code}: {counted(count, 'point')}")
    if made.kept:
        click.echo(f"{counted(made.kept, 'point')} of noise or withheld kept as they were")
    for path in made.files:
        click.echo(str(path))
