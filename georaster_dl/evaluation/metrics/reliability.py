"""Reliability of probabilities: calibration errors, Brier score and cross-entropy, by blocks.

Sources: Guo et al. 2017 (equal bins); Nixon et al. 2019, "Measuring Calibration in Deep Learning"
(bins of as many pixels each).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.evaluation.metrics.bootstrap import block_draws, percentiles

__all__ = ["BINS", "Reliability", "Score", "mean_score", "measure_reliability"]

BINS = 15

_Doubles = npt.NDArray[np.float64]
_Labels = npt.NDArray[np.integer]
_LEAST = 1e-12  # probability that the cross-entropy takes of a class that was ruled out
_BRIER, _NLL, _FIRST_BIN = 0, 1, 2


@dataclass(frozen=True)
class Score:
    """A score and the ends of its 95 % interval; NaN where there are too few blocks for one."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Reliability:
    """How well probabilities are meant.

    Attributes
    ----------
    ece : expected calibration error, 0..1: mean gap between confidence and accuracy over 15 bins of equal width.
    adaptive_ece : the same over 15 bins of equally many pixels.
    brier : mean squared distance of the probabilities from those of the true class, 0..2.
    nll : mean cross-entropy, negative log-likelihood, in nats.
    accuracy : share of pixels whose most probable class is the true one.
    bins : (15, 3) pixels, mean confidence and accuracy of each equal bin; NaN where there are no pixels.
    pixels, blocks : that were measured.
    """

    ece: Score
    adaptive_ece: Score
    brier: Score
    nll: Score
    accuracy: Score
    bins: _Doubles
    pixels: int
    blocks: int


def measure_reliability(
    probabilities: npt.NDArray[np.floating],
    target: _Labels,
    block: _Labels | None = None,
    *,
    replicates: int = 1000,
    seed: int = 0,
) -> Reliability:
    """Measure how well probabilities are meant, with intervals from resampling blocks.

    Parameters
    ----------
    probabilities : (n, classes), n at least 1.
    target : (n,) class index of each pixel.
    block : (n,) number of the block, or place, that each lies in; None is one, without intervals.
    replicates, seed : of the resampling.
    """
    n = len(target)
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = (probabilities.argmax(axis=1) == target).astype(np.float64)
    of_true = probabilities[np.arange(n), target].astype(np.float64)
    brier = (probabilities.astype(np.float64) ** 2).sum(axis=1) - 2 * of_true + 1
    number = np.zeros(n, np.int64) if block is None else np.unique(block, return_inverse=True)[1]
    blocks = int(number.max()) + 1

    def binned(place: _Labels) -> _Doubles:
        """Sum pixels, confidence and hits by bin, (blocks, 3 bins)."""
        cell, size = number * BINS + place, blocks * BINS
        sums = [np.bincount(cell, w, size) for w in (np.ones(n), confidence, right)]
        return np.concatenate([each.reshape(blocks, BINS) for each in sums], axis=1)

    equal = np.minimum((confidence * BINS).astype(int), BINS - 1)
    plain = [np.bincount(number, w) for w in (brier, -np.log(of_true.clip(_LEAST)))]
    sums = np.concatenate(
        [np.stack(plain, axis=1), binned(equal), binned(_equal_counts(confidence))], axis=1
    )
    draws = block_draws(blocks, replicates, seed) @ sums
    first = slice(_FIRST_BIN, _FIRST_BIN + 3 * BINS)
    second = slice(first.stop, None)

    def score(of: Callable[[_Doubles], _Doubles]) -> Score:
        low, high = percentiles(of(draws))
        return Score(float(of(sums.sum(axis=0)[None])[0]), float(low), float(high))

    pixels, *means = sums.sum(axis=0)[first].reshape(3, BINS)
    with np.errstate(invalid="ignore", divide="ignore"):
        shown = np.stack([pixels, *(np.where(pixels > 0, m / pixels, np.nan) for m in means)], 1)
    return Reliability(
        ece=score(lambda of: _gap(of[:, first])),
        adaptive_ece=score(lambda of: _gap(of[:, second])),
        brier=score(lambda of: of[:, _BRIER] / _pixels(of[:, first])),
        nll=score(lambda of: of[:, _NLL] / _pixels(of[:, first])),
        accuracy=score(lambda of: of[:, first][:, 2 * BINS :].sum(axis=1) / _pixels(of[:, first])),
        bins=shown,
        pixels=n,
        blocks=blocks,
    )


def mean_score(
    values: npt.NDArray[Any], block: _Labels, *, replicates: int = 1000, seed: int = 0
) -> Score:
    """Average values, with an interval from resampling blocks.

    Parameters
    ----------
    values, block : (n,) of each pixel.
    replicates, seed : of the resampling.
    """
    number = np.unique(block, return_inverse=True)[1]
    sums = np.stack([np.bincount(number, values), np.bincount(number)], axis=1)
    totals = block_draws(len(sums), replicates, seed) @ sums
    low, high = percentiles(totals[:, 0] / totals[:, 1])
    return Score(float(np.mean(values)), float(low), float(high))


def _equal_counts(confidence: _Doubles) -> npt.NDArray[np.int64]:
    """Bin (n,) of each pixel, the bins of as many pixels each; equal confidences share one."""
    ordered = np.sort(confidence)
    edges = ordered[np.arange(1, BINS) * len(ordered) // BINS]
    return np.searchsorted(edges, confidence, side="right")


def _pixels(bins: _Doubles) -> _Doubles:
    total: _Doubles = bins[:, :BINS].sum(axis=1)
    return total


def _gap(bins: _Doubles) -> _Doubles:
    """Compute the calibration error of sums (draws, 3 bins) of pixels, confidence and hits."""
    gaps: _Doubles = np.abs(bins[:, BINS : 2 * BINS] - bins[:, 2 * BINS :]).sum(axis=1)
    return gaps / _pixels(bins)
