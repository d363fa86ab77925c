"""Classification of the rows of tables of point series."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.wording import counted

from ..options.stacks import StackArguments
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs
from .sources import table_reading

if TYPE_CHECKING:
    from georaster_dl.timeseries.predict import ClassifiedTable

__all__ = ["classify_table"]


def classify_table(
    terminal: Terminal,
    stack: StackArguments,
    model: Path,
    output: Path | None,
    columns: Mapping[str, Any],
    **settings: Any,
) -> int:
    """Predict classes or values of the samples of a table, and print the result.

    Parameters
    ----------
    columns : values of ``table_options``.
    settings : minimum_dates, device and overwrite of ``TablePredictionOptions``.
    """
    from georaster_dl.timeseries.predict import TablePredictionOptions, predict_table

    tables = stack.tables
    output = output or Path(f"{tables[0].stem}_predicted.csv")
    reading = table_reading(nodata=stack.options.reading.nodata, **columns)
    until = None if stack.until is None else stack.until.isoformat()
    options = TablePredictionOptions(reading, until, **settings)

    def show(done: ClassifiedTable) -> None:
        shares = ", ".join(f"{name} {n:,}" for name, n in done.counts.items() if n)
        click.echo(f"{counted(done.samples, 'sample')}{f': {shares}' if shares else ''}")
        if done.few_dates:
            click.echo(f"{done.few_dates:,} with few clear dates: column few_dates")
        print_outputs(done.files)

    return run_with_progress(
        terminal,
        lambda report: predict_table(tables, model, output, options, report),
        lambda done: finished(
            done.files,
            (),
            round(done.seconds, 3),
            samples=done.samples,
            classes=done.counts,
            few_dates=done.few_dates,
        ),
        show,
    )
