"""``geodl timeseries train``: train a network on series, tested beside a random forest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from georaster_dl.core.events import Report

from ..options.groups import option_group
from ..options.shared import (
    OUTPUT_FILE,
    check_suffix,
    device_option,
    output_option,
    overwrite_option,
    progress_options,
    seed_option,
)
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs
from ..terminal.scores import scores_of, scores_text
from .sources import SampleSource, source_options

if TYPE_CHECKING:
    from georaster_dl.timeseries.learning.options import SeriesTrainOptions
    from georaster_dl.timeseries.train import TrainedSeries

__all__ = ["train"]


class _NetworkChoice(click.Choice[str]):
    """Names of the networks of samples of series, looked up when a command needs them."""

    def __init__(self) -> None:
        self.case_sensitive = True

    @property
    def choices(self) -> tuple[str, ...]:  # type: ignore[override]
        """The names, with hyphens."""
        from georaster_dl.models.registry import series_models

        usable = series_models()
        return tuple(name.replace("_", "-") for name in usable)


def _training(
    *,
    split_column: str | None,
    leave_out: str | None,
    group: str | None,
    folds: int | None,
    no_augment: bool,
    **options: Any,
) -> SeriesTrainOptions:
    from georaster_dl.timeseries.learning.options import SeriesTrainOptions, SplitOptions

    split = SplitOptions(split_column, leave_out, group, folds)
    given = {name: value for name, value in options.items() if value is not None}
    return SeriesTrainOptions(split=split, augment=not no_augment, **given)


_training_options = option_group(
    "training",
    _training,
    click.option(
        "--architecture",
        type=_NetworkChoice(),
        default="tempcnn",
        show_default=True,
        help="Network to train.",
    ),
    click.option(
        "--encoder-weights",
        metavar="FILE",
        help="File with the public weights of presto's encoder.",
    ),
    click.option(
        "--split-column",
        metavar="NAME",
        help="Column that assigns samples to train, validation and test; by chance without any split.",
    ),
    click.option(
        "--leave-out",
        metavar="COLUMN[=VALUE]",
        help="Test on the samples of a value (region=Khorezm, year=2018), or of each value of the column in turn.",
    ),
    click.option(
        "--group", metavar="NAME", help="Column of samples that stay in one part, such as parcel."
    ),
    click.option("--folds", type=int, help="Number of cross-validation folds."),
    click.option(
        "--until",
        metavar="DATE",
        help="Last date that is seen, as 2024-06-15; 06-15 is that day of each sample's own season.",
    ),
    click.option(
        "--season-start",
        metavar="MM-DD",
        help="Month and day from which days are counted; by default the first of the month in which most series begin.",
    ),
    click.option(
        "--early",
        is_flag=True,
        help="Cut series off at random in training, for a model that is used before the season's end.",
    ),
    click.option("--no-augment", is_flag=True, help="Do not change series at random in training."),
    click.option(
        "--loss",
        type=click.Choice(["cross-entropy", "focal", "gce"]),
        help="Loss of classes [default: cross-entropy]; gce where some labels are wrong.",
    ),
    click.option("--class-weights", is_flag=True, help="Weigh rare classes more in the loss."),
    click.option(
        "--epochs",
        type=int,
        help="Number of epochs; by default as many as make 10,000 steps, but 10 to 100.",
    ),
    click.option("--batch", type=int, help="Samples of a step."),
    click.option("--learning-rate", type=float, help="Highest learning rate."),
    click.option("--pixels", type=int, help="Pixels of a parcel that an epoch sees [default: 64]."),
    click.option(
        "--licence", default="", metavar="TEXT", help="Licence of the weights, for the card."
    ),
    device_option(),
    seed_option(),
)


@click.command()
@source_options
@output_option("Model package to make (.safetensors).", required=True)
@click.option(
    "--accuracy-by-date",
    multiple=True,
    type=OUTPUT_FILE,
    metavar="FILE",
    help="Also write the accuracy of series that end on each of some dates, as .csv or .png.",
)
@click.option(
    "--attention",
    multiple=True,
    type=OUTPUT_FILE,
    metavar="FILE",
    help="Also write which dates decided, by class, as .csv or .png, of networks with attention.",
)
@_training_options
@overwrite_option
@progress_options
def train(
    *,
    source: SampleSource,
    output: Path,
    accuracy_by_date: tuple[Path, ...],
    attention: tuple[Path, ...],
    training: SeriesTrainOptions,
    overwrite: bool,
    terminal: Terminal,
) -> int:
    """Train a network on series and test it beside a random forest on the same samples.

    STACK is a stack of dated scenes with --labels, or a table of series in its place.

    A table (CSV, TSV, Excel, Parquet, NumPy .npz) has a row for every sample with columns such as
    NDVI_2017-03-01, or a row for every date of a sample with columns of ids and dates. All other columns, or
    attributes of polygons, can split the samples.

    \b
    geodl timeseries train points.csv --class-column crop -o crops.safetensors
    geodl timeseries train points.csv --class-column crop --leave-out region -o crops.safetensors
    geodl timeseries train sites.csv --labels moisture.csv --id-column site --target moisture -o m.safetensors
    geodl timeseries train scenes/ --mask SCL --labels fields.gpkg --class-field crop --group parcel -o crops.safetensors
    """
    check_suffix("-o", output, "a model package", (".safetensors",))
    for option, paths in (("--accuracy-by-date", accuracy_by_date), ("--attention", attention)):
        for path in paths:
            check_suffix(option, path, "a table or a picture", (".csv", ".png"))

    def trained(report: Report) -> TrainedSeries:
        from georaster_dl.timeseries.train import train_series

        return train_series(
            source.samples(training, report),
            training,
            output,
            report,
            by_date=accuracy_by_date,
            attention=attention,
            inputs=source.files,
            overwrite=overwrite,
        )

    def files(result: TrainedSeries) -> list[Path]:
        failed = {one.path for one in result.failed}
        beside = (*accuracy_by_date, *attention)
        return [output, *(path for path in beside if path not in failed)]

    return run_with_progress(
        terminal,
        trained,
        lambda result: finished(
            files(result),
            result.failed,
            round(result.seconds, 1),
            metrics=result.card.metrics,
            folds=_folds(result),
        ),
        lambda result: _print(result, files(result)),
        warnings=lambda result: [result.card.limitations] if result.card.limitations else [],
    )


_METHODS: tuple[tuple[Literal["network", "forest"], str], ...] = (
    ("network", "network"),
    ("forest", "random forest"),
)


def _folds(result: TrainedSeries) -> list[dict[str, Any]]:
    return [
        {
            "test": fold.name,
            **{attribute: scores_of(getattr(fold, attribute)) for attribute, _ in _METHODS},
        }
        for fold in result.folds
    ]


def _print(result: TrainedSeries, files: list[Path]) -> None:
    click.echo(f"{result.card.training['samples']} ({result.plan.description})")
    for fold in result.folds:
        for attribute, method in _METHODS:
            click.echo(f"{fold.name:20} {method:14} {scores_text(getattr(fold, attribute))}")
    for name, value in result.card.metrics.items():
        click.echo(f"{name}: {value:.4g}")
    click.echo(result.verdict)
    print_outputs(files)
