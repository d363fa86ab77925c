"""``geodl spectra``: train, apply and compare models on tables of laboratory spectra."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, Started, Warned
from georaster_dl.core.wording import counted

from ..options.shared import (
    RenamedOption,
    check_suffix,
    html_option,
    output_option,
    overwrite_option,
    progress_options,
)
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs
from ..terminal.scores import scores_of, scores_text
from .compare import compare
from .explain import explain
from .extract import extract
from .methods import make_page, print_trained, trained_results
from .options import (
    Columns,
    MethodChoice,
    Outcome,
    TableReading,
    Training,
    add_option,
    check_plot,
    column_options,
    data_argument,
    init_option,
    model_file_option,
    plot_option,
    staged,
    table_options,
    training_options,
)
from .physics import physics_option, train_by_physics
from .pretrain import pretrain
from .simulate import simulate
from .transfer import transfer

if TYPE_CHECKING:
    from georaster_dl.models.package.card import Card
    from georaster_dl.spectra.package.model import SpectralModel
    from georaster_dl.spectra.predict import PredictedValues
    from georaster_dl.spectra.scoring.scores import ClassScores
    from georaster_dl.spectra.table.samples import SpectraTable
    from georaster_dl.spectra.training.result import TrainedTable

__all__ = ["spectra"]


@click.group()
def spectra() -> None:
    """Laboratory values and classes from tables of spectra.

    A table (CSV, TSV, Excel, Parquet, an ENVI spectral library) has a column for every wavelength and a row for
    every spectrum, or the other way round; all other columns are values, classes and names. Several files are
    put side by side, row by row; files of one spectrum (JCAMP-DX, OPUS .dpt), or a folder of them, are one table.

    \b
    geodl spectra compare spectra.csv --target protein
    geodl spectra train spectra.csv --target protein --preprocess snv -o protein.safetensors
    geodl spectra predict new.csv -m protein.safetensors -o new_protein.csv
    geodl spectra evaluate new_protein.csv --target protein --plot protein.png
    geodl spectra explain protein.safetensors --plot wavelengths.png
    """


spectra.add_command(compare)
spectra.add_command(explain)
spectra.add_command(extract)
spectra.add_command(pretrain)
spectra.add_command(simulate)
spectra.add_command(transfer)


@spectra.command()
@data_argument
@column_options
@click.option(
    "--method",
    cls=RenamedOption,
    formerly="-m",
    type=MethodChoice(),
    default="auto",
    show_default=True,
    help="Method to keep; auto: the simplest that cross-validation finds as good as the best.",
)
@physics_option
@output_option("Model package to make (.safetensors).", required=True)
@click.option(
    "--task",
    type=click.Choice(["fractions"]),
    help="Learn the targets as fractions of a whole, not below 0 and of sum 1. [default: values or classes]",
)
@table_options()
@training_options
@click.option(
    "--repeats",
    type=int,
    default=1,
    show_default=True,
    help="Runs of the cross-validation, in other random folds.",
)
@click.option(
    "--members", type=int, default=5, show_default=True, help="Number of networks in the ensemble."
)
@init_option
@click.option("--quantity", show_default="reflectance", help="Quantity that the spectra hold.")
@add_option
@html_option
@overwrite_option
@progress_options
def train(
    *,
    data: tuple[Path, ...],
    columns: Columns,
    method: str,
    physics: str | None,
    output: Path,
    task: str | None,
    reading: TableReading,
    training: Training,
    repeats: int,
    members: int,
    init: str | None,
    quantity: str | None,
    add: tuple[Path, ...],
    html: Path | None,
    overwrite: bool,
    terminal: Terminal,
) -> int:
    """Train methods on a table, and keep the choice of cross-validation.

    All are tested on the same rows, which take no part in the choice. A method that is asked for is measured
    beside PLS.

    \b
    geodl spectra train x.csv y.csv --target fat --target water -o meat.safetensors
    geodl spectra train soils.csv --class-column type --group-column sample -o types.safetensors
    geodl spectra train grain.csv --target protein --method pls --components 9 -o protein.safetensors
    geodl spectra train leaves.csv --physics prospect --target LMA_g_m2 -o leaf.safetensors
    geodl spectra train forages.csv --class-column type --add simulated.parquet -o types.safetensors
    geodl spectra train mixed.parquet --task fractions --targets tree,grass,soil -o cover.safetensors
    geodl spectra train few.csv --class-column type --init base.safetensors -o types.safetensors
    """
    check_suffix("-o", output, "a model package", (".safetensors",))
    check_suffix("--html", html, "HTML", (".html", ".htm"))
    if physics is not None:
        return train_by_physics(
            physics, data, columns, output, reading, training,
            html=html, repeats=repeats, overwrite=overwrite, terminal=terminal,
        )  # fmt: skip
    pages = [] if html is None else [html]

    def trained(report: Report) -> Outcome[TrainedTable]:
        inputs = [*data, *add]
        with staged(report, output, extras=pages, inputs=inputs, overwrite=overwrite) as stage:
            table = reading.read(data, report).within(training.ranges)
            added = [reading.read([path], report) for path in add]
            from georaster_dl.models.runtime.device import Device
            from georaster_dl.spectra.train import train_table

            report(Started(Device.choose(training.device, "fp32").name))
            result = train_table(
                table,
                stage.path(output),
                method,
                training.table_options(
                    columns, quantity=quantity, repeats=repeats, fractions=task is not None
                ),
                training.settings(members=members, init=init),
                report,
                added,
            )
            if html is not None:
                make_page(html, result, stage.path(output), stage, reading.id_column)
        return Outcome(result, [output, *stage.made(pages)], stage.failed)

    return run_with_progress(
        terminal,
        trained,
        lambda outcome: finished(
            outcome.files,
            outcome.failed,
            round(outcome.value.seconds, 1),
            metrics=outcome.value.card.metrics,
            **trained_results(outcome.value),
        ),
        _print_trained,
        warnings=lambda outcome: _limitations(outcome.value.card, output),
    )


@spectra.command()
@data_argument
@model_file_option
@output_option("Table to make (.csv or .xlsx).", required=True)
@table_options(resample=True)
@overwrite_option
@progress_options
def predict(
    *,
    data: tuple[Path, ...],
    model: Path | None,
    output: Path,
    reading: TableReading,
    overwrite: bool,
    terminal: Terminal,
) -> int:
    """Predict values with their intervals, or classes with their probabilities.

    The output has the predictions, and all columns of the table but those of the spectra.
    """
    check_suffix("-o", output, "a table", (".csv", ".xlsx"))
    if model is None:
        raise OptionError("No model is named; give -m MODEL, one that geodl spectra train made.")

    def predicted(report: Report) -> Outcome[tuple[Card, SpectraTable]]:
        with staged(report, output, inputs=[*data, model], overwrite=overwrite) as stage:
            loaded, table = _predicted(data, model, reading, report)
            _write(table, output, stage.path(output), report)
        return Outcome((loaded.card, table), [output])

    def show(outcome: Outcome[tuple[Card, SpectraTable]]) -> None:
        card, table = outcome.value
        click.echo(f"{counted(len(table), 'spectrum')}: {card.predicts}{_levels(card)}")
        click.echo(str(output))
        if message := _of_another_kind(card, table):
            click.echo(f"geodl: warning: {message}", err=True)

    return run_with_progress(
        terminal,
        predicted,
        lambda outcome: finished(outcome.files, spectra=len(outcome.value[1])),
        show,
        warnings=lambda outcome: _limitations(outcome.value[0], model),
    )


@spectra.command()
@data_argument
@model_file_option
@column_options
@table_options(resample=True)
@plot_option
@html_option
@overwrite_option
@progress_options
def evaluate(
    *,
    data: tuple[Path, ...],
    model: Path | None,
    columns: Columns,
    reading: TableReading,
    plot: Path | None,
    html: Path | None,
    overwrite: bool,
    terminal: Terminal,
) -> int:
    """Score predictions against measured values in the same table.

    DATA is a table written by geodl spectra predict, or with -m a table of spectra. Targets are those of the
    model unless they are named.
    """
    check_plot(plot, columns)
    check_suffix("--html", html, "HTML", (".html", ".htm"))
    _check_used(model, reading)
    extras = [output for output in (plot, html) if output is not None]
    inputs = [*data, *([] if model is None else [model])]

    def evaluated(report: Report) -> Outcome[Mapping[str, PredictedValues | ClassScores]]:
        with staged(report, extras=extras, inputs=inputs, overwrite=overwrite) as stage:
            loaded, table, scored = _evaluated(data, model, columns, reading, report)
            if plot is not None:
                with stage.making(plot) as path:
                    _draw(path, scored, loaded)
            if html is not None:
                from georaster_dl.spectra.report.from_scores import write_evaluation

                with stage.making(html) as path:
                    write_evaluation(path, table, scored, loaded, reading.id_column)
        return Outcome(scored, stage.made(extras), stage.failed)

    def show(outcome: Outcome[Mapping[str, PredictedValues | ClassScores]]) -> None:
        for name, scored in outcome.value.items():
            click.echo(f"{name:16} {scores_text(scored)}")
        print_outputs(outcome.files)

    return run_with_progress(
        terminal,
        evaluated,
        lambda outcome: finished(
            outcome.files,
            outcome.failed,
            scores={name: scores_of(scored) for name, scored in outcome.value.items()},
        ),
        show,
    )


def _write(table: SpectraTable, output: Path, path: Path, report: Report) -> None:
    """Write the columns in the way of the table that they come from."""
    from georaster_dl.spectra.table.write import write_table

    write_table(table.columns, path, comma=table.decimal_comma)
    if table.decimal_comma and output.suffix.lower() == ".csv":
        report(
            Warned(
                f"{output.name}: written with decimal commas and semicolons, as {table.name} has decimal commas."
            )
        )


def _print_trained(outcome: Outcome[TrainedTable]) -> None:
    print_trained(outcome.value)
    print_outputs(outcome.files)


def _levels(card: Card) -> str:
    known = {f"{100 * t.interval.level:g} %" for t in card.targets if t.interval is not None}
    return f", with {' and '.join(sorted(known))} intervals" if known else ""


def _of_another_kind(card: Card, table: SpectraTable) -> str:
    """Say once more, below the outputs, that nearly all spectra are unlike the calibration."""
    from georaster_dl.spectra.methods.domain import FLAG, nearly_all

    if card.domain is None:
        return ""
    n = int((table.columns[FLAG] != "").sum())
    if not nearly_all(n, len(table)):
        return ""
    return f"{n:,} of {counted(len(table), 'spectrum')} are unlike the calibration: do not use these predictions."


def _limitations(card: Card, model: Path) -> Iterable[str]:
    return [f"{model.stem}: {card.limitations}"] if card.limitations else []


def _predicted(
    data: tuple[Path, ...], model: Path, reading: TableReading, report: Report
) -> tuple[SpectralModel, SpectraTable]:
    from georaster_dl.spectra.package.file import load_spectral_model
    from georaster_dl.spectra.predict import predicted_table

    loaded = load_spectral_model(model)
    table = reading.read(data, report)
    predicted = predicted_table(loaded, table, resample=reading.resample)
    for repair in predicted.repairs[len(table.repairs) :]:
        report(Warned(repair))
    return loaded, predicted


def _check_used(model: Path | None, reading: TableReading) -> None:
    """Refuse options of spectra where only predictions are read."""
    unused = reading.only_for_spectra()
    if model is None and unused:
        raise OptionError(
            f"Without a model (-m) no spectra are read, so {' and '.join(unused)} would do nothing; name "
            f"the model, or leave out what only spectra need."
        )


def _evaluated(
    data: tuple[Path, ...],
    model: Path | None,
    columns: Columns,
    reading: TableReading,
    report: Report,
) -> tuple[SpectralModel | None, SpectraTable, Mapping[str, PredictedValues | ClassScores]]:
    """Read or make predictions and score them; give the model and the table, too."""
    from georaster_dl.spectra.predict import (
        predicted_classes,
        predicted_values,
    )
    from georaster_dl.spectra.training.taught import measured_rows

    names: Sequence[str] = columns.targets
    loaded = None
    if model is not None:
        loaded, table = _predicted(data, model, reading, report)
        table = measured_rows(table, report)
        names = names or [target.name for target in loaded.card.targets]
    elif len(data) == 1:
        table = measured_rows(reading.read_predictions(data[0], report), report)
    else:
        raise OptionError(
            f"Got {len(data)} tables without a model; give the one that geodl spectra predict "
            f"wrote, or name a model (-m) to predict them with."
        )
    if columns.class_column is not None and columns.targets:
        raise OptionError("Both --target and --class-column are named; score one after the other.")
    if columns.class_column is not None:
        named = columns.class_column
        return loaded, table, {named: predicted_classes(table, named)}
    if not names:
        raise OptionError(
            "Nothing to score is named; give --target NAME, or --class-column "
            "NAME where classes are predicted."
        )
    scored = {values.name: values for values in predicted_values(table, names)}
    for message in filter(None, map(table.censored, names)):
        report(Warned(f"{table.name}: {message}"))
    return loaded, table, scored


def _draw(path: Path, scored: Mapping[str, Any], model: SpectralModel | None) -> None:
    from georaster_dl.spectra.scoring.plots import Panel, plot_values

    units = {} if model is None else {t.name: t.label for t in model.card.targets}
    panels = [
        Panel(
            name,
            units.get(name, name),
            values.measured,
            values.predicted,
            values.lower,
            values.upper,
            values.level,
        )
        for name, values in scored.items()
    ]
    plot_values(path, panels)
