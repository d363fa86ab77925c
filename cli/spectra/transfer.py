"""``geodl spectra transfer``: use a model with another instrument."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from georaster_dl.core.events import Report
from georaster_dl.core.wording import counted

from ..options.shared import (
    INPUT_FILE,
    check_suffix,
    output_option,
    overwrite_option,
    progress_options,
)
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished
from .options import Outcome, TableReading, staged, table_options

if TYPE_CHECKING:
    from georaster_dl.spectra.transfer.transfer import Method, Transfer

__all__ = ["transfer"]


@click.command()
@click.argument("model", type=INPUT_FILE)
@click.option(
    "--method",
    type=click.Choice(["slope-bias", "ds", "pds"]),
    required=True,
    help="Correct predictions by measured values, or standardise spectra directly or piecewise.",
)
@click.option(
    "--secondary",
    type=INPUT_FILE,
    multiple=True,
    required=True,
    metavar="FILE",
    help="Table of samples on the other instrument; repeatable, as its files are put side by side.",
)
@click.option(
    "--primary",
    type=INPUT_FILE,
    multiple=True,
    metavar="FILE",
    help="Table of the same samples on the model's instrument, for ds and pds; repeatable.",
)
@click.option(
    "--window",
    type=int,
    default=5,
    show_default=True,
    help="Bands on each side that pds makes a band of.",
)
@output_option("Model package to make (.safetensors).", required=True)
@table_options(resample=True)
@overwrite_option
@progress_options
def transfer(
    *,
    model: Path,
    method: Method,
    secondary: tuple[Path, ...],
    primary: tuple[Path, ...],
    window: int,
    output: Path,
    reading: TableReading,
    overwrite: bool,
    terminal: Terminal,
) -> int:
    """Make a model for another instrument, by samples that were measured there.

    slope-bias needs measured values of samples on the other instrument; ds and pds need the spectra of the
    same samples on both, joined by --id-column, and no measured values. Where some samples of the calibration can be
    measured on both, "geodl spectra train --preprocess 'epo(1)' --group-column sample" makes a model for both instead.

    \b
    geodl spectra transfer protein.safetensors --method pds --primary lab.csv --secondary field.csv \\
        --id-column sample -o protein_field.safetensors
    """
    check_suffix("-o", output, "a model package", (".safetensors",))
    inputs = [model, *secondary, *primary]

    def transferred(report: Report) -> Outcome[Transfer]:
        from georaster_dl.spectra.transfer.transfer import transfer_model

        with staged(report, output, inputs=inputs, overwrite=overwrite) as stage:
            made = transfer_model(
                model,
                stage.path(output),
                method,
                reading.read(secondary, report),
                reading.read(primary, report) if primary else None,
                id_column=reading.id_column,
                window=window,
                resample=reading.resample,
            )
        return Outcome(made, [output])

    def show(outcome: Outcome[Transfer]) -> None:
        made = outcome.value
        for name, (before, after) in made.errors.items():
            click.echo(f"{name:16} {before:.4g} before, {after:.4g} after: {made.measure}")
        click.echo(f"{counted(made.samples, 'sample')}; {output}")

    return run_with_progress(
        terminal,
        transferred,
        lambda outcome: finished(
            outcome.files,
            (),
            samples=outcome.value.samples,
            errors={
                name: {"before": before, "after": after}
                for name, (before, after) in outcome.value.errors.items()
            },
        ),
        show,
    )
