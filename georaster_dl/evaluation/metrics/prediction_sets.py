"""Prediction sets of classes by split conformal prediction.

Source: Vovk, Gammerman and Shafer 2005, "Algorithmic Learning in a Random World"; the score is that of
Sadinle, Lei and Wasserman 2019, "Least Ambiguous Set-Valued Classifiers With Bounded Error Levels".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georaster_dl.evaluation.metrics.reliability import Score, mean_score
from georaster_dl.models.package.calibration import QUANTILES

__all__ = [
    "SetCoverage",
    "confidence_quantiles",
    "prediction_sets",
    "score_quantiles",
    "set_coverage",
]

_Doubles = npt.NDArray[np.float64]
_Labels = npt.NDArray[np.integer]
_Sets = npt.NDArray[np.bool_]
_DIGITS = 1e6


@dataclass(frozen=True, eq=False)
class SetCoverage:
    """How often sets hold the true class.

    Attributes
    ----------
    covered : share of the pixels whose set holds their class, 0..1, with its interval from resampling places.
    size : mean number of classes in a set.
    places : (places,) share within each place, in the order of their numbers.
    """

    covered: Score
    size: float
    places: _Doubles


def score_quantiles(probabilities: _Doubles, target: _Labels) -> tuple[float, ...]:
    """Quantiles of the score, 1 - probability of the true class, that sets of each level admit.

    Entry i of the 201 is for the level i / 200: the k-th smallest of the n scores with
    k = ceil((n + 1) i / 200), rounded up; 1, which admits every class, where k is above n.

    Parameters
    ----------
    probabilities : (n, classes) of calibration pixels.
    target : (n,) class index of each.
    """
    scores = np.sort(1 - _of_true(probabilities, target))
    n, last = len(scores), QUANTILES - 1
    # In whole numbers: (n + 1) * 0.9 in floating point may lie above the number that it is.
    ranks = -(-(n + 1) * np.arange(QUANTILES) // last)
    taken = np.where(ranks > n, 1.0, scores[np.clip(ranks, 1, n) - 1])
    return tuple((np.ceil(taken.clip(0, 1) * _DIGITS) / _DIGITS).tolist())


def confidence_quantiles(probabilities: _Doubles) -> tuple[float, ...]:
    """Quantiles of the largest probability of pixels (n, classes), 201 from the least to the largest.

    At least a share 1 - i / 200 of the pixels has the value of entry i or more.
    """
    confidence = np.sort(probabilities.max(axis=1))
    ranks = np.arange(QUANTILES) * len(confidence) // (QUANTILES - 1)
    taken = confidence[np.minimum(ranks, len(confidence) - 1)]
    return tuple((np.floor(taken.clip(0, 1) * _DIGITS) / _DIGITS).tolist())


def prediction_sets(probabilities: _Doubles, largest_score: float) -> _Sets:
    """Classes (n, classes) that a pixel may be: those whose score is small enough, and the mapped one."""
    sets: _Sets = 1 - probabilities <= largest_score
    sets[np.arange(len(sets)), probabilities.argmax(axis=1)] = True
    return sets


def set_coverage(sets: _Sets, target: _Labels, place: _Labels) -> SetCoverage:
    """Measure how often sets hold the true class, by places.

    Parameters
    ----------
    sets : (n, classes).
    target : (n,) class index of each pixel.
    place : (n,) number of the block or scene that it lies in.
    """
    covered = sets[np.arange(len(sets)), target]
    _, number = np.unique(place, return_inverse=True)
    places = np.bincount(number, covered) / np.bincount(number)
    return SetCoverage(mean_score(covered, place), float(sets.sum(axis=1).mean()), places)


def _of_true(probabilities: _Doubles, target: _Labels) -> _Doubles:
    return probabilities[np.arange(len(target)), target]
