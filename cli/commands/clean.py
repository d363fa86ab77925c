"""``geodl clean``: small areas and single pixels of a map go to their neighbours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from georaster_dl.core.events import Finished, Report
from georaster_dl.core.wording import counted

from ..options.cleaning import cleaning_options
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
    from georaster_dl.cleaning.options import CleaningOptions
    from georaster_dl.cleaning.run import Cleaned

__all__ = ["clean"]


@click.command()
@click.argument("mapped", metavar="MAP", type=INPUT_FILE)
@output_option("Cleaned map to make (.tif).", required=True)
@cleaning_options
@click.option(
    "--probabilities",
    type=INPUT_FILE,
    help="Probabilities of the map's classes, for --smooth; MAP_probabilities.tif by default.",
)
@overwrite_option
@progress_options
def clean(
    *,
    mapped: Path,
    output: Path,
    cleaning: CleaningOptions,
    probabilities: Path | None,
    overwrite: bool,
    terminal: Terminal,
) -> int:
    """Clean a map of classes: single pixels and small areas go to their neighbours.

    MAP is a map that geodl made, or any raster of one band of whole numbers. Its classes, colours and
    nodata stay. --smooth chooses the classes anew by probabilities that those of the neighbours have
    smoothed (Bayesian smoothing), --majority takes the most frequent class of a square, --sieve gives
    areas below a size to the neighbour with the longest common border; several are done in this order.

    \b
    geodl clean map.tif -o clean.tif --sieve 0.5ha
    geodl clean map.tif -o clean.tif --smooth --sieve 9px
    geodl clean map.tif -o clean.tif --smooth --smooth-strength 20,water=60 --probabilities p.tif
    """
    check_suffix("-o", output, "a GeoTIFF", (".tif", ".tiff"))
    from georaster_dl.cleaning.run import clean_map
    from georaster_dl.predict.progress import Progress

    def run(report: Report) -> Cleaned:
        def begin(total: int) -> Callable[[int], None]:
            return Progress(total, report)

        return clean_map(
            mapped,
            output,
            cleaning,
            probabilities=probabilities,
            overwrite=overwrite,
            report=report,
            begin=begin,
        )

    return run_with_progress(terminal, run, _finished, _print)


def _finished(made: Cleaned) -> Finished:
    return finished(
        made.files,
        made.failed,
        round(made.seconds, 3),
        classes=made.counts,
        changed=made.changed,
        sieved=made.sieved,
    )


def _print(made: Cleaned) -> None:
    share = made.changed / max(made.pixels, 1)
    text = f"{share:.2%} of the pixels have another class"
    if made.sieved:
        text += f"; {counted(made.sieved, 'small area')} joined a neighbour"
    click.echo(text)
    print_outputs(made.files)
