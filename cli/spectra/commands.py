"""``geodl spectra``: tables of laboratory spectra in, models, predictions and comparisons out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, Started, Warned
from georaster_dl.core.wording import counted

from ..options.model_run import check_suffix
from ..options.shared import OUTPUT_FILE, run_options
from ..terminal.results import finished, print_outputs, status_of
from .compare import compare
from .options import (
    NetworkChoice,
    check_plot,
    class_column_option,
    columns_of,
    data_argument,
    learning_options,
    model_file_option,
    overwrite_option,
    plot_option,
    read_table,
    resample_option,
    settings_of,
    staged,
    table_options,
    talking,
    target_option,
    told,
)
from .scores import facts_of, words_of

if TYPE_CHECKING:
    from georaster_dl.models.package.card import Card
    from georaster_dl.spectra.predict import PredictedValues
    from georaster_dl.spectra.scoring.scores import ClassScores
    from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["spectra"]


@click.group()
def spectra() -> None:
    """Laboratory values and classes from tables of spectra.

    A table (CSV, TSV, Excel, Parquet, or an ENVI spectral library) has a column for every wavelength
    and a row for every spectrum; all other columns are values, classes and names. Several files are
    put side by side, row by row.

    \b
    geodl spectra compare spectra.csv --target protein
    geodl spectra train spectra.csv --target protein --preprocess snv -o protein.safetensors
    geodl spectra predict new.csv -m protein.safetensors -o new_protein.csv
    geodl spectra evaluate new_protein.csv --target protein --plot protein.png
    """


spectra.add_command(compare)


@spectra.command()
@data_argument
@target_option
@class_column_option
@click.option(
    "-m",
    "--method",
    type=NetworkChoice(),
    default="cnn1d",
    help="Network; cnn1d by default.",
)
@click.option("-o", "--output", type=OUTPUT_FILE, required=True)
@table_options
@learning_options
@click.option("--members", type=int, default=5, help="Networks of the ensemble; 5 by default.")
@click.option(
    "--quantity", default="reflectance", help="What the spectra are; reflectance by default."
)
@overwrite_option
@run_options
def train(**given: Any) -> None:
    """Train a network on a table and test it beside PLS on rows that it never saw.

    \b
    geodl spectra train x.csv y.csv --target fat --target water -o meat.safetensors
    geodl spectra train soils.csv --class-column type --group sample -o types.safetensors
    """
    check_suffix("-o", given["output"], "a model package", (".safetensors",))
    with told(given) as report:
        with staged(given, report, given["output"]) as stage:
            table = read_table(given, report)
            from georaster_dl.models.runtime.device import Device
            from georaster_dl.spectra.train import train_table

            report(Started(Device.choose(given["device"], "fp32").name))
            trained = train_table(
                table,
                stage.path(given["output"]),
                given["method"],
                columns_of(given, quantity=given["quantity"]),
                settings_of(given, members=given["members"]),
                report,
            )
        _warn_of(trained.card, given["output"], report)
        metrics = trained.card.metrics
        report(finished([given["output"]], (), round(trained.seconds, 1), metrics=metrics))
    if talking(given):
        click.echo(trained.card.training["spectra"] + f" ({trained.split.description})")
        for name, of_methods in trained.scores.items():
            for method, score in of_methods.items():
                click.echo(f"{name:16} {method:16} {words_of(score)}")
        click.echo(str(given["output"]))


@spectra.command()
@data_argument
@model_file_option
@click.option("-o", "--output", type=OUTPUT_FILE, required=True)
@table_options
@resample_option
@overwrite_option
@run_options
def predict(**given: Any) -> None:
    """Predict values with their intervals, or classes with their probabilities.

    The output has all columns of the table that are not of the spectrum, and the predictions.
    """
    check_suffix("-o", given["output"], "a table", (".csv",))
    from georaster_dl.spectra.table.files import write_csv

    with told(given) as report:
        with staged(given, report, given["output"]) as stage:
            card, predicted = _predicted(given, report)
            write_csv(predicted.columns, stage.path(given["output"]))
        _warn_of(card, _model_of(given), report)
        report(finished([given["output"]], spectra=len(predicted)))
    if talking(given):
        click.echo(f"{counted(len(predicted), 'spectrum')}: {card.predicts}{_levels(card)}")
        click.echo(str(given["output"]))


@spectra.command()
@data_argument
@model_file_option
@target_option
@class_column_option
@table_options
@resample_option
@plot_option
@overwrite_option
@run_options
def evaluate(**given: Any) -> int:
    """Score predictions where measured values stand beside them.

    DATA is what geodl spectra predict wrote, or with -m a table of spectra. Targets are those of the
    model unless they are named.
    """
    check_plot(given)
    _check_used(given)
    plots = [] if given["plot"] is None else [given["plot"]]
    with told(given) as report:
        with staged(given, report, extras=plots) as stage:
            found = _evaluated(given, report)
            for plot in plots:
                with stage.making(plot) as path:
                    _draw(path, found, given["model"])
        scores = {key: facts_of(one) for key, one in found.items()}
        report(finished(stage.made(plots), stage.failed, scores=scores))
    if talking(given):
        for name, one in found.items():
            click.echo(f"{name:16} {words_of(one)}")
        print_outputs(stage.made(plots))
    return status_of(stage.failed)


def _levels(card: Card) -> str:
    known = {f"{100 * t.interval.level:g} %" for t in card.targets if t.interval is not None}
    return f", with {' and '.join(sorted(known))} intervals" if known else ""


def _model_of(given: Mapping[str, Any]) -> Path:
    if given["model"] is None:
        raise OptionError("No model is named; give -m MODEL, one that geodl spectra train made.")
    model: Path = given["model"]
    return model


def _predicted(given: Mapping[str, Any], report: Report) -> tuple[Card, SpectraTable]:
    from georaster_dl.spectra.package.file import load_network
    from georaster_dl.spectra.predict import predicted_table

    card, network = load_network(_model_of(given))
    table = read_table(given, report)
    predicted = predicted_table(card, network, table, resample=given["resample"])
    for repair in predicted.repairs[len(table.repairs) :]:
        report(Warned(repair))
    return card, predicted


def _warn_of(card: Card, model: Path, report: Report) -> None:
    if card.limitations:
        report(Warned(f"{model.stem}: {card.limitations}"))


def _check_used(given: Mapping[str, Any]) -> None:
    """Refuse options of spectra where only predictions are read."""
    options = ("unit", "id_column", "drop_missing", "resample")
    unused = [f"--{name.replace('_', '-')}" for name in options if given[name]]
    if given["model"] is None and unused:
        raise OptionError(
            f"Without a model (-m) no spectra are read, so {' and '.join(unused)} would do nothing; name "
            f"the model, or leave out what only spectra need."
        )


def _evaluated(
    given: Mapping[str, Any], report: Report
) -> Mapping[str, PredictedValues | ClassScores]:
    from georaster_dl.spectra.predict import (
        predicted_classes,
        predicted_values,
        read_predictions,
    )

    names = given["targets"]
    if given["model"] is not None:
        card, table = _predicted(given, report)
        names = names or [target.name for target in card.targets]
    elif len(given["data"]) == 1:
        table = read_predictions(given["data"][0])
    else:
        raise OptionError(
            f"Got {len(given['data'])} tables without a model; give the one that geodl spectra predict "
            f"wrote, or name a model (-m) to predict them with."
        )
    if given["class_column"] is not None and given["targets"]:
        raise OptionError("Both --target and --class-column are named; score one after the other.")
    if given["class_column"] is not None:
        return {given["class_column"]: predicted_classes(table, given["class_column"])}
    if not names:
        raise OptionError(
            "Nothing to score is named; give --target NAME, or --class-column "
            "NAME where classes are predicted."
        )
    return {one.name: one for one in predicted_values(table, names)}


def _draw(path: Path, found: Mapping[str, Any], model: Path | None) -> None:
    from georaster_dl.models.package.file import read_card
    from georaster_dl.spectra.scoring.plots import Panel, plot_values

    units = {} if model is None else {t.name: t.label for t in read_card(model).targets}
    plot_values(
        path,
        [
            Panel(
                name,
                units.get(name, name),
                one.measured,
                one.predicted,
                one.lower,
                one.upper,
                one.level,
            )
            for name, one in found.items()
        ],
    )
