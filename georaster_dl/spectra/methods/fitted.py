"""Methods of chemometrics fitted to a table: one estimator for each value, or one for the classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.spectra.descent import Descent, with_simulated
from georaster_dl.spectra.methods.baselines import Task, baseline
from georaster_dl.spectra.preprocess.chain import Preprocessing
from georaster_dl.spectra.scoring.folds import cross_validation

__all__ = ["FittedMethod", "as_fractions", "class_scores", "sharpness_of"]

_Floats = npt.NDArray[np.float64]

_FOLDS = 5  # out of which the sharpness of classes is fitted
_LEAST_SHARE = 1e-6  # of a forest's trees, whose logarithm is finite


@dataclass(frozen=True, eq=False)
class FittedMethod:
    """A method of chemometrics with all that its package holds.

    Attributes
    ----------
    method : name of ``baselines.BASELINES``.
    wavelengths_nm : (bands,).
    preprocessing : fitted.
    estimators : fitted on preprocessed spectra: one for each target, or one for the classes.
    settings : of each estimator.
    mean, std : (bands,) of the preprocessed training spectra.
    target_mean, target_std : (targets,) of the known training values; empty for classes.
    classes : (classes,) names; None for values.
    sharpness : factor of ``class_scores`` before they become probabilities.
    fractions : whether the targets are fractions, onto which predictions are projected.
    """

    method: str
    task: Task
    wavelengths_nm: tuple[float, ...] = field(repr=False)
    preprocessing: Preprocessing = field(repr=False)
    estimators: tuple[Any, ...] = field(repr=False)
    settings: tuple[Mapping[str, Any], ...]
    mean: _Floats = field(repr=False)
    std: _Floats = field(repr=False)
    target_mean: _Floats = field(repr=False)
    target_std: _Floats = field(repr=False)
    classes: npt.NDArray[Any] | None = field(default=None, repr=False)
    sharpness: float = 1.0
    fractions: bool = False

    @classmethod
    def fit(  # noqa: PLR0913 - data, settings and all that a fit is made with
        cls,
        method: str,
        spectra: _Floats,
        target: npt.NDArray[Any],
        wavelengths_nm: Sequence[float],
        settings: Sequence[Mapping[str, Any]],
        *,
        preprocessing: str = "none",
        groups: npt.NDArray[np.object_] | None = None,
        seed: int = 0,
        descent: Descent | None = None,
        fractions: bool = False,
    ) -> FittedMethod:
        """Fit a method with settings that are known, as those that ``tune`` chose.

        Parameters
        ----------
        method : name of ``baselines.BASELINES``.
        spectra : (n, bands) of the training rows.
        target : (n,) or (n, targets) values, NaN where not known; or (n,) class names, all known.
        settings : of ``baselines.baseline``, for each target or for the classes.
        preprocessing : steps of ``Preprocessing``.
        groups : (n,) sample of each spectrum, from which ``epo`` learns; no fold that the sharpness of classes is
            fitted out of divides one.
        seed : of folds and forest.
        descent : of the last rows, simulated spectra by which the sharpness of classes is not judged; None without any.
        fractions : whether the targets are fractions of a whole, which sum to 1.

        Raises
        ------
        OptionError
            When there is no such method, there are not as many settings as targets, or too few
            spectra have a known value.
        """
        task: Task = "classification" if target.dtype.kind in "OUS" else "regression"
        columns = target.astype(str)[:, None] if task == "classification" else _columns(target)
        if len(settings) != columns.shape[1]:
            raise OptionError(
                f"Each of {counted(columns.shape[1], 'target')} needs settings of its own, but got {len(settings)}."
            )
        chain = Preprocessing(preprocessing).fit(spectra, groups=groups)
        treated = chain.transform(spectra)
        spread = treated.std(axis=0)
        fitted = cls(
            method,
            task,
            tuple(float(nm) for nm in wavelengths_nm),
            chain,
            tuple(
                _fitted(baseline(method, task, chosen, seed), treated, column)
                for chosen, column in zip(settings, columns.T, strict=True)
            ),
            tuple(settings),
            treated.mean(axis=0),
            np.where(spread > 0, spread, 1.0),
            *_moments(columns if task == "regression" else np.empty((1, 0)), fractions=fractions),
            fractions=fractions,
        )
        if task == "regression":
            return fitted
        return replace(
            fitted,
            classes=fitted.estimators[0].classes_.astype(object),
            sharpness=_sharpness(
                method, treated, columns[:, 0], settings[0], groups, seed, descent
            ),
        )

    def predict(self, spectra: _Floats) -> npt.NDArray[Any]:
        """Predict (n, targets) values or (n,) classes of spectra (n, bands)."""
        treated = self.preprocessing.transform(spectra)
        predicted = [np.asarray(estimator.predict(treated)) for estimator in self.estimators]
        if self.task == "classification":
            return predicted[0]
        columns = np.stack([values.reshape(len(treated)) for values in predicted], axis=1)
        return as_fractions(columns) if self.fractions else columns

    def predict_proba(self, spectra: _Floats) -> _Floats:
        """Predict (n, classes) probabilities of spectra (n, bands)."""
        scores = class_scores(self.estimators[0], self.preprocessing.transform(spectra))
        return np.asarray(softmax(self.sharpness * scores, axis=1))


def class_scores(classifier: Any, spectra: _Floats) -> _Floats:
    """(n, classes) scores of preprocessed spectra (n, bands), of which the highest is the class.

    Indicators of PLS-DA, decision values of a support vector machine, logarithms of a forest's mean vote.
    """
    if hasattr(classifier, "indicators"):
        return np.asarray(classifier.indicators(spectra))
    if hasattr(classifier, "decision_function"):
        decided = np.asarray(classifier.decision_function(spectra))
        return np.stack([-decided / 2, decided / 2], axis=1) if decided.ndim == 1 else decided
    return np.asarray(np.log(np.maximum(classifier.predict_proba(spectra), _LEAST_SHARE)))


def _columns(target: npt.NDArray[Any]) -> _Floats:
    return target.astype(np.float64).reshape(len(target), -1)


def as_fractions(values: _Floats) -> _Floats:
    """Project values (..., targets) onto fractions of sum 1; NaN stays."""
    import torch

    from georaster_dl.models.zoo.heads.simplex import onto_simplex

    known = ~np.isnan(values).any(axis=-1)
    whole = np.full(values.shape, np.nan)
    whole[known] = onto_simplex(torch.from_numpy(values[known]), -1).numpy()
    return whole


def _moments(columns: _Floats, *, fractions: bool) -> tuple[_Floats, _Floats]:
    """Mean and standard deviation (targets,) of the known values; 0 and 1 of fractions."""
    if fractions:
        return np.zeros(columns.shape[1]), np.ones(columns.shape[1])
    spread = np.nanstd(columns, axis=0)
    return np.nanmean(columns, axis=0), np.where(spread > 0, spread, 1.0)


def _fitted(estimator: Any, spectra: _Floats, column: npt.NDArray[Any]) -> Any:
    known = ~pd.isna(column)
    if known.sum() < 2:
        raise OptionError(
            f"{counted(int(known.sum()), 'training spectrum')} with a known value are too few to learn from; "
            f"check the target and the split."
        )
    return estimator.fit(spectra[known], column[known])


def _sharpness(
    method: str,
    spectra: _Floats,
    names: npt.NDArray[Any],
    settings: Mapping[str, Any],
    groups: npt.NDArray[np.object_] | None,
    seed: int,
    descent: Descent | None,
) -> float:
    """Factor of the scores that makes out-of-fold probabilities likeliest (Platt scaling by one number).

    The last rows, which were simulated, are held out of no fold. 1 where a fold leaves a class out.
    """
    classes, numbers = np.unique(names, return_inverse=True)
    n = len(names) - (0 if descent is None else len(descent))
    folds = cross_validation(
        n,
        _FOLDS,
        groups=None if groups is None else groups[:n],
        classes=names[:n].astype(object),
        seed=seed,
    )
    scores = np.empty((n, len(classes)))
    for measured, rest in folds:
        learnt = with_simulated(measured, rest, n, descent)
        if len(set(names[learnt])) < len(classes):
            return 1.0
        model = baseline(method, "classification", settings, seed)
        scores[rest] = class_scores(model.fit(spectra[learnt], names[learnt]), spectra[rest])

    return sharpness_of(scores, numbers[:n])


def sharpness_of(scores: _Floats, numbers: npt.NDArray[Any]) -> float:
    """Factor of scores (n, classes) that makes the probabilities of the class numbers (n,) likeliest."""

    def surprise(log_factor: float) -> float:
        logs = log_softmax(np.exp(log_factor) * scores, axis=1)
        return -float(logs[np.arange(len(numbers)), numbers].mean())

    found = minimize_scalar(surprise, bounds=(np.log(0.05), np.log(50)), method="bounded")
    return float(np.exp(found.x))
