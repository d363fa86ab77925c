"""Prediction sets hold the true class as often as asked, on ground like the calibration's."""

import numpy as np
import pytest

from georaster_dl.evaluation.metrics.prediction_sets import (
    confidence_quantiles,
    prediction_sets,
    score_quantiles,
    set_coverage,
)
from georaster_dl.models.package.calibration import QUANTILES, Calibration


def ground(n, seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(4, 0.5), n)
    # The probabilities are wrong: the classes are drawn from others. Coverage does not need them right.
    meant = np.sqrt(probabilities)
    meant /= meant.sum(axis=1, keepdims=True)
    return probabilities, (rng.random((n, 1)) > meant.cumsum(axis=1)).sum(axis=1)


def test_quantiles_are_those_of_finite_samples():
    """Of nine scores, the level 0.8 takes the 8th, 0.9 the 9th; more than nine tenths is not to be had."""
    scores = np.arange(1, 10) / 10
    p = np.stack([1 - scores, scores], axis=1)
    found = score_quantiles(p, np.zeros(9, int))
    assert len(found) == QUANTILES
    assert found[160] == pytest.approx(0.8)
    assert found[180] == pytest.approx(0.9)
    assert found[181] == found[-1] == 1
    assert found[0] == pytest.approx(0.1)


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_sets_cover_at_least_the_level_on_average(level):
    covered = []
    for seed in range(200):
        p, target = ground(100, seed)
        calibration = Calibration(scores=score_quantiles(p, target))
        other, truth = ground(100, 10_000 + seed)
        sets = prediction_sets(other, calibration.largest_score(level))
        covered.append(set_coverage(sets, truth, np.zeros(100, int)).covered.value)
    assert level - 0.005 <= np.mean(covered) <= level + 0.02


def test_the_mapped_class_is_always_a_member():
    p = np.array([[0.4, 0.3, 0.3], [0.9, 0.1, 0.0]])
    assert prediction_sets(p, 0.2).tolist() == [[True, False, False], [True, False, False]]
    assert prediction_sets(p, 0.7).tolist() == [[True, True, True], [True, False, False]]
    assert prediction_sets(p, 1.0).all()


def test_coverage_is_told_by_place():
    sets = np.array([[True, False], [True, True], [False, True], [False, True]])
    found = set_coverage(sets, np.array([0, 1, 1, 0]), np.array([7, 7, 9, 9]))
    assert (found.covered.value, found.size) == (0.75, 1.25)
    assert found.places.tolist() == [1, 0.5]


def test_confidence_quantiles_keep_at_least_the_share():
    p = np.random.default_rng(0).dirichlet(np.ones(3), 57)
    calibration = Calibration(confidence=confidence_quantiles(p))
    for coverage in (0.05, 0.5, 0.8, 0.9, 0.99):
        kept = (p.max(axis=1) >= calibration.least_confidence(coverage)).mean()
        assert coverage <= kept < coverage + 0.03
