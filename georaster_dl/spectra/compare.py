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
from georaster_dl.spectra.scoring.scores import ClassScores, ValueScores
from georaster_dl.spectra.scoring.split import check_enough, folds_of, split_rows
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.train import (
    TableOptions,
    learnable,
    warn_of_missing,
    warn_of_steps,
)

__all__ = ["CLASS_COLUMNS", "VALUE_COLUMNS", "MethodResult", "compare", "summary"]

VALUE_COLUMNS = ("rmsep", "sep", "bias", "r2", "rpd")
CLASS_COLUMNS = ("accuracy", "balanced_accuracy", "macro_f1")

_Mask = npt.NDArray[np.bool_]

_VALIDATION_FOLDS = 5  # of the training rows; one of them chooses a network's epoch


@dataclass(frozen=True, eq=False)
class MethodResult:
    """Scores and predictions of a method.

    Attributes
    ----------
    scores : of each seed.
    measured, predicted : (n,) of the first seed's test rows.
    seconds : of all seeds together.
    """

    method: str
    scores: tuple[ValueScores | ClassScores, ...]
    measured: npt.NDArray[Any] = field(repr=False)
    predicted: npt.NDArray[Any] = field(repr=False)
    seconds: float = 0.0


def compare(
    table: SpectraTable,
    options: TableOptions,
    methods: Sequence[str],
    settings: Settings,
    *,
    n_folds: int,
    n_seeds: int,
    report: Report,
) -> list[MethodResult]:
    """Fit all methods and test them, on a split column's test rows or out of fold.

    A seed decides the folds, the networks' random numbers, and the folds in which the settings of the
    methods of chemometrics are searched.

    Raises
    ------
    OptionError
        When a method is unknown, several targets are named, or there are too few rows.
    """
    methods = [known_method(method) for method in methods]
    if len(options.targets) > 1 or min(n_folds - 1, n_seeds) < 1:
        raise OptionError(
            f"Methods are compared by one target, over 2 folds or more and 1 seed or more, but got "
            f"{counted(len(options.targets), 'target')}, {counted(n_folds, 'fold')} and {counted(n_seeds, 'seed')}."
        )
    target = learnable(table, options)
    warn_of_steps(table, settings, report)
    warn_of_missing(table, options, report)
    target = target if options.class_column else target[:, 0]
    seeds = range(settings.seed, settings.seed + n_seeds)
    results = []
    for method in methods:
        begun = time.monotonic()
        runs = []
        for seed in seeds:
            report(MethodStarted(method, seed))
            seeded = replace(settings, seed=seed)
            runs.append(_run(method, table, target, options, seeded, n_folds))
        scores = tuple(_score(measured, predicted) for measured, predicted in runs)
        results.append(MethodResult(method, scores, *runs[0], time.monotonic() - begun))
    return results


def _run(
    method: str,
    table: SpectraTable,
    target: npt.NDArray[Any],
    options: TableOptions,
    settings: Settings,
    n_folds: int,
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Measured and predicted (n,) of all test rows."""
    groups = None if options.group is None else table.classes(options.group)
    measured, predicted = [], []
    for train, validation, test in _row_masks(table, target, options, settings.seed, n_folds):
        rows = Rows(
            table.spectra[train],
            target[train],
            table.wavelengths_nm,
            None if groups is None else groups[train],
            validation[:, train],
        )
        model = fit_method(method, rows, settings)
        measured.append(target[test])
        predicted.append(np.asarray(model.predict(table.spectra[test])).ravel())
    return np.concatenate(measured), np.concatenate(predicted)


def _row_masks(
    table: SpectraTable,
    target: npt.NDArray[Any],
    options: TableOptions,
    seed: int,
    n_folds: int,
) -> Iterator[tuple[_Mask, _Mask, _Mask]]:
    """Yield row masks: training (n,), validation rows for each network (parts, n), test (n,)."""
    classes = target if options.class_column else None
    known = ~pd.isna(target)
    if options.split_column is not None:
        split = split_rows(
            table,
            known,
            split_column=options.split_column,
            group=options.group,
            classes=classes,
            seed=seed,
            intervals=False,
        )
        yield split.train, split.validation, split.test
        return
    check_enough(table, int(known.sum()), "known")
    groups = None if options.group is None else table.classes(options.group)
    for test in folds_of(known, n_folds, groups, classes, seed):
        train = known & ~test
        yield train, np.stack(folds_of(train, _VALIDATION_FOLDS, groups, classes, seed)), test


def _score(measured: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> ValueScores | ClassScores:
    if measured.dtype == object:
        return ClassScores.of(predicted.astype(object), measured)
    return ValueScores.of(predicted, measured)


def summary(results: Sequence[MethodResult]) -> list[dict[str, Any]]:
    """Summarise each method in a row: mean and standard deviation of its scores over the seeds, and seconds."""
    return [
        {"method": result.method, **_moments(result.scores), "seconds": round(result.seconds, 1)}
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
