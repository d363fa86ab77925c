"""``geodl polygons``: the objects of a class map as polygons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from georaster_dl.core.events import warner
from georaster_dl.core.wording import counted

from ..options.polygons import boundaries_option, confidence_option, polygon_options
from ..options.shared import (
    INPUT_FILE,
    check_suffix,
    output_option,
    overwrite_option,
    warning_options,
)
from ..terminal.progress import Terminal
from ..terminal.results import finished, print_outputs, status_of

__all__ = ["polygons"]


@click.command()
@click.argument("map_path", metavar="MAP", type=INPUT_FILE)
@output_option("GeoPackage to make.", required=True)
@polygon_options
@boundaries_option
@confidence_option
@overwrite_option
@warning_options
def polygons(
    *,
    map_path: Path,
    output: Path,
    polygon_settings: dict[str, Any],
    boundaries: Path | None,
    confidence: Path | None,
    overwrite: bool,
    terminal: Terminal,
) -> int:
    """Make polygons of a class map: cleaned, with names, areas and colours.

    MAP is a map as geodl segment, classify or mosaic make it, of any size, or another raster with one band of
    classes. Every connected area of a class is a polygon with the fields class_id, class_name, area_m2, id and
    perimeter_m; nodata makes none. Small areas are merged before classes are left out and holes are filled.

    \b
    geodl polygons map.tif -o map.gpkg --min-area 0.5ha
    geodl polygons map.tif -o buildings.gpkg --keep building --min-area 20m2 --fill-holes 10m2 --split-touching --right-angles
    geodl polygons map.tif -o fields.gpkg --drop background --simplify 1 --confidence map_confidence.tif
    """
    from georaster_dl.objects.options import PolygonOptions
    from georaster_dl.objects.run import polygons as run

    check_suffix("-o", output, "a GeoPackage", (".gpkg",))
    rasters = {"boundaries": boundaries, "confidence": confidence}
    options = PolygonOptions.of({**polygon_settings, **rasters})
    with terminal.reporting() as report:
        made = run(map_path, output, options, overwrite=overwrite, warn=warner(report))
        report(finished(made.files, made.failed, round(made.seconds, 3), polygons=made.polygons))
    click.echo(counted(made.polygons, "polygon"))
    print_outputs(made.files)
    return status_of(made.failed)
