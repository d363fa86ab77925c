"""Choice among methods by cross-validation: the simplest within one standard error of the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.spectra.registry import AUTO, methods
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


def choose(tried: Sequence[CrossValidated], asked: str | None, measure: str) -> Choice:
    """Choose the simplest method whose loss is within one standard error of the least.

    The rule is that of Breiman et al. 1984 (3.4.3), the standard error being that of the least loss; from simple
    to complex: ``pls``, ``svm``, ``lwplsr``, ``rf``, ``pls-net``, then the other networks.

    Parameters
    ----------
    asked : name of the method that is kept whatever the rule says; None keeps the rule's.
    measure : name of the loss, for the reason.
    """
    order = list(dict.fromkeys([*AUTO, *methods()]))
    simplest_first = sorted(tried, key=lambda one: order.index(one.method))
    least = min(simplest_first, key=lambda one: one.loss)
    by_rule = next(one for one in simplest_first if one.loss <= least.loss + least.standard_error)
    if asked is None:
        reason = _why(by_rule, least, simplest_first, measure)
        return Choice(by_rule.method, by_rule.method, least.method, False, reason)
    kept = next(one for one in tried if one.method == asked)
    reason = _asked(kept, by_rule, least, measure)
    return Choice(kept.method, by_rule.method, least.method, True, reason)


def _why(
    kept: CrossValidated, least: CrossValidated, tried: Sequence[CrossValidated], measure: str
) -> str:
    if kept is not least:
        return (
            f"{kept.method} is kept: its {measure}, {kept.loss:.3g}, is within one standard error "
            f"({least.standard_error:.2g}) of the least, {least.loss:.3g} of {least.method}, and it is the simplest that is"
        )
    second = min((one for one in tried if one is not kept), key=lambda one: one.loss)
    return (
        f"{kept.method} is kept: its {measure}, {kept.loss:.3g} ± {kept.standard_error:.2g}, is the least; the next is "
        f"{second.loss:.3g} of {second.method}"
    )


def _asked(
    kept: CrossValidated, by_rule: CrossValidated, least: CrossValidated, measure: str
) -> str:
    if kept is by_rule:
        return f"{kept.method} was asked for"
    fact = f"has the lower {measure}, {by_rule.loss:.3g} against {kept.loss:.3g}"
    if by_rule.loss >= kept.loss:
        fact = (
            f"is simpler, with a {measure} of {by_rule.loss:.3g} within one standard error ({least.standard_error:.2g}) of "
            f"{kept.loss:.3g}"
        )
    return f"{kept.method} was asked for, but in cross-validation {by_rule.method} {fact}"
