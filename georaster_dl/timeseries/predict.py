"""Classes or values of samples of series, by a model package."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.bands import match_bands
from georaster_dl.core.errors import BandMismatchError, OptionError
from georaster_dl.core.events import Report, Warned, no_report, warner
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.output.staging import FailedOutput, Staging
from georaster_dl.io.scenes.checks.calibration import size_warning
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import load_model, read_card
from georaster_dl.models.package.series import CardSeries
from georaster_dl.predict.limitations import run_limitations
from georaster_dl.predict.matching.stack_match import DAYS_TOLERATED, series_of
from georaster_dl.spectra.table.write import write_csv
from georaster_dl.timeseries.checks import check_columns, check_minimum_dates
from georaster_dl.timeseries.learning.by_date import until as cut_at
from georaster_dl.timeseries.learning.fit import FittedSeries
from georaster_dl.timeseries.learning.inputs import SeriesScaling
from georaster_dl.timeseries.samples import SensorSamples, SeriesSamples
from georaster_dl.timeseries.tables.options import SeriesTableOptions
from georaster_dl.timeseries.tables.read import read_series

__all__ = [
    "ClassifiedTable",
    "SeriesPredictions",
    "TablePredictionOptions",
    "load_series_model",
    "match_samples",
    "predict_series",
    "predict_table",
]

_MOST_JUDGED, _FEWEST_JUDGED = 100_000, 10  # values of a band


@dataclass(frozen=True, eq=False)
class SeriesPredictions:
    """Predictions of N samples.

    Attributes
    ----------
    card : of the model.
    classes : (N,) class names, None where a sample has no clear date; None of values.
    probabilities : (N, classes) calibrated, NaN without a clear date; None of values.
    entropy : (N,) of the probabilities over log(classes), 0..1; None of values.
    values : (N,) in the target's unit, NaN without a clear date; None of classes.
    clear_dates : (N,) dates with a measurement, of all sensors together.
    few_dates : (N,) whether these are fewer than the model needs.
    """

    card: Card
    classes: npt.NDArray[np.object_] | None = field(repr=False)
    probabilities: npt.NDArray[np.float64] | None = field(repr=False)
    entropy: npt.NDArray[np.float64] | None = field(repr=False)
    values: npt.NDArray[np.float64] | None = field(repr=False)
    clear_dates: npt.NDArray[np.intp] = field(repr=False)
    few_dates: npt.NDArray[np.bool_] = field(repr=False)

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Columns of a table: predictions by name, then the dates.

        Classes have ``class_predicted``, ``probability``, ``entropy`` and ``p_CLASS`` of each; values
        ``NAME_predicted``, with the ends of their interval where the model has one.
        """
        dates = {"clear_dates": self.clear_dates, "few_dates": self.few_dates.astype(int)}
        if self.classes is None or self.probabilities is None or self.entropy is None:
            return {**self._value_columns(), **dates}
        shares = self.probabilities
        return {
            "class_predicted": self.classes,
            "probability": shares.max(axis=1).round(4),
            "entropy": self.entropy.round(4),
            **{f"p_{c.name}": shares[:, i].round(4) for i, c in enumerate(self.card.classes)},
            **dates,
        }

    def counts(self) -> dict[str, int]:
        """Number of samples of each class, by name; empty for values."""
        if self.classes is None:
            return {}
        found = Counter(self.classes.tolist())
        return {name: found[name] for name in self.card.legend.names}

    def _value_columns(self) -> dict[str, npt.NDArray[Any]]:
        assert self.values is not None  # what is no class is a value
        target = self.card.targets[0]
        columns = {f"{target.name}_predicted": self.values}
        if target.interval is not None:
            half = target.interval.half_width(np.zeros(len(self.values)))
            level = f"{100 * target.interval.level:g}"
            columns[f"{target.name}_lower_{level}"] = self.values - half
            columns[f"{target.name}_upper_{level}"] = self.values + half
        return columns

    def table(self, samples: SeriesSamples) -> pd.DataFrame:
        """Predictions beside the columns of the samples.

        Raises
        ------
        OptionError
            When the samples have such columns already.
        """
        columns = self.columns()
        check_columns(samples.name, samples.groups, columns)
        return samples.groups.assign(**columns)


def predict_series(
    model: str | Path,
    samples: SeriesSamples,
    *,
    min_dates: int | None = None,
    device: str = "auto",
    report: Report = no_report,
) -> SeriesPredictions:
    """Predict classes or values of samples of pixels or parcels.

    Parameters
    ----------
    model : package of ``train_series``.
    min_dates : clear dates that a sample needs not to be marked; None takes the fewest of the training.
    device : ``auto``, ``cpu`` or ``cuda:N``.
    report : called with ``warning`` events: of values and dates unlike the training's, and of the model's limitations.

    Raises
    ------
    BandMismatchError
        When the model reads no series, or other sensors or bands.
    ModelPackageError
        When the package cannot be read.
    """
    card, fitted = load_series_model(model)
    matched = match_samples(samples, card)
    predicted = _predicted(card, fitted, matched, min_dates, device)
    for message in (
        *filter(None, [_values_warning(matched, card), _season_warning(matched, card)]),
        *run_limitations(card, Path(model).stem, predicted.counts(), None),
    ):
        report(Warned(message))
    return predicted


def _season_warning(samples: SeriesSamples, card: Card) -> str | None:
    """Warn of samples with dates outside the season of the training; None where there are none."""
    series = series_of(card)
    low, high = series.days
    outside = np.zeros(len(samples), bool)
    for days in samples.days(series.season_start):
        # NaN, where a sample has fewer dates, is neither earlier nor later.
        outside |= ((days < low - DAYS_TOLERATED) | (days > high + DAYS_TOLERATED)).any(axis=1)
    if not outside.any():
        return None
    return (
        f"{counted(int(outside.sum()), 'sample')} of {len(samples):,} have dates outside the season that {card.name} was "
        f"trained on (days {low:.0f} to {high:.0f} since {series.season_start}); cut the series, with `until=` where they "
        f"are too long."
    )


def _predicted(
    card: Card, fitted: FittedSeries, matched: SeriesSamples, min_dates: int | None, device: str
) -> SeriesPredictions:
    """Predict samples whose bands are the model's."""
    clear = matched.clear_dates
    fewest = series_of(card).dates[0] if min_dates is None else min_dates
    planes = fitted.planes(matched, device)
    # What was never seen has no class.
    planes = np.where((clear > 0)[:, None], planes, np.nan)
    few = clear < max(fewest, 1)
    if fitted.target is not None:
        values = planes[:, 0].astype(np.float64)
        return SeriesPredictions(card, None, None, None, values, clear, few)
    seen = fitted.probabilities(np.nan_to_num(planes))
    shares = np.where((clear > 0)[:, None], seen, np.nan)
    logs = np.log(np.clip(seen, np.finfo(float).tiny, None))
    entropy = -(seen * logs).sum(axis=1) / np.log(max(seen.shape[1], 2))
    entropy = np.where(clear > 0, np.clip(entropy, 0, 1), np.nan)
    names: npt.NDArray[np.object_] = np.array([c.name for c in card.classes], object)
    names = names[seen.argmax(axis=1)]
    names[clear == 0] = None
    return SeriesPredictions(card, names, shares, entropy, None, clear, few)


@dataclass(frozen=True)
class ClassifiedTable:
    """Result of predicting the samples of a table.

    Attributes
    ----------
    files : that were made.
    counts : samples of each class, by name; empty for values.
    samples : number of them.
    few_dates : those with fewer clear dates than asked for.
    failed : extra outputs that could not be made; there are none.
    """

    files: tuple[Path, ...]
    counts: dict[str, int]
    samples: int
    few_dates: int
    seconds: float
    failed: tuple[FailedOutput, ...] = ()


@dataclass(frozen=True)
class TablePredictionOptions:
    """How a table is read and its samples are classified.

    Attributes
    ----------
    reading : of the table.
    until : last day of the season that is seen, ``MM-DD``, or the last date, ``YYYY-MM-DD``.
    minimum_dates : clear dates below which a sample is marked; None takes the fewest of the training.
    device : where the network runs.
    overwrite : replace the output where it exists.
    """

    reading: SeriesTableOptions = field(default_factory=SeriesTableOptions)
    until: str | None = None
    minimum_dates: int | None = None
    device: str = "auto"
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Check the number of dates."""
        check_minimum_dates(self.minimum_dates)


def predict_table(
    tables: Sequence[Path],
    model: Path,
    out: Path,
    options: TablePredictionOptions | None = None,
    report: Report = no_report,
) -> ClassifiedTable:
    """Predict classes or values of the samples of a table, and write them as columns beside its own.

    Parameters
    ----------
    tables : as ``read_series`` takes them.
    out : table to make (.csv).
    report : called with ``warning`` events.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with tables, model or output; nothing is left behind.
    """
    begun, options, warn = time.monotonic(), options or TablePredictionOptions(), warner(report)
    if out.suffix.lower() != ".csv":
        raise OptionError(
            f"Predictions of a table are written as CSV, but got {out}; end it in .csv."
        )
    protect = [*tables, model]
    with Staging(out, overwrite=options.overwrite, protect=protect, warn=warn) as stage:
        samples = read_series(tables, options.reading)
        for remark in samples.remarks:
            warn(remark)
        if options.until is not None:
            samples = cut_at(samples, options.until, series_of(read_card(model)).season_start)
        predicted = predict_series(
            model, samples, min_dates=options.minimum_dates, device=options.device, report=report
        )
        write_csv(predicted.table(samples), stage.path(out))
    few = int(predicted.few_dates.sum())
    return ClassifiedTable((out,), predicted.counts(), len(samples), few, time.monotonic() - begun)


def _values_warning(samples: SeriesSamples, card: Card) -> str | None:
    """Describe values of another size than in training, of samples whose bands are the model's."""
    values = [
        sensor.values[:, :, band].ravel()
        for sensor in samples.sensors
        for band in range(len(sensor.bands))
    ]
    return size_warning(
        samples.name,
        [band[:: len(band) // _MOST_JUDGED + 1] for band in values],
        np.array([band.mean for band in card.bands]),
        np.array([band.std for band in card.bands]),
        cure="convert them to the training's unit",
        fewest=_FEWEST_JUDGED,
    )


def load_series_model(model: str | Path) -> tuple[Card, FittedSeries]:
    """Load a package as a network with all that its predictions need.

    Raises
    ------
    BandMismatchError
        When the model reads no series.
    ModelPackageError
        When the package cannot be read.
    """
    card, network = load_model(model)
    series = series_of(card)
    ends = np.cumsum([sensor.bands for sensor in series.sensors])[:-1]
    mean, std = (
        tuple(np.split(np.array([getattr(band, name) for band in card.bands]), ends))
        for name in ("mean", "std")
    )
    target = (card.targets[0].mean, card.targets[0].std) if card.targets else None
    return card, FittedSeries(
        network,
        card.architecture.options,
        SeriesScaling(mean, std),
        series.season_start,
        target,
        card.calibration,
        card.targets[0].interval if card.targets else None,
    )


def match_samples(samples: SeriesSamples, card: Card) -> SeriesSamples:
    """Choose the model's sensors and bands, in the model's order; a single sensor may have any name.

    Raises
    ------
    BandMismatchError
        When the model reads no series, or a sensor or band is missing.
    """
    series = series_of(card)
    chosen, first = [], 0
    for number, sensor in enumerate(series.sensors):
        own = _sensor(samples, series, number)
        places = match_bands(
            card.bands[first : first + sensor.bands], own.bands, cure="Rename the table's bands."
        )
        bands = tuple(own.bands[place] for place in places)
        chosen.append(SensorSamples(sensor.name, bands, own.values[:, :, places], own.dates))
        first += sensor.bands
    return replace(samples, sensors=tuple(chosen))


def _sensor(samples: SeriesSamples, series: CardSeries, number: int) -> SensorSamples:
    present: Sequence[SensorSamples] = samples.sensors
    if len(present) == len(series.sensors) == 1:
        return present[0]
    name = series.sensors[number].name
    found = next((own for own in present if own.name.casefold() == name.casefold()), None)
    if found is None:
        wanted = [sensor.name for sensor in series.sensors]
        raise BandMismatchError(
            f"The model reads series of {listed(wanted)}, but {samples.name} has {listed(own.name for own in present)}; "
            f"name the sensors as the model does, with `sensor_bands=`."
        )
    return found
