"""How good predictions of laboratory values and classes are."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.evaluation.metrics.confusion import Confusion
from georaster_dl.evaluation.metrics.regression import RegressionScores

__all__ = ["ClassScores", "ValueScores", "macro_f1"]

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ValueScores:
    """Errors of predicted values in the terms of chemometrics; NaN where they have no meaning.

    Attributes
    ----------
    n : spectra with a known value.
    rmsep : root mean square error of prediction, in the value's unit.
    sep : standard error of prediction: standard deviation of the errors about their bias.
    bias : mean of predicted minus reference.
    r2 : 1 - SSE / SST; that of always predicting the mean is 0.
    rpd : standard deviation of the reference by SEP (Williams 2014).
    mae : mean absolute error.
    rpiq : interquartile range of the reference by SEP (Bellon-Maurel et al. 2010), for values that
        are not spread normally.
    """

    n: int
    rmsep: float
    sep: float
    bias: float
    r2: float
    rpd: float
    rpiq: float
    mae: float

    @classmethod
    def of(cls, predicted: _Floats, reference: _Floats) -> ValueScores:
        """Score the pairs (n,) of which both are known.

        Raises
        ------
        OptionError
            When the shapes differ.
        """
        moments = RegressionScores.of(predicted, reference)
        n = moments.n
        sep = math.sqrt(moments.error_squares / (n - 1)) if n > 1 else math.nan
        spread = math.sqrt(moments.squares / (n - 1)) if n > 1 else math.nan
        known = reference[np.isfinite(predicted) & np.isfinite(reference)]
        low, high = np.quantile(known, (0.25, 0.75)) if n else (math.nan, math.nan)
        return cls(
            n,
            moments.rmse,
            sep,
            moments.bias,
            moments.r2,
            _by(spread, sep),
            _by(float(high - low), sep),
            moments.mae,
        )


@dataclass(frozen=True)
class ClassScores:
    """Agreement of predicted classes with the reference.

    Attributes
    ----------
    n : spectra with a known class.
    accuracy : share that agrees.
    balanced_accuracy : mean of the producer's accuracies (recalls) of the classes of the reference.
    macro_f1 : mean F1 of the classes that the reference has.
    confusion : the counts.
    """

    n: int
    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    confusion: Confusion = field(repr=False)

    @classmethod
    def of(
        cls, predicted: npt.NDArray[np.object_], reference: npt.NDArray[np.object_]
    ) -> ClassScores:
        """Score class names (n,); None where unknown.

        Raises
        ------
        OptionError
            When the shapes differ.
        """
        names = tuple(sorted({str(c) for c in (*predicted, *reference) if c is not None}))
        number = {name: i for i, name in enumerate(names)}
        indexes = [
            np.array([-1 if c is None else number[str(c)] for c in side], np.intp)
            for side in (predicted, reference)
        ]
        counted = Confusion.of(indexes[0], indexes[1], names)
        recalls = counted.producers[counted.referenced > 0]
        balanced = float(recalls.mean()) if recalls.size else math.nan
        return cls(counted.total, counted.overall_accuracy, balanced, counted.macro_f1, counted)


def macro_f1(predicted: npt.NDArray[Any], reference: npt.NDArray[Any]) -> _Floats:
    """Compute the mean F1 of the classes of a reference (n,) for predictions (..., n); returns (...)."""
    scores = []
    for name in np.unique(reference.astype(str)):
        said, true = predicted == name, reference == name
        scores.append(2 * (said & true).sum(axis=-1) / (said.sum(axis=-1) + true.sum()))
    return np.asarray(np.mean(scores, axis=0))


def _by(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan
