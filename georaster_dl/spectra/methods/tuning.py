"""Settings of a baseline chosen by cross-validation on the training spectra."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.spectra.methods.baselines import (
    UNSEARCHED,
    Settings,
    Task,
    baseline,
    settings_grid,
)
from georaster_dl.spectra.preprocess.chain import Preprocessing
from georaster_dl.spectra.scoring.folds import Fold, cross_validation
from georaster_dl.spectra.scoring.scores import ClassScores

__all__ = ["Tuned", "tune"]

_Names = npt.NDArray[np.object_]

_FOLDS = {"pls": 10}
_FOLDS_OF_OTHERS = 5


@dataclass(frozen=True, eq=False)
class Tuned:
    """A baseline with the settings that cross-validation chose.

    Attributes
    ----------
    settings : of ``baseline``.
    score : of these in cross-validation: RMSE of values (the less the better), macro F1 of classes;
        None of a method whose settings are never searched.
    pipeline : ``Preprocessing`` and estimator, fitted on all training spectra.
    tried : all settings with their scores, in order; empty where none are searched.
    """

    name: str
    task: Task
    settings: Mapping[str, Any]
    score: float | None
    pipeline: Any = field(repr=False)
    tried: tuple[tuple[Mapping[str, Any], float], ...] = field(repr=False)


def tune(
    name: str,
    task: Task,
    spectra: npt.NDArray[np.floating[Any]],
    target: npt.NDArray[Any],
    *,
    preprocessing: str = "none",
    groups: _Names | None = None,
    seed: int = 0,
) -> Tuned:
    """Choose a baseline's settings by cross-validation on training spectra, and fit it to them all.

    Parameters
    ----------
    spectra : (n, bands) of the training rows alone.
    target : (n,) values, NaN where not known, or class names, None where not known; such rows are
        left out.
    preprocessing : steps of ``Preprocessing``, learnt anew in every fold.
    groups : (n,) sample of each spectrum, whose spectra stay in one fold.
    seed : of folds and forest.

    Raises
    ------
    OptionError
        When too few spectra have a known target, or folds of whole samples, by which settings are
        chosen, leave one class alone.
    """
    from sklearn.pipeline import make_pipeline

    known = ~pd.isna(target)
    spectra, target = spectra[known], target[known]
    if task == "classification":
        target = target.astype(str)
    if len(np.unique(target)) < 2:
        raise OptionError(
            f"{counted(len(target), 'training spectrum')} with {counted(len(np.unique(target)), 'different value')} are too few to "
            f"learn from; check the target and the split."
        )
    tried: tuple[tuple[Settings, float], ...] = ()
    settings: Settings = {}
    score: float | None = None
    if name not in UNSEARCHED:
        folds = _folds(name, task, target, None if groups is None else groups[known], seed)
        tried = _tried(name, task, folds, spectra, target, preprocessing, seed)
        scores = np.array([score for _, score in tried])
        # Of equals the first, which is the stiffest.
        settings, score = tried[int(scores.argmin() if task == "regression" else scores.argmax())]
    pipeline = make_pipeline(Preprocessing(preprocessing), baseline(name, task, settings, seed))
    return Tuned(name, task, settings, score, pipeline.fit(spectra, target), tried)


def _folds(
    name: str, task: Task, target: npt.NDArray[Any], groups: _Names | None, seed: int
) -> list[Fold]:
    classes = target.astype(object) if task == "classification" else None
    n_folds = _FOLDS.get(name, _FOLDS_OF_OTHERS)
    folds = cross_validation(len(target), n_folds, groups=groups, classes=classes, seed=seed)
    if classes is not None and any(len(set(classes[learnt])) < 2 for learnt, _ in folds):
        raise OptionError(
            "Cross-validation leaves a single class to learn from: each class needs spectra of two samples or "
            "more; check the columns of classes and groups."
        )
    return folds


def _tried(
    name: str,
    task: Task,
    folds: list[Fold],
    spectra: npt.NDArray[Any],
    target: npt.NDArray[Any],
    preprocessing: str,
    seed: int,
) -> tuple[tuple[Settings, float], ...]:
    """All settings of a method's grid with their scores in cross-validation."""
    smallest = min(len(learnt) for learnt, _ in folds)
    grid = settings_grid(name, smallest, spectra.shape[1])
    predicted = _out_of_fold(name, task, grid, folds, spectra, target, preprocessing, seed)
    return tuple(
        (chosen, _score(task, column, target))
        for settings, columns in zip(grid, predicted, strict=True)
        for chosen, column in _by_components(settings, columns)
    )


def _out_of_fold(
    name: str,
    task: Task,
    grid: list[Settings],
    folds: list[Fold],
    spectra: npt.NDArray[Any],
    target: npt.NDArray[Any],
    preprocessing: str,
    seed: int,
) -> list[npt.NDArray[Any]]:
    """For each settings (components or 1, n) predictions of every spectrum by folds without it."""
    errors_of_folds: list[npt.NDArray[Any]] = []
    for learnt, measured in folds:
        treat = Preprocessing(preprocessing).fit(spectra[learnt])
        train, rest = treat.transform(spectra[learnt]), treat.transform(spectra[measured])
        for i, settings in enumerate(grid):
            model = baseline(name, task, settings, seed).fit(train, target[learnt])
            columns = _columns(model, rest)
            if len(errors_of_folds) <= i:
                kind = np.float64 if task == "regression" else object
                errors_of_folds.append(np.empty((len(columns), len(target)), kind))
            errors_of_folds[i][:, measured] = columns
    return errors_of_folds


def _columns(model: Any, spectra: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(components or 1, n) predictions."""
    if not hasattr(model, "predict_all"):
        return np.asarray(model.predict(spectra))[None]
    columns = model.predict_all(spectra)
    return np.asarray(columns[:, :, 0] if columns.ndim == 3 else columns)


def _by_components(
    settings: Settings, columns: npt.NDArray[Any]
) -> Iterator[tuple[Settings, npt.NDArray[Any]]]:
    if "n_components" not in settings:
        yield settings, columns[0]
        return
    for a, column in enumerate(columns, 1):
        yield {**settings, "n_components": a}, column


def _score(task: Task, predicted: npt.NDArray[Any], target: npt.NDArray[Any]) -> float:
    if task == "regression":
        return float(np.sqrt(np.mean((predicted - target) ** 2)))
    return ClassScores.of(predicted, target.astype(object)).macro_f1
