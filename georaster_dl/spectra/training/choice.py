"""Choice among methods by cross-validation: the simplest within one standard error of the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.spectra.methods.baselines import Task
from georaster_dl.spectra.registry import AUTO, label, methods
from georaster_dl.spectra.scoring.folds import Fold
from georaster_dl.spectra.scoring.scores import macro_f1
from georaster_dl.spectra.training.result import Choice, CrossValidated

__all__ = ["Loss", "choose", "class_loss", "value_loss"]

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Loss:
    """Loss in cross-validation with its standard error."""

    mean: float
    error: float


def value_loss(predicted: _Floats, measured: _Floats, folds: Sequence[Sequence[Fold]]) -> Loss:
    """RMSECV, with a standard error whose units are the folds.

    The error is that of the mean squared error, sd(MSE of the folds) / sqrt(folds of a repeat), by 2 RMSECV
    (delta method). Repeats steady the standard deviation but are no further data, so they do not
    divide it.

    Parameters
    ----------
    predicted : (repeats, n) out of fold.
    measured : (n,), NaN where not known.
    folds : of each repeat, positions among the ``n``.
    """
    squares = (predicted - measured) ** 2
    loss = math.sqrt(np.nanmean(squares))
    of_folds = [
        float(np.nanmean(squares[repeat, rows]))
        for repeat, of_repeat in enumerate(folds)
        for _, rows in of_repeat
        if not np.isnan(squares[repeat, rows]).all()
    ]
    spread = _standard_error(of_folds, folds)
    return Loss(loss, spread / (2 * loss) if loss > 0 else 0.0)


def class_loss(
    predicted: npt.NDArray[Any], measured: npt.NDArray[Any], folds: Sequence[Sequence[Fold]]
) -> Loss:
    """1 less macro F1 of all predictions (repeats, n) out of fold, with the standard error of the folds'."""
    of_folds = [
        1 - float(macro_f1(predicted[repeat, rows], measured[rows]))
        for repeat, of_repeat in enumerate(folds)
        for _, rows in of_repeat
    ]
    score = macro_f1(predicted.ravel(), np.tile(measured, len(predicted)))
    return Loss(1 - float(score), _standard_error(of_folds, folds))


def _standard_error(of_folds: Sequence[float], folds: Sequence[Sequence[Fold]]) -> float:
    n_folds = np.mean([len(of_repeat) for of_repeat in folds])
    return float(np.std(of_folds, ddof=1) / math.sqrt(n_folds))


def choose(
    tried: Sequence[CrossValidated], asked: str | None, measure: str, task: Task = "regression"
) -> Choice:
    """Choose the simplest method whose loss is within one standard error of the least.

    The rule is that of Breiman et al. 1984 (3.4.3), the standard error being that of the least loss; from simple
    to complex: ``pls``, ``svm``, ``lwplsr``, ``rf``, ``pls-net``, then the other networks.

    Parameters
    ----------
    asked : name of the method that is kept whatever the rule says; None keeps the rule's.
    measure : name of the loss, for the reason; of classes that tells macro F1, as tables do.
    task : what is learnt.
    """
    words = _Words(measure, task)
    order = list(dict.fromkeys([*AUTO, *methods()]))
    simplest_first = sorted(tried, key=lambda one: order.index(one.method))
    least = min(simplest_first, key=lambda one: one.loss)
    by_rule = next(one for one in simplest_first if one.loss <= least.loss + least.standard_error)
    if asked is None:
        reason = _why(by_rule, least, simplest_first, words)
        return Choice(by_rule.method, by_rule.method, least.method, False, reason)
    kept = next(one for one in tried if one.method == asked)
    reason = _asked(kept, by_rule, least, simplest_first, words)
    return Choice(kept.method, by_rule.method, least.method, True, reason)


@dataclass(frozen=True)
class _Words:
    """Words for losses: of classes a method has the higher macro F1, not the lower loss."""

    loss: str
    task: Task

    @property
    def measure(self) -> str:
        return self.loss if self.task == "regression" else "macro F1"

    @property
    def best(self) -> str:
        return "least" if self.task == "regression" else "highest"

    @property
    def better(self) -> str:
        return "lower" if self.task == "regression" else "higher"

    def name(self, one: CrossValidated) -> str:
        return label(one.method, self.task)

    def figure(self, one: CrossValidated) -> str:
        return f"{one.loss if self.task == 'regression' else 1 - one.loss:.3g}"


def _why(
    kept: CrossValidated, least: CrossValidated, tried: Sequence[CrossValidated], words: _Words
) -> str:
    begin = f"{words.name(kept)} is kept: its {words.measure}, {words.figure(kept)}"
    if kept is not least:
        return (
            f"{begin}, is within one standard error ({least.standard_error:.2g}) of the {words.best}, "
            f"{words.figure(least)} of {words.name(least)}, and it is the simplest that is"
        )
    return f"{begin} ± {kept.standard_error:.2g}, is the {words.best}{_next(kept, tried, words)}"


def _next(kept: CrossValidated, tried: Sequence[CrossValidated], words: _Words) -> str:
    others = [one for one in tried if one is not kept]
    if not others:
        return ""
    second = min(others, key=lambda one: one.loss)
    return f"; the next is {words.figure(second)} of {words.name(second)}"


def _asked(
    kept: CrossValidated,
    by_rule: CrossValidated,
    least: CrossValidated,
    tried: Sequence[CrossValidated],
    words: _Words,
) -> str:
    name, figure = words.name(kept), words.figure(kept)
    if kept is by_rule:
        others = _next(kept, tried, words)
        return f"{name} was asked for; its {words.measure} is {figure} ± {kept.standard_error:.2g}{others}"
    better, figure_of = words.name(by_rule), words.figure(by_rule)
    fact = f"has the {words.better} {words.measure}, {figure_of} against {figure}"
    if by_rule.loss >= kept.loss:
        fact = (
            f"is simpler, with a {words.measure} of {figure_of} within one standard error ({least.standard_error:.2g}) of "
            f"{figure}"
        )
    return f"{name} was asked for, but in cross-validation {better} {fact}"
