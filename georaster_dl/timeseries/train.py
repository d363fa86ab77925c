"""Training of a model package on samples of series, tested beside a random forest on the same samples."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, Started, TrainingProgressed, Warned, warner
from georaster_dl.core.legend import Legend
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.output.staging import FailedOutput, Staging
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import save_model
from georaster_dl.models.package.seasons import check_season_start, season_start_of
from georaster_dl.models.runtime.device import Device
from georaster_dl.spectra.scoring.scores import ClassScores, ValueScores
from georaster_dl.timeseries.learning.attention import (
    check_attention,
    date_attention,
    write_attention,
)
from georaster_dl.timeseries.learning.by_date import (
    CurvePoint,
    curve_days,
    date_of_day,
    until,
    write_curve,
)
from georaster_dl.timeseries.learning.card import series_card
from georaster_dl.timeseries.learning.fit import FittedSeries, fit_series
from georaster_dl.timeseries.learning.forest import FOREST, SeriesForest
from georaster_dl.timeseries.learning.options import SeriesTrainOptions
from georaster_dl.timeseries.learning.split import SampleFold, SamplePlan, plan_split
from georaster_dl.timeseries.patches.pixels import fewer_labels
from georaster_dl.timeseries.samples import SeriesSamples

__all__ = ["FoldScores", "TrainedSeries", "train_series"]

Scores = ClassScores | ValueScores

_FEW_TESTED = 30  # samples, on which an accuracy is known to no better than 15 points
_MOST_TESTED = 100_000  # pixels of patches, which both methods classify


@dataclass(frozen=True, eq=False)
class FoldScores:
    """Scores of the samples that test, of the network and of the random forest.

    Attributes
    ----------
    name : of what tests, such as ``region Khorezm``.
    """

    name: str
    network: Scores
    forest: Scores


@dataclass(frozen=True, eq=False)
class TrainedSeries:
    """A trained model's card, and how good it is.

    Attributes
    ----------
    folds : scores of each fold.
    plan : how the samples were split.
    curve : accuracy by the date on which series end; empty where it was not asked for.
    verdict : which of network and forest is better on the same samples, a sentence.
    failed : extra outputs that could not be made.
    """

    card: Card
    folds: tuple[FoldScores, ...]
    plan: SamplePlan
    curve: tuple[CurvePoint, ...]
    verdict: str
    seconds: float
    failed: tuple[FailedOutput, ...] = ()


def train_series(
    samples: SeriesSamples,
    options: SeriesTrainOptions,
    out: Path,
    report: Report,
    *,
    by_date: Sequence[Path] = (),
    attention: Sequence[Path] = (),
    inputs: Sequence[Path] = (),
    overwrite: bool = False,
) -> TrainedSeries:
    """Train a network on samples of series, test it, and keep it as a model package.

    A random forest learns and is tested on the same samples. Of a cross-validation, the package is trained
    on all samples in the end.

    Parameters
    ----------
    out : model package to make; it appears when everything is done.
    by_date : files for the accuracy by date, ``.csv`` or ``.png``.
    attention : files for the attention to the dates, ``.csv`` or ``.png``, of a network that has it.
    inputs : files that the samples come from, which no output may replace.
    overwrite : whether ``out`` may replace a file.

    Raises
    ------
    OptionError
        When nothing is known of the samples, or the split or settings cannot work.
    OutputError
        When the package cannot be written.
    """
    begun = time.monotonic()
    if samples.labels is None:
        raise OptionError(
            f"{samples.name} has no labels; name their column with `class_column=` or `target=`."
        )
    if attention:
        check_attention(options.architecture, samples)
    with Staging(
        out, extras=[*by_date, *attention], overwrite=overwrite, protect=inputs, warn=warner(report)
    ) as stage:
        report(Started(Device.choose(options.device, "fp32").name))
        run = _Run(samples, options, report, curve=bool(by_date))
        card, result = run.packaged(out)
        card = save_model(stage.path(out), card, result.network)
        for path in by_date:
            with stage.making(path) as staged:
                write_curve(run.curve, staged)
        if attention:
            shares = date_attention(result, samples)
        for path in attention:
            with stage.making(path) as staged:
                write_attention(shares, staged)
    return TrainedSeries(
        card,
        tuple(run.scores),
        run.plan,
        tuple(run.curve),
        run.verdict,
        time.monotonic() - begun,
        stage.failed,
    )


@dataclass(eq=False)
class _Tested:
    """Predictions of the samples that test, of whole series and of series that end on each day of a curve."""

    reference: list[npt.NDArray[Any]] = field(default_factory=list)
    by_day: list[list[npt.NDArray[Any]]] = field(default_factory=list)
    clear: list[list[npt.NDArray[np.intp]]] = field(default_factory=list)


class _Run:
    """One training: folds, scores, and the final network."""

    def __init__(
        self, samples: SeriesSamples, options: SeriesTrainOptions, report: Report, *, curve: bool
    ) -> None:
        self.options, self._report = options, report
        start = options.season_start
        if start is None:
            start = season_start_of(np.concatenate([s.dates for s in samples.sensors], axis=1))
        check_season_start(start)
        self._start = start
        if options.until is not None:
            samples = until(samples, options.until, start)
        self._samples = _warned(samples, report)
        self.plan = plan_split(self._samples, options.split, start, options.seed)
        fitted = (*self.plan.folds, *([self.plan.final] if self.plan.final else []))
        self._epochs = [options.epochs_of(int(fold.train.sum())) for fold in fitted]
        self._days = curve_days(self._samples, start) if curve else []
        self._tested = _Tested()
        self.scores: list[FoldScores] = []
        self._begun = time.monotonic()
        self._fitted: FittedSeries | None = None
        for number, fold in enumerate(self.plan.folds):
            self._fitted = self._test(fold, number)
        self.curve = self._curve()
        self.verdict, self._forest_wins = _verdict(self.scores)
        if self._forest_wins:
            report(Warned(self.verdict))

    def packaged(self, out: Path) -> tuple[Card, FittedSeries]:
        """The card and the network of the package."""
        fold = self.plan.final
        if fold is not None:
            self._fitted = self._fit(fold, len(self.plan.folds))
        fold = fold or self.plan.folds[0]
        assert self._fitted is not None  # a plan has a fold
        card = series_card(
            out,
            self._fitted,
            self._samples.rows(fold.train),
            self.options,
            metrics=_metrics(self.scores, self._samples.target),
            training=self._training(fold),
            limitations=self._limitations(),
        )
        return card, self._fitted

    def _fit(self, fold: SampleFold, number: int) -> FittedSeries:
        return fit_series(
            self._samples, fold, self.options, self._start, partial(self._log, number)
        )

    def _log(self, number: int, epoch: int, loss: float) -> None:
        done, most = sum(self._epochs[:number]) + epoch, sum(self._epochs)
        left = (time.monotonic() - self._begun) / done * (most - done)
        self._report(TrainingProgressed(done, most, left, loss))

    def _test(self, fold: SampleFold, number: int) -> FittedSeries:
        fitted = self._fit(fold, number)
        tested = fewer_labels(self._samples.rows(fold.test), _MOST_TESTED, self.options.seed)
        forest = SeriesForest(self._start, self.options.seed)
        forest.fit(self._samples.rows(fold.train | fold.validation))
        network, rival = fitted.predict(tested), forest.predict(tested)
        reference = np.asarray(tested.labels)
        self.scores.append(
            FoldScores(fold.name, self._scored(network, reference), self._scored(rival, reference))
        )
        if self._days:
            cut = [tested.until(day, self._start) for day in self._days]
            self._tested.reference.append(reference)
            self._tested.by_day.append([fitted.predict(part) for part in cut])
            self._tested.clear.append([part.clear_dates for part in cut])
        return fitted.with_error(tested)

    def _curve(self) -> list[CurvePoint]:
        if not self._days:
            return []
        reference = np.concatenate(self._tested.reference)
        curve = []
        for i, day in enumerate(self._days):
            predicted = np.concatenate([of_fold[i] for of_fold in self._tested.by_day])
            clear = np.concatenate([of_fold[i] for of_fold in self._tested.clear]).mean()
            scores = self._scored(predicted, reference)
            curve.append(CurvePoint(day, date_of_day(day, self._start), float(clear), scores))
        return curve

    def _named(self, labels: Any) -> npt.NDArray[Any]:
        """Class names, or values as they are."""
        legend = self._samples.legend
        if legend is None:
            return np.asarray(labels, np.float64)
        names: npt.NDArray[Any] = np.array(legend.names, object)[labels]
        return names

    def _scored(self, predicted: Any, reference: Any) -> Scores:
        known = np.isfinite(reference) if self._samples.legend is None else reference >= 0
        first, second = self._named(predicted[known]), self._named(reference[known])
        return (
            ClassScores.of(first, second)
            if first.dtype == object
            else ValueScores.of(first, second)
        )

    def _training(self, fold: SampleFold) -> dict[str, str]:
        counts = {
            "learnt from": fold.train,
            "chose the epoch": fold.validation,
            "tested": fold.test,
        }
        shown = ", ".join(
            f"{int(rows.sum()):,} {what}" for what, rows in counts.items() if rows.any()
        )
        return {
            "samples": shown,
            "table": self._samples.name,
            "split": self.plan.description,
            "until": self.options.until or "",
            f"{FOREST} on the same samples": _text([fold.forest for fold in self.scores]),
        }

    def _limitations(self) -> str:
        said = [self.plan.caution]
        tested = sum(fold.network.n for fold in self.scores)
        if tested < _FEW_TESTED:
            said.append(
                f"Its accuracy was tested on {counted(tested, 'sample')} alone and says little."
            )
        if self._forest_wins:
            said.append(self.verdict)
        if self.options.until is not None and not self.options.early:
            said.append(f"It was trained on series up to {self.options.until}.")
        elif not self.options.early:
            said.append(
                "It was trained on whole seasons: do not use it on a season that is not over (see `early=True`)."
            )
        return " ".join(filter(None, said))


def _warned(samples: SeriesSamples, report: Report) -> SeriesSamples:
    """The samples, after warnings of those that cannot be used."""
    unknown = int((~samples.known).sum())
    if unknown:
        report(Warned(f"{samples.name}: {counted(unknown, 'sample')} without a label left out"))
    samples = _of_classes_that_occur(samples, report)
    empty = int((samples.clear_dates == 0).sum())
    if not empty:
        return samples
    report(Warned(f"{samples.name}: {counted(empty, 'sample')} without any clear date left out"))
    return samples.rows(samples.clear_dates > 0)


def _of_classes_that_occur(samples: SeriesSamples, report: Report) -> SeriesSamples:
    """Leave classes without a single sample out of the legend, with a warning."""
    if samples.legend is None or samples.labels is None:
        return samples
    present = np.unique(samples.labels[samples.labels >= 0])
    absent = [name for i, name in enumerate(samples.legend.names) if i not in present]
    if not absent:
        return samples
    report(
        Warned(
            f"{samples.name}: no sample of {listed(absent)}, so the model will not know it; check where its labels lie"
        )
    )
    number = np.full(len(samples.legend.names) + 1, -1, samples.labels.dtype)  # -1 stays -1
    number[present] = np.arange(len(present))
    legend = Legend(tuple(samples.legend.classes[i] for i in present))
    return replace(samples, labels=number[samples.labels], legend=legend)


def _main(scores: Scores) -> float:
    """The score by which methods are compared; higher is better."""
    return scores.accuracy if isinstance(scores, ClassScores) else -scores.rmsep


def _verdict(folds: Sequence[FoldScores]) -> tuple[str, bool]:
    """Say which is better on the same samples, and whether it is the forest."""
    network, forest = (
        float(np.mean([_main(getattr(fold, which)) for fold in folds]))
        for which in ("network", "forest")
    )
    name = "OA" if isinstance(folds[0].network, ClassScores) else "RMSE"
    figures = f"{name} {abs(network):.4g} against {abs(forest):.4g}"
    if forest > network:
        return f"The {FOREST} is better on the same samples than the network ({figures}).", True
    if forest == network:
        return f"The network and the {FOREST} are as good on the same samples ({figures}).", False
    return f"The network is better on the same samples than the {FOREST} ({figures}).", False


_SHOWN = {"accuracy": "OA", "balanced_accuracy": "balanced accuracy", "macro_f1": "macro F1"}
_SHOWN_OF_VALUES = {"rmsep": "RMSE", "bias": "bias", "r2": "R2"}


def _values(scores: Sequence[Scores]) -> dict[str, npt.NDArray[np.float64]]:
    names = _SHOWN if isinstance(scores[0], ClassScores) else _SHOWN_OF_VALUES
    return {shown: np.array([getattr(s, name) for s in scores]) for name, shown in names.items()}


def _text(scores: Sequence[Scores]) -> str:
    return ", ".join(f"{name} {values.mean():.4g}" for name, values in _values(scores).items())


def _metrics(folds: Sequence[FoldScores], target: str | None) -> dict[str, float]:
    """Mean scores of the network, and their standard deviation over folds."""
    what = "" if target is None else f" {target[:40]}"
    metrics: dict[str, float] = {}
    for name, values in _values([fold.network for fold in folds]).items():
        metrics[f"{name}{what}, test"] = float(values.mean())
        if len(folds) > 1:
            metrics[f"{name}{what}, test, standard deviation"] = float(values.std(ddof=1))
    return metrics
