"""Settings of the methods of chemometrics, chosen by cross-validation on the training spectra."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.spectra.descent import Descent, with_simulated
from georaster_dl.spectra.methods.baselines import (
    UNSEARCHED,
    Latent,
    Settings,
    Task,
    baseline,
    settings_grid,
)
from georaster_dl.spectra.preprocess.chain import Preprocessing
from georaster_dl.spectra.scoring.folds import Fold, cross_validation
from georaster_dl.spectra.scoring.scores import macro_f1

__all__ = ["Trials", "Tuned", "choose_settings", "try_settings", "tune"]

_Names = npt.NDArray[np.object_]

_FOLDS = {"pls": 10}
_FOLDS_OF_OTHERS = 5
_SEARCHED = Latent()


@dataclass(frozen=True, eq=False)
class Trials:
    """Predictions of the training spectra by folds without them, for all settings that were tried.

    Attributes
    ----------
    settings : of ``baselines.baseline``, the stiffer first.
    predicted : (settings, repeats, n) values or class names.
    target : (n,) measured.
    folds : of each repeat.
    allowed : (settings,) those that may be chosen.
    """

    settings: tuple[Mapping[str, Any], ...]
    predicted: npt.NDArray[Any] = field(repr=False)
    target: npt.NDArray[Any] = field(repr=False)
    folds: Sequence[Sequence[Fold]] = field(repr=False)
    allowed: npt.NDArray[np.bool_] = field(repr=False)

    @property
    def losses(self) -> npt.NDArray[np.float64]:
        """(settings,) RMSE of values, or 1 less macro F1 of classes, over all spectra and repeats."""
        return _losses(self.predicted, self.target)

    @property
    def chosen(self) -> int:
        """Position of the settings of the least loss; the first of equals, which is the stiffest."""
        return self._best(self.losses)

    def out_of_fold(self) -> npt.NDArray[Any]:
        """(repeats, n) predictions, each by the settings that are best on the other folds.

        So no spectrum takes part in the choice of the settings that it is measured by, which the least
        loss of all settings is too good for (Varma & Simon 2006), at the cost of one cross-validation
        (after Tsamardinos et al. 2018, with folds where they take bootstrap samples).
        """
        found: npt.NDArray[Any] = np.empty_like(self.predicted[0])
        for repeat, folds in enumerate(self.folds):
            for learnt, measured in folds:
                losses = _losses(self.predicted[:, :, learnt], self.target[learnt])
                found[repeat, measured] = self.predicted[self._best(losses), repeat, measured]
        return found

    def _best(self, losses: npt.NDArray[np.float64]) -> int:
        return int(np.where(self.allowed, losses, np.inf).argmin())


@dataclass(frozen=True, eq=False)
class Tuned:
    """A method of chemometrics with the settings that cross-validation chose.

    Attributes
    ----------
    name : of ``baselines.BASELINES``.
    task : ``regression`` or ``classification``.
    settings : of ``baselines.baseline``.
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
    """Choose a method's settings by cross-validation on training spectra, and fit it to them all.

    Parameters
    ----------
    name : ``pls``, ``lwplsr``, ``svm`` or ``rf``.
    task : ``regression`` or ``classification``.
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

    trials = choose_settings(
        name, task, spectra, target, preprocessing=preprocessing, groups=groups, seed=seed
    )
    known = ~pd.isna(target)
    wanted = _named(task, target[known])
    tried: tuple[tuple[Mapping[str, Any], float], ...] = ()
    settings: Mapping[str, Any] = {}
    if trials is not None:
        scores = trials.losses if task == "regression" else 1 - trials.losses
        tried = tuple(zip(trials.settings, scores.tolist(), strict=True))
        settings = trials.settings[trials.chosen]
    pipeline = make_pipeline(Preprocessing(preprocessing), baseline(name, task, settings, seed))
    samples = None if groups is None else groups[known]
    return Tuned(
        name,
        task,
        settings,
        None if trials is None else tried[trials.chosen][1],
        pipeline.fit(spectra[known], wanted, preprocessing__groups=samples),
        tried,
    )


def choose_settings(  # noqa: PLR0913 - data and all that a fold is fitted with
    name: str,
    task: Task,
    spectra: npt.NDArray[np.floating[Any]],
    target: npt.NDArray[Any],
    *,
    preprocessing: str = "none",
    groups: _Names | None = None,
    seed: int = 0,
    latent: Latent = _SEARCHED,
    descent: Descent | None = None,
) -> Trials | None:
    """Try a method's settings in random folds: 10 of ``pls``, 5 of others; parameters and errors as of ``tune``.

    Parameters
    ----------
    latent : as in ``try_settings``.
    descent : of the last rows, simulated spectra, which are never predicted, and learnt from in the folds that none of their
        parents is held out of; None without any.

    Returns
    -------
    None for a method whose settings are never searched.
    """
    known = ~pd.isna(target)
    wanted = _named(task, target[known])
    _check_varied(wanted)
    if name in UNSEARCHED:
        return None
    samples = None if groups is None else groups[known]
    first = len(known) - (0 if descent is None else len(descent))
    own = slice(0, int(known[:first].sum()))
    if descent is not None:
        descent = descent.among(known[:first], known[first:])
    folds = cross_validation(
        own.stop,
        _FOLDS.get(name, _FOLDS_OF_OTHERS),
        groups=None if samples is None else samples[own],
        classes=wanted[own].astype(object) if task == "classification" else None,
        seed=seed,
    )
    return try_settings(
        name, spectra[known], wanted, [folds],
        preprocessing=preprocessing, groups=samples, seed=seed, latent=latent, descent=descent,
    )  # fmt: skip


def try_settings(  # noqa: PLR0913 - data, folds and all that a fold is fitted with
    name: str,
    spectra: npt.NDArray[np.floating[Any]],
    target: npt.NDArray[Any],
    folds: Sequence[Sequence[Fold]],
    *,
    preprocessing: str = "none",
    groups: _Names | None = None,
    seed: int = 0,
    latent: Latent = _SEARCHED,
    descent: Descent | None = None,
    fold_done: Callable[[], None] = lambda: None,
) -> Trials:
    """Predict training spectra with all settings of a method, by folds without them.

    Parameters
    ----------
    name, preprocessing, seed : as in ``tune``.
    spectra : (n, bands).
    target : (n,) values or class names, all known.
    folds : of each repeat.
    groups : (n,) sample of each spectrum, from which the preprocessing of a fold may learn.
    latent : settings that are not searched; a number of components is taken whatever its loss, and the others are tried all the
        same.
    descent : as in ``choose_settings``; folds are of the other rows.
    fold_done : called after each fold.

    Raises
    ------
    OptionError
        When a fold leaves a single class or value to learn from, or has not as many latent variables.
    """
    task: Task = "regression" if target.dtype.kind == "f" else "classification"
    target = _named(task, target)
    n = len(target) - (0 if descent is None else len(descent))
    learning = [
        [(with_simulated(learnt, measured, n, descent), measured) for learnt, measured in of_repeat]
        for of_repeat in folds
    ]
    for learnt, _ in (fold for of_repeat in learning for fold in of_repeat):
        _check_fold(target[learnt], task)
    smallest = min(len(learnt) for of_repeat in learning for learnt, _ in of_repeat)
    grid = settings_grid(name, smallest, spectra.shape[1], latent)
    make = partial(baseline, name, task, seed=seed)
    repeats = [
        _out_of_fold(make, grid, of_repeat, spectra, target, preprocessing, groups, fold_done)
        for of_repeat in learning
    ]
    settings, columns = [], []
    for i, entry in enumerate(grid):
        of_entry = np.stack([repeat[i] for repeat in repeats], axis=1)[:, :, :n]
        for chosen, column in _by_components(entry, of_entry):
            settings.append(chosen)
            columns.append(column)
    wanted = [latent.components in (None, entry.get("n_components")) for entry in settings]
    own = target[:n]
    return Trials(tuple(settings), np.stack(columns), own, folds, np.array(wanted))


def _named(task: Task, target: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return target.astype(str) if task == "classification" else target


def _check_varied(target: npt.NDArray[Any]) -> None:
    different = len(np.unique(target))
    if different < 2:
        raise OptionError(
            f"{counted(len(target), 'training spectrum')} with {counted(different, 'different value')} are too few to "
            f"learn from; check the target and the split."
        )


def _check_fold(target: npt.NDArray[Any], task: Task) -> None:
    if task == "classification" and len(set(target)) < 2:
        raise OptionError(
            "Cross-validation leaves a single class to learn from: each class needs spectra of two samples or "
            "more; check the columns of classes and groups."
        )


def _out_of_fold(
    make: Callable[[Settings], Any],
    grid: list[Settings],
    folds: Sequence[Fold],
    spectra: npt.NDArray[Any],
    target: npt.NDArray[Any],
    preprocessing: str,
    groups: _Names | None,
    fold_done: Callable[[], None],
) -> list[npt.NDArray[Any]]:
    """For each settings (components or 1, n) predictions of every spectrum by folds without it."""
    predicted: list[npt.NDArray[Any]] = []
    for learnt, measured in folds:
        samples = None if groups is None else groups[learnt]
        treat = Preprocessing(preprocessing).fit(spectra[learnt], groups=samples)
        train, rest = treat.transform(spectra[learnt]), treat.transform(spectra[measured])
        for i, settings in enumerate(grid):
            model = make(settings).fit(train, target[learnt])
            columns = _columns(model, rest)
            if len(predicted) <= i:
                predicted.append(np.empty((len(columns), len(target)), target.dtype))
            predicted[i][:, measured] = columns
        fold_done()
    return predicted


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


def _losses(predicted: npt.NDArray[Any], target: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """(settings,) losses of predictions (settings, repeats, n)."""
    if target.dtype.kind == "f":
        return np.asarray(np.sqrt(((predicted - target) ** 2).mean(axis=(1, 2))))
    settings, repeats, n = predicted.shape
    return 1 - macro_f1(predicted.reshape(settings, repeats * n), np.tile(target, repeats))
