"""``geodl bundle``: a map to send, as one archive."""

from __future__ import annotations

from pathlib import Path

import click

from georaster_dl.core.events import warner
from georaster_dl.core.wording import counted

from ..options.shared import (
    INPUT_FILE,
    check_suffix,
    output_option,
    overwrite_option,
    warning_options,
)
from ..terminal.progress import Terminal
from ..terminal.results import finished, print_outputs, status_of

__all__ = ["bundle"]


@click.command()
@click.argument("map_path", metavar="MAP", type=INPUT_FILE)
@output_option("Archive to make (.zip).", required=True)
@click.option(
    "--add",
    type=INPUT_FILE,
    multiple=True,
    metavar="FILE",
    help="A further file, as a report or polygons of another name; may be given several times.",
)
@overwrite_option
@warning_options
def bundle(
    *, map_path: Path, output: Path, add: tuple[Path, ...], overwrite: bool, terminal: Terminal
) -> int:
    """Pack a map to be sent: one archive with all that belongs to it.

    The archive holds the map as a Cloud Optimized GeoTIFF with names and colours within, its style, a legend
    picture, a project that QGIS opens styled, and README.txt, which says what each file is. Outputs that were made
    with MAP (map_confidence.tif, map_uncertainty.tif, map.gpkg, map_quicklook.png, map.html and their like) are
    found by their names; probabilities and prediction sets, which are large, are left out unless they are added.

    \b
    geodl bundle map.tif -o map.zip
    geodl bundle map.tif -o map.zip --add report.html --add buildings.gpkg
    """
    from georaster_dl.bundles.run import bundle as run

    check_suffix("-o", output, "a zip archive", (".zip",))
    with terminal.reporting() as report:
        made = run(map_path, output, add, overwrite=overwrite, warn=warner(report))
        ended = finished(
            made.files,
            made.failed,
            round(made.seconds, 3),
            contents=list(made.contents),
            left_out=[str(path) for path in made.left_out],
        )
        report(ended)
    click.echo(f"{counted(len(made.contents), 'file')}: {', '.join(made.contents)}")
    if made.left_out:
        names = ", ".join(path.name for path in made.left_out)
        click.echo(f"left out, as large: {names} (--add puts them in)")
    print_outputs(made.files)
    return status_of(made.failed)
