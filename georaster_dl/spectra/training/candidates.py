"""Methods in cross-validation of the rows that learn, and fitted to all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.spectra.methods.baselines import BASELINES, Task
from georaster_dl.spectra.methods.fitted import as_fractions
from georaster_dl.spectra.methods.tuning import Trials, try_settings
from georaster_dl.spectra.network.fit_members import TrainingLog
from georaster_dl.spectra.registry import Rows, Settings, fit_network, fit_with, label
from georaster_dl.spectra.scoring.folds import Fold
from georaster_dl.spectra.scoring.scores import ClassScores, ValueScores
from georaster_dl.spectra.scoring.split import RowSplit, folds_of, samples_of
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.training.choice import class_loss, value_loss
from georaster_dl.spectra.training.columns import TableOptions
from georaster_dl.spectra.training.result import (
    ComponentsCurve,
    CrossValidated,
    Scores,
    TriedMethod,
)
from georaster_dl.spectra.training.taught import Taught

__all__ = ["Learning", "cross_validated", "fitted", "scored", "scores_by_target"]

_Mask = npt.NDArray[np.bool_]

_EPOCH_FOLDS = 5  # of the rows that learn in a fold; one of them chooses a network's epoch


@dataclass(frozen=True, eq=False)
class Learning:
    """Rows and settings that all candidates share.

    Attributes
    ----------
    target : (n, targets) values or (n,) class names of all rows of the table.
    fold_done : called after each fold of a cross-validation, and after each fit.
    taught : simulated rows beside the table, which learn in every fit that holds out none they were made of.
    """

    table: SpectraTable
    target: npt.NDArray[Any] = field(repr=False)
    split: RowSplit = field(repr=False)
    options: TableOptions
    settings: Settings
    fold_done: Callable[[], None] = field(repr=False)
    taught: Taught = field(repr=False)

    @property
    def task(self) -> Task:
        """Whether values or classes are learnt."""
        return "regression" if self.options.targets else "classification"

    @property
    def places(self) -> npt.NDArray[np.intp]:
        """Rows of the table that learn."""
        return np.flatnonzero(self.split.learnt)

    @property
    def spectra(self) -> npt.NDArray[np.float64]:
        """(learning rows, bands)."""
        return self.table.spectra[self.places]

    @property
    def columns(self) -> npt.NDArray[Any]:
        """(learning rows, targets) values or, in one column, class names."""
        return self.target[self.places].reshape(len(self.places), -1)

    @cached_property
    def samples(self) -> Any:
        """Samples, dates and classes of the rows that learn."""
        classes = self.target if self.task == "classification" else None
        everything = samples_of(self.table, self.options.division, classes)
        return everything.of(self.split.learnt)

    @cached_property
    def folds(self) -> list[list[Fold]]:
        """Folds of each repeat, positions among the rows that learn."""
        return self.options.folding.divide(self.samples, self.settings.seed)

    def rows(self, learnt: _Mask, validation: _Mask) -> Rows:
        """Rows (n,) of the table to learn from, with those that choose the epoch (parts, n)."""
        groups = self.options.division.group_column
        wanted = self.target[learnt]
        measured = Rows(
            self.table.spectra[learnt],
            wanted[:, 0] if wanted.ndim == 2 and wanted.shape[1] == 1 else wanted,
            self.table.wavelengths_nm,
            None if groups is None else self.table.classes(groups)[learnt],
            validation[:, learnt],
            fractions=self.options.fractions,
        )
        return self.taught.beside(measured, learnt)


def cross_validated(name: str, learning: Learning) -> CrossValidated:
    """Cross-validate a method on the rows that learn.

    Raises
    ------
    OptionError
        When a fold leaves too little to learn from.
    """
    if name in BASELINES:
        trials = [_trials(name, learning, i) for i in range(learning.columns.shape[1])]
        parts = [_spread_out(one.out_of_fold(), known, learning) for one, known in trials]
        chosen = tuple(one.settings[one.chosen] for one, _ in trials)
        curves = {
            title: curve
            for title, (one, _) in zip(learning.options.names, trials, strict=True)
            if (curve := _curve(one, learning.settings.components)) is not None
        }
        predicted = np.stack(parts, axis=2)
        if learning.options.fractions:
            predicted = as_fractions(predicted)
        return scored(name, predicted, chosen, curves, learning)
    return scored(name, _of_network(name, learning), (), {}, learning)


def _trials(name: str, learning: Learning, column: int) -> tuple[Trials, _Mask]:
    """Trials of one target, and the learning rows (n,) where it is known."""
    target = learning.columns[:, column]
    known = ~pd.isna(target)
    numbers = np.cumsum(known) - 1
    folds = [
        [
            (numbers[learnt[known[learnt]]], numbers[measured[known[measured]]])
            for learnt, measured in of_repeat
            if known[measured].any()
        ]
        for of_repeat in learning.folds
    ]
    everything = learning.rows(learning.split.learnt, learning.split.validation)
    of_column = everything.target.reshape(len(everything.target), -1)[:, column]
    chosen = ~pd.isna(of_column)
    descent = everything.descent
    if descent is not None:
        descent = descent.among(known, chosen[len(known) :])
    found = try_settings(
        name,
        everything.spectra[chosen],
        of_column[chosen],
        folds,
        preprocessing=learning.settings.preprocessing,
        groups=None if everything.groups is None else everything.groups[chosen],
        seed=learning.settings.seed,
        latent=learning.settings.latent_of(name),
        descent=descent,
        fold_done=learning.fold_done,
    )
    return found, known


def _spread_out(predicted: npt.NDArray[Any], known: _Mask, learning: Learning) -> npt.NDArray[Any]:
    """(repeats, learning rows) predictions, NaN or None where a target is not known."""
    blank = np.nan if learning.task == "regression" else None
    kind = float if learning.task == "regression" else object
    whole = np.full((len(predicted), len(known)), blank, kind)
    whole[:, known] = predicted
    return whole


def _curve(trials: Trials, components: int | None) -> ComponentsCurve | None:
    """Losses by the number of latent variables, the other settings being those that were chosen."""
    chosen = trials.settings[trials.chosen]
    if "n_components" not in chosen:
        return None
    alike = [
        i
        for i, settings in enumerate(trials.settings)
        if {**settings, "n_components": 0} == {**chosen, "n_components": 0}
    ]
    losses, of_classes = trials.losses[alike], trials.target.dtype.kind != "f"
    loss = class_loss if of_classes else value_loss
    least = loss(trials.predicted[alike[int(losses.argmin())]], trials.target, trials.folds)
    fewest = int((losses <= least.mean + least.error).argmax()) + 1
    return ComponentsCurve(losses, chosen["n_components"], components is not None, fewest)


def _of_network(name: str, learning: Learning) -> npt.NDArray[Any]:
    """(repeats, learning rows, targets or 1) predictions of single networks."""
    settings = replace(learning.settings, members=1)
    columns = learning.columns
    kind = float if learning.task == "regression" else object
    predicted = np.empty((len(learning.folds), *columns.shape), kind)
    for repeat, folds in enumerate(learning.folds):
        for learnt, measured in folds:
            mask = np.zeros(len(learning.table), bool)
            mask[learning.places[learnt]] = True
            samples = samples_of(learning.table, learning.options.division)
            classes = learning.target if learning.task == "classification" else None
            validation = folds_of(mask, _EPOCH_FOLDS, samples.groups, classes, settings.seed)
            network = fit_network(name, learning.rows(mask, np.stack(validation)), settings)
            values = network.predict(learning.spectra[measured])
            predicted[repeat, measured] = np.asarray(values).reshape(len(measured), -1)
            learning.fold_done()
    return predicted


def scored(
    name: str,
    predicted: npt.NDArray[Any],
    settings: tuple[Mapping[str, Any], ...],
    curves: Mapping[str, ComponentsCurve],
    learning: Learning,
) -> CrossValidated:
    """Score predictions (repeats, learning rows, targets or 1) out of fold."""
    scores: dict[str, Scores] = {}
    losses, errors = [], {}
    for i, title in enumerate(learning.options.names):
        column, measured = predicted[:, :, i], learning.columns[:, i]
        scores[title] = _score(column.ravel(), np.tile(measured, len(column)), len(column))
        if learning.task == "classification":
            loss, scale = class_loss(column, measured, learning.folds), 1.0
        else:
            loss = value_loss(column, measured, learning.folds)
            # Of several targets each counts by its spread; of one it stays in its unit.
            scale = float(np.nanstd(measured, ddof=1)) if len(learning.options.names) > 1 else 1.0
        errors[title] = loss.error
        losses.append((loss.mean / scale, loss.error / scale))
    means, spreads = np.mean(losses, axis=0)
    whole = np.full(
        (len(predicted), len(learning.table), predicted.shape[2]),
        np.nan if learning.task == "regression" else None,
        predicted.dtype,
    )
    whole[:, learning.places] = predicted
    out_of_fold = whole if learning.task == "regression" else whole[:, :, 0]
    return CrossValidated(
        name, settings, out_of_fold, scores, errors, float(means), float(spreads), curves
    )


def _score(predicted: npt.NDArray[Any], measured: npt.NDArray[Any], repeats: int = 1) -> Scores:
    """Scores of predictions (n,), of which each spectrum has one in each repeat."""
    scored = ClassScores if measured.dtype == object else ValueScores
    scores: Scores = scored.of(predicted, measured)
    return replace(scores, n=scores.n // repeats)


def fitted(
    found: CrossValidated, learning: Learning, members: int, log: TrainingLog | None = None
) -> tuple[TriedMethod, Any]:
    """Fit a method to all rows that learn, and score it.

    Parameters
    ----------
    members : networks of an ensemble, where it is a network.
    log : called after every epoch of a network.

    Returns
    -------
    The method with its scores, and the model: ``FittedMethod``, or the estimator of a network.
    """
    split = learning.split
    of_method = found.method in BASELINES
    if of_method:
        rows = learning.rows(split.learnt, split.validation)
        model: Any = fit_with(found.method, rows, learning.settings, found.settings)
        predicted, spread = model.predict(learning.table.spectra), None
    else:
        rows = learning.rows(split.train, split.validation)
        settings = replace(learning.settings, members=members)
        model = fit_network(found.method, rows, settings, log)
        predicted, spread = _predicted(model, learning)
    learning.fold_done()
    if learning.task == "regression":
        predicted = predicted.reshape(len(learning.table), -1)
        spread = np.zeros_like(predicted) if spread is None else spread.reshape(predicted.shape)
    else:
        predicted, spread = predicted.astype(object), np.empty(0)
    tried = TriedMethod(
        label(found.method, learning.task),
        found,
        predicted,
        spread,
        scores_by_target(predicted, learning, split.learnt),
        scores_by_target(predicted, learning, split.test),
        0 if of_method else members,
    )
    return tried, model


def _predicted(model: Any, learning: Learning) -> tuple[npt.NDArray[Any], Any]:
    if learning.task == "classification":
        return model.predict(learning.table.spectra), None
    values, spread = model.predict(learning.table.spectra, return_std=True)
    return values, spread


def scores_by_target(
    predicted: npt.NDArray[Any], learning: Learning, rows: _Mask
) -> Mapping[str, Scores]:
    """Score the predictions of all rows of the table where a mask (n,) says so."""
    columns = predicted[rows].reshape(int(rows.sum()), -1)
    measured = learning.target[rows].reshape(columns.shape)
    return {
        title: _score(columns[:, i], measured[:, i])
        for i, title in enumerate(learning.options.names)
    }
