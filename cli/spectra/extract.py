"""``geodl spectra extract``: make a table of the pixels at points or in polygons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.core.wording import counted

from ..options.completion import complete_files
from ..options.shared import (
    check_suffix,
    output_option,
    overwrite_option,
    progress_options,
    scene_options,
)
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs
from .options import Outcome, staged

if TYPE_CHECKING:
    from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["extract"]


@click.command()
@click.argument(
    "inputs", nargs=-1, required=True, metavar="SCENE... FEATURES", shell_complete=complete_files
)
@output_option("Table to make (.csv, .xlsx or .parquet).", required=True)
@overwrite_option
@scene_options
@progress_options
def extract(
    *,
    inputs: tuple[str, ...],
    output: Path,
    overwrite: bool,
    reading: SceneOptions,
    terminal: Terminal,
) -> int:
    """Make a table of the spectra at points or in polygons.

    SCENE is a hyperspectral scene; patterns, folders and lists name several, of one sensor. FEATURES are points, each
    of which has the spectrum of its pixel, or polygons, which have the mean of theirs. The table has all their
    fields, and the scene, row, col, number of pixels, and block of 32 x 32 pixels.

    \b
    geodl spectra extract 'tiles/*.tif' plots.gpkg -o plots.csv
    geodl spectra train plots.csv --task fractions --target tree --group-column scene -o tree.safetensors
    geodl segment tiles/west.tif -m tree.safetensors
    """
    from georaster_dl.spectra.table.write import SPECTRA_SUFFIXES

    check_suffix("-o", output, "a table of spectra", SPECTRA_SUFFIXES)
    if len(inputs) < 2:
        raise OptionError(
            f"Only {inputs[0]} was given; give scenes, and behind them a file of points or polygons."
        )
    *given, features = inputs

    def extracted(report: Report) -> Outcome[SpectraTable]:
        from georaster_dl.pixels.extract import (
            extract_spectra,
            open_listed,
            read_points_or_polygons,
            write_extracted,
        )

        scenes = open_listed(given, reading)
        protect = [Path(features), *(Path(p.path) for s in scenes for p in s.planes[:1])]
        with staged(report, output, inputs=protect, overwrite=overwrite) as stage:
            frame = read_points_or_polygons(Path(features))
            table = extract_spectra(scenes, frame, features, report)
            write_extracted(table, stage.path(output))
        return Outcome(table, [output])

    def show(outcome: Outcome[SpectraTable]) -> None:
        table = outcome.value
        low, high = table.wavelengths_nm[[0, -1]]
        click.echo(
            f"{counted(len(table), 'spectrum')} of {counted(len(table.wavelengths_nm), 'band')} ({low:.0f} to {high:.0f} nm) from "
            f"{counted(table.columns['scene'].nunique(), 'scene')}"
        )
        print_outputs(outcome.files)

    return run_with_progress(
        terminal,
        extracted,
        lambda outcome: finished(
            outcome.files, spectra=len(outcome.value), columns=list(outcome.value.columns)
        ),
        show,
    )
