"""Comparison of methods on the same rows over several seeds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import MethodStarted, Report
from georaster_dl.core.wording import counted
from georaster_dl.spectra.registry import Rows, Settings, fit_method, known_method
from georaster_dl.spectra.scoring.folds import numbered
from georaster_dl.spectra.scoring.scores import ClassScores, ValueScores
from georaster_dl.spectra.scoring.significance import PairedTest, errors_of, paired_tests
from georaster_dl.spectra.scoring.split import check_enough, folds_of, samples_of
from georaster_dl.spectra.synthetic import synthetic_rows
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.training.checks import check_table
from georaster_dl.spectra.training.columns import (
    TableOptions,
    learnable,
    split_table,
)
from georaster_dl.spectra.training.taught import Taught, checked_libraries, separated

__all__ = ["CLASS_COLUMNS", "VALUE_COLUMNS", "MethodResult", "compare", "paired", "summary"]

VALUE_COLUMNS = ("rmsep", "sep", "bias", "r2", "rpd", "rpiq")
CLASS_COLUMNS = ("accuracy", "balanced_accuracy", "macro_f1")

_Mask = npt.NDArray[np.bool_]

_VALIDATION_FOLDS = 5  # of the training rows; one of them chooses a network's epoch


@dataclass(frozen=True, eq=False)
class MethodResult:
    """Scores and predictions of a method.

    Attributes
    ----------
    scores : of each seed.
    rows : (n,) positions of the rows that test, the same in all seeds and for all methods.
    samples : (n,) number of the sample of each.
    measured : (n,) of these.
    predicted : (seeds, n).
    seconds : of all seeds together.
    """

    method: str
    scores: tuple[ValueScores | ClassScores, ...]
    rows: npt.NDArray[np.intp] = field(repr=False)
    samples: npt.NDArray[np.intp] = field(repr=False)
    measured: npt.NDArray[Any] = field(repr=False)
    predicted: npt.NDArray[Any] = field(repr=False)
    seconds: float = 0.0


def compare(
    table: SpectraTable,
    options: TableOptions,
    methods: Sequence[str],
    settings: Settings,
    *,
    n_seeds: int,
    report: Report,
) -> list[MethodResult]:
    """Fit all methods and test them, on the test rows of a division, or out of fold where that is random.

    Simulated rows of the table learn wherever none that they were made of is held out, and never test. A seed decides random
    folds, the networks' random numbers, and the folds in which the settings of the methods of chemometrics are searched.

    Raises
    ------
    OptionError
        When a method is unknown, several targets are named, or there are too few rows.
    """
    methods = [known_method(method) for method in methods]
    if len(options.targets) > 1 or n_seeds < 1:
        raise OptionError(
            f"Methods are compared by one target, over 1 seed or more, but got "
            f"{counted(len(options.targets), 'target')} and {counted(n_seeds, 'seed')}."
        )
    given = table
    table, taught = separated(given, (), options, settings, report)
    places = np.arange(len(given))
    if len(table) < len(given):
        places = np.flatnonzero(~synthetic_rows(given))
    target = learnable(table, options, report)
    check_table(table, target, options, settings, report)
    known = ~pd.isna(target.reshape(len(table), -1)).all(axis=1)
    taught = checked_libraries(taught, table, [known], report)
    target = target if options.class_column else target[:, 0]
    samples = numbered(samples_of(table, options.division).groups, len(table))
    seeds = range(settings.seed, settings.seed + n_seeds)
    results = []
    for method in methods:
        begun = time.monotonic()
        runs = []
        for seed in seeds:
            report(MethodStarted(method, seed))
            of_seed = replace(settings, seed=seed)
            runs.append(_run(method, table, target, options, of_seed, taught))
        # Rows without a prediction do not test.
        rows = np.flatnonzero(~pd.isna(runs[0]))
        predicted, measured = np.stack(runs)[:, rows], target[rows]
        scores = tuple(_score(measured, run) for run in predicted)
        seconds = time.monotonic() - begun
        results.append(
            MethodResult(method, scores, places[rows], samples[rows], measured, predicted, seconds)
        )
    return results


def _run(
    method: str,
    table: SpectraTable,
    target: npt.NDArray[Any],
    options: TableOptions,
    settings: Settings,
    taught: Taught,
) -> npt.NDArray[Any]:
    """(n,) predictions of all rows that test, NaN or None of the others."""
    groups = samples_of(table, options.division).groups
    blank = None if target.dtype == object else np.nan
    predicted = np.full(len(table), blank, target.dtype)
    for train, validation, test in _row_masks(table, target, options, settings):
        rows = Rows(
            table.spectra[train],
            target[train],
            table.wavelengths_nm,
            None if groups is None else groups[train],
            validation[:, train],
        )
        model = fit_method(method, taught.beside(rows, train), settings)
        predicted[test] = np.asarray(model.predict(table.spectra[test])).ravel()
    return predicted


def _row_masks(
    table: SpectraTable, target: npt.NDArray[Any], options: TableOptions, settings: Settings
) -> Iterator[tuple[_Mask, _Mask, _Mask]]:
    """Yield row masks: training (n,), validation rows for each network (parts, n), test (n,)."""
    classes = target if options.class_column else None
    known = ~pd.isna(target)
    division = options.division
    if division.split_column is not None or division.kind != "random":
        split = split_table(table, target, options, settings, intervals=False)
        yield split.train, split.validation, split.test
        return
    check_enough(table, int(known.sum()), "known")
    samples = samples_of(table, division, classes)
    places = np.flatnonzero(known)
    for _, measured in options.folding.divide(samples.of(known), settings.seed)[0]:
        test = np.isin(np.arange(len(table)), places[measured])
        train = known & ~test
        folds = folds_of(train, _VALIDATION_FOLDS, samples.groups, classes, settings.seed)
        yield train, np.stack(folds), test


def paired(results: Sequence[MethodResult]) -> list[PairedTest]:
    """Test all pairs of methods; see ``significance.paired_tests``."""
    return paired_tests(
        {one.method: errors_of(one.predicted, one.measured, one.samples) for one in results}
    )


def _score(measured: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> ValueScores | ClassScores:
    if measured.dtype == object:
        return ClassScores.of(predicted.astype(object), measured)
    return ValueScores.of(predicted, measured)


def summary(results: Sequence[MethodResult]) -> list[dict[str, Any]]:
    """Summarise each method in a row: mean and standard deviation of its scores over the seeds, and seconds.

    ``p`` is of the paired test against the method that errs least, whose own is None.
    """
    tests = paired(results)
    beaten = {test.second for test in tests}
    least = next((test.first for test in tests if test.first not in beaten), None)
    p = {test.second: test.p for test in tests if test.first == least}
    return [
        {
            "method": result.method,
            **_moments(result.scores),
            "p": p.get(result.method),
            "seconds": round(result.seconds, 1),
        }
        for result in results
    ]


def _moments(scores: Sequence[ValueScores | ClassScores]) -> dict[str, Any]:
    names = VALUE_COLUMNS if isinstance(scores[0], ValueScores) else CLASS_COLUMNS
    moments: dict[str, Any] = {"n": scores[0].n, "seeds": len(scores)}
    for name in names:
        values = np.array([getattr(score, name) for score in scores])
        moments[name] = float(values.mean())
        moments[f"{name}_sd"] = float(values.std(ddof=1)) if len(values) > 1 else None
    return moments
