"""``geodl spectra compare``: compare all methods on the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.events import Report

from ..options.shared import (
    check_suffix,
    html_option,
    output_option,
    overwrite_option,
    progress_options,
)
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs
from ..terminal.scores import score_line
from .options import (
    Columns,
    Outcome,
    TableReading,
    Training,
    check_plot,
    column_options,
    data_argument,
    plot_option,
    staged,
    table_options,
    training_options,
)

if TYPE_CHECKING:
    from georaster_dl.spectra.compare import MethodResult

__all__ = ["compare"]


@click.command()
@data_argument
@column_options
@click.option(
    "--methods",
    metavar="NAME,...",
    help="Methods to compare, such as pls,svm,cnn1d; all by default.",
)
@click.option(
    "--seeds",
    type=int,
    default=5,
    show_default=True,
    help="Runs of each method, with other random seeds.",
)
@table_options()
@training_options
@output_option("Also write the table of scores (.csv or .xlsx).")
@plot_option
@html_option
@overwrite_option
@progress_options
def compare(
    *,
    data: tuple[Path, ...],
    columns: Columns,
    methods: str | None,
    seeds: int,
    reading: TableReading,
    training: Training,
    output: Path | None,
    plot: Path | None,
    html: Path | None,
    overwrite: bool,
    terminal: Terminal,
) -> int:
    """Compare networks and the methods of chemometrics on the same rows.

    A difference between two methods counts where it is larger than their spread over the seeds, and p is small:
    that of a paired test on the samples, against the method that errs least, corrected for all pairs.
    """
    check_suffix("-o", output, "a table", (".csv", ".xlsx"))
    check_plot(plot, columns)
    check_suffix("--html", html, "HTML", (".html", ".htm"))
    outputs = [path for path in (output, plot, html) if path is not None]

    def compared(report: Report) -> Outcome[list[dict[str, Any]]]:
        from georaster_dl.spectra.compare import compare as run
        from georaster_dl.spectra.compare import summary
        from georaster_dl.spectra.registry import methods as all_methods

        # The scores are printed in any case, so no file may cost them.
        with staged(report, extras=outputs, inputs=data, overwrite=overwrite) as stage:
            table = reading.read(data, report).within(training.ranges)
            options = training.table_options(columns)
            runs = run(
                table,
                options,
                methods.split(",") if methods else all_methods(),
                training.settings(),
                n_seeds=seeds,
                report=report,
            )
            rows = summary(runs)
            if output is not None:
                with stage.making(output) as path:
                    _write_table(rows, path)
            if plot is not None:
                with stage.making(plot) as path:
                    _draw(runs, columns.targets[0], path)
            if html is not None:
                from georaster_dl.spectra.report.from_scores import write_comparison

                with stage.making(html) as path:
                    write_comparison(path, table, options, runs, reading.id_column)
        return Outcome(rows, stage.made(outputs), stage.failed)

    def show(outcome: Outcome[list[dict[str, Any]]]) -> None:
        for row in outcome.value:
            click.echo(score_line(row))
        if seeds > 1:
            click.echo(f"±: standard deviation over {seeds} seeds")
        print_outputs(outcome.files)

    return run_with_progress(
        terminal,
        compared,
        lambda outcome: finished(outcome.files, outcome.failed, methods=outcome.value),
        show,
    )


def _write_table(rows: list[dict[str, Any]], path: Path) -> None:
    import pandas as pd

    from georaster_dl.spectra.table.write import write_table

    write_table(pd.DataFrame(rows), path)


def _draw(runs: list[MethodResult], quantity: str, path: Path) -> None:
    from georaster_dl.spectra.scoring.plots import Panel, plot_values

    panels = [Panel(run.method, quantity, run.measured, run.predicted[0]) for run in runs]
    plot_values(path, panels)
