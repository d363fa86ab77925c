"""``geodl spectra pretrain``: a network of spectra that learnt without labels, to start from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from georaster_dl.core.events import Report, Started
from georaster_dl.core.wording import counted

from ..options.shared import (
    INPUT_FILE,
    check_suffix,
    device_option,
    output_option,
    overwrite_option,
    progress_options,
    seed_option,
)
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs
from .options import Outcome, TableReading, staged, table_options

if TYPE_CHECKING:
    from georaster_dl.spectra.pretraining.run import Pretrained

__all__ = ["pretrain"]


@click.command()
@click.argument("library", nargs=-1, required=True, type=INPUT_FILE, metavar="LIBRARY...")
@output_option("Model package to make (.safetensors).", required=True)
@click.option(
    "--steps",
    type=click.IntRange(min=10),
    default=10_000,
    show_default=True,
    help="Training steps, each with 128 spectra as another sensor measures them.",
)
@table_options()
@device_option()
@seed_option()
@overwrite_option
@progress_options
def pretrain(
    *,
    library: tuple[Path, ...],
    output: Path,
    steps: int,
    reading: TableReading,
    device: str,
    seed: int,
    overwrite: bool,
    terminal: Terminal,
) -> int:
    """Pretrain band attention on spectra without labels, for trainings with few of them.

    It learns to find half to three quarters of a spectrum from the rest, as measured by random sensors. Several
    libraries are put below one another, at the wavelengths of the first.

    \b
    geodl spectra pretrain soils.sli plants.csv -o base.safetensors
    geodl spectra train few.csv --class-column type --init base.safetensors -o types.safetensors
    geodl train cube.tif --labels few.gpkg --init base.safetensors -o map.safetensors
    """
    check_suffix("-o", output, "a model package", (".safetensors",))

    def pretrained(report: Report) -> Outcome[Pretrained]:
        with staged(report, output, inputs=library, overwrite=overwrite) as stage:
            tables = [reading.read([path], report) for path in library]
            from georaster_dl.models.runtime.device import Device
            from georaster_dl.spectra.pretraining.run import PretrainOptions, pretrain

            report(Started(Device.choose(device, "fp32").name))
            options = PretrainOptions(steps=steps, device=device, seed=seed)
            made = pretrain(tables, stage.path(output), options, report)
        return Outcome(made, [output])

    def show(outcome: Outcome[Pretrained]) -> None:
        made = outcome.value
        click.echo(
            f"{counted(made.spectra, 'spectrum')} learnt from; R2 of hidden bands of others {made.r2:.3f}"
        )
        print_outputs(outcome.files)

    return run_with_progress(
        terminal,
        pretrained,
        lambda outcome: finished(
            outcome.files,
            outcome.failed,
            round(outcome.value.seconds, 1),
            metrics=outcome.value.card.metrics,
            spectra=outcome.value.spectra,
        ),
        show,
    )
