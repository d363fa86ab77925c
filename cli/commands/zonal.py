"""``geodl zonal``: a table of a map per area."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from georaster_dl.core.events import Finished, Report
from georaster_dl.core.wording import counted

from ..options.labels import classes_option
from ..options.shared import (
    INPUT_FILE,
    check_suffix,
    output_option,
    overwrite_option,
    progress_options,
)
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs

if TYPE_CHECKING:
    from georaster_dl.area_tables.run import ZonalTable

__all__ = ["zonal"]


@click.command()
@click.argument("mapped", metavar="MAP", type=INPUT_FILE)
@click.argument("areas", metavar="AREAS", type=INPUT_FILE)
@output_option(
    "Table to make: a .csv with a row for each area and class, or a .gpkg with a feature for each area.",
    required=True,
)
@click.option(
    "--name-field",
    metavar="FIELD",
    help="Field with the names of the areas; the first text field by default.",
)
@click.option("--areas-layer", metavar="NAME", help="Layer of AREAS, where it has several.")
@click.option(
    "--points",
    type=INPUT_FILE,
    help="Labelled points of geodl sample-points, drawn from MAP: areas are estimated with 95 % intervals "
    "where enough of them lie.",
)
@classes_option
@overwrite_option
@progress_options
def zonal(
    *,
    mapped: Path,
    areas: Path,
    output: Path,
    name_field: str | None,
    areas_layer: str | None,
    points: Path | None,
    classes: Path | None,
    overwrite: bool,
    terminal: Terminal,
) -> int:
    """Make a table of a map per area: area and share of each class, or statistics of each quantity.

    AREAS are polygons in any CRS, as districts. A pixel at their border counts by the share that lies
    within. Areas are ellipsoidal whatever the CRS; the share of nodata is given beside. Maps of numbers
    and of fractions get mean, standard deviation, smallest and largest value.

    \b
    geodl zonal map.tif districts.gpkg -o areas.csv
    geodl zonal map.tif districts.gpkg -o areas.gpkg --name-field district --points points.gpkg
    """
    check_suffix("-o", output, "a CSV or a GeoPackage", (".csv", ".gpkg"))
    from georaster_dl.area_tables.run import ZonalOptions
    from georaster_dl.area_tables.run import zonal as run_zonal
    from georaster_dl.predict.progress import Progress

    options = ZonalOptions(name_field, areas_layer, points, classes, overwrite)

    def run(report: Report) -> ZonalTable:
        def begin(total: int) -> Callable[[int], None]:
            return Progress(total, report)

        return run_zonal(mapped, areas, output, options, report, begin)

    return run_with_progress(terminal, run, _finished, _print)


def _finished(made: ZonalTable) -> Finished:
    return finished(
        made.files, made.failed, round(made.seconds, 3), areas=made.areas, rows=len(made.frame)
    )


def _print(made: ZonalTable) -> None:
    click.echo(f"{counted(made.areas, 'area')}, {counted(len(made.frame), 'row')}")
    print_outputs(made.files)
