"""``geodl spectra compare``: all methods on the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.events import Event, MethodStarted, Report

from ..options.model_run import check_suffix
from ..options.shared import OUTPUT_FILE, run_options
from ..terminal.results import finished, print_outputs, status_of
from .options import (
    check_plot,
    class_column_option,
    columns_of,
    data_argument,
    learning_options,
    overwrite_option,
    plot_option,
    read_table,
    settings_of,
    staged,
    table_options,
    talking,
    target_option,
    told,
)
from .scores import line_of

if TYPE_CHECKING:
    from georaster_dl.io.output.staging import Staging

__all__ = ["compare"]


@click.command()
@data_argument
@target_option
@class_column_option
@click.option(
    "--methods", metavar="NAME,NAME", help="Methods, such as pls,svm,cnn1d; all by default."
)
@click.option("--folds", type=int, default=5, help="Of cross-validation; 5 by default.")
@click.option("--seeds", type=int, default=5, help="Runs of each method; 5 by default.")
@table_options
@learning_options
@click.option("-o", "--output", type=OUTPUT_FILE, help="Table of scores, CSV.")
@plot_option
@overwrite_option
@run_options
def compare(**given: Any) -> int:
    """Compare networks and the methods of chemometrics on the same rows.

    A difference between two methods counts where it is larger than their spread over the seeds.
    """
    check_suffix("-o", given["output"], "a table", (".csv",))
    check_plot(given)
    outputs = [path for path in (given["output"], given["plot"]) if path is not None]
    with told(given) as report:
        # The scores are told in any case, so neither table nor plot may cost them.
        with staged(given, report, extras=outputs) as stage:
            rows = _compared(given, report, stage)
        made = stage.made(outputs)
        report(finished(made, stage.failed, methods=rows))
    if talking(given):
        for row in rows:
            click.echo(line_of(row))
        if given["seeds"] > 1:
            click.echo(f"±: standard deviation over {given['seeds']} seeds")
        print_outputs(made)
    return status_of(stage.failed)


def _compared(given: Mapping[str, Any], report: Report, stage: Staging) -> list[dict[str, Any]]:
    import pandas as pd

    from georaster_dl.spectra.compare import compare as run
    from georaster_dl.spectra.compare import summary
    from georaster_dl.spectra.registry import methods
    from georaster_dl.spectra.scoring.plots import Panel, plot_values
    from georaster_dl.spectra.table.files import write_csv

    def tell(event: Event) -> None:
        report(event)
        if isinstance(event, MethodStarted) and talking(given):
            click.echo(f"{event.method}, seed {event.seed}", err=True)

    table = read_table(given, report)
    found = run(
        table,
        columns_of(given),
        given["methods"].split(",") if given["methods"] else methods(),
        settings_of(given),
        n_folds=given["folds"],
        n_seeds=given["seeds"],
        report=tell,
    )
    rows = summary(found)
    if given["output"] is not None:
        with stage.making(given["output"]) as path:
            write_csv(pd.DataFrame(rows), path)
    if given["plot"] is not None:
        with stage.making(given["plot"]) as path:
            quantity = given["targets"][0]
            panels = [Panel(one.method, quantity, one.measured, one.predicted) for one in found]
            plot_values(path, panels)
    return rows
