"""Calibration errors, Brier score and cross-entropy against worked examples and scikit-learn."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from georaster_dl.evaluation.metrics.reliability import BINS, mean_score, measure_reliability


@pytest.fixture
def sample():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.full(3, 0.7), 3000)
    target = (rng.random((3000, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    return probabilities, target, rng.integers(0, 20, 3000)


def test_certain_and_right_is_reliable():
    certain = np.eye(3)
    right = measure_reliability(certain, np.array([0, 1, 2]))
    wrong = measure_reliability(certain, np.array([1, 2, 0]))
    assert (right.ece.value, right.adaptive_ece.value, right.brier.value) == (0, 0, 0)
    assert (wrong.ece.value, wrong.adaptive_ece.value, wrong.brier.value) == (1, 1, 2)
    assert right.nll.value == 0 < wrong.nll.value < np.inf


def test_a_worked_example():
    """Two pixels at 0.73, of which one is right: a gap of 0.23; two at 0.9, both right: one of 0.1."""
    p = np.array([[0.73, 0.27], [0.73, 0.27], [0.9, 0.1], [0.1, 0.9]])
    found = measure_reliability(p, np.array([0, 1, 0, 1]))
    assert found.ece.value == pytest.approx((2 * 0.23 + 2 * 0.1) / 4)
    assert found.brier.value == pytest.approx((2 * 0.27**2 + 2 * 0.73**2 + 4 * 0.1**2) / 4)
    assert found.accuracy.value == 0.75
    assert np.isnan(found.ece.low)


def test_scores_are_those_of_scikit_learn(sample):
    p, target, block = sample
    found = measure_reliability(p, target, block)
    assert found.nll.value == pytest.approx(log_loss(target, p))
    by_class = [brier_score_loss(target == c, p[:, c]) for c in range(3)]
    assert found.brier.value == pytest.approx(sum(by_class))
    right, confidence = calibration_curve(p.argmax(1) == target, p.max(1), n_bins=BINS)
    filled = found.bins[found.bins[:, 0] > 0]
    assert np.allclose(filled[:, 1:], np.stack([confidence, right], 1))
    weights = filled[:, 0] / len(target)
    assert found.ece.value == pytest.approx((weights * np.abs(confidence - right)).sum())
    right, confidence = calibration_curve(
        p.argmax(1) == target, p.max(1), n_bins=BINS, strategy="quantile"
    )
    assert found.adaptive_ece.value == pytest.approx(np.abs(confidence - right).mean(), rel=0.01)


def test_intervals_are_those_of_drawn_blocks(sample):
    p, target, block = sample
    found = measure_reliability(p, target, block, replicates=400)
    rng = np.random.default_rng(1)
    of = [np.flatnonzero(block == b) for b in range(20)]
    drawn = [np.concatenate([of[b] for b in rng.integers(0, 20, 20)]) for _ in range(400)]
    accuracy = [(p[rows].argmax(1) == target[rows]).mean() for rows in drawn]
    low, high = np.percentile(accuracy, [2.5, 97.5])
    assert (found.accuracy.low, found.accuracy.high) == pytest.approx((low, high), abs=0.01)
    assert mean_score(p.argmax(1) == target, block, replicates=400) == found.accuracy
    assert found.ece.low < found.ece.value < found.ece.high
    assert found.blocks == 20


def test_pixels_of_one_block_are_one_observation(sample):
    p, target, block = sample
    twice = measure_reliability(np.repeat(p, 4, 0), np.repeat(target, 4), np.repeat(block, 4))
    once = measure_reliability(p, target, block)
    assert (twice.nll.low, twice.nll.high) == pytest.approx((once.nll.low, once.nll.high))
