"""Intervals from resampled blocks."""

import numpy as np
import pytest

from georaster_dl.evaluation.metrics.bootstrap import bootstrap
from georaster_dl.evaluation.metrics.confusion import Confusion

NAMES = ("a", "b", "c")


def blocks(n, seed=0):
    """Blocks whose accuracy differs from block to block."""
    generator = np.random.default_rng(seed)
    made = generator.integers(0, 20, (n, 3, 3))
    made[:, range(3), range(3)] += generator.integers(0, 200, (n, 1))
    return made


def test_intervals_hold_the_score_and_are_the_same_for_a_seed():
    made = blocks(60)
    whole = Confusion(NAMES, made.sum(axis=0))
    one, again = (bootstrap(made, NAMES, seed=4) for _ in range(2))
    for name in ("overall_accuracy", "mean_iou", "f1", "iou"):
        low, high = getattr(one, name)
        score = getattr(whole, name)
        assert np.all((low < score) & (score < high)), name
        assert np.array_equal(getattr(one, name), getattr(again, name))
    assert (one.blocks, one.replicates) == (60, 1000)
    other = bootstrap(made, NAMES, seed=5)
    assert not np.array_equal(one.mean_iou, other.mean_iou)


def test_equal_blocks_leave_no_doubt():
    one = np.array([[40, 1, 2], [3, 50, 4], [5, 6, 60]])
    found = bootstrap(np.repeat(one[None], 9, axis=0), NAMES)
    whole = Confusion(NAMES, one)
    assert np.allclose(found.overall_accuracy, whole.overall_accuracy)
    assert np.allclose(found.iou, whole.iou)


def test_blocks_of_one_pixel_give_the_binomial_interval():
    right = np.random.default_rng(2).random(400) < 0.8
    made = np.zeros((400, 2, 2), np.int64)
    made[right, 0, 0] = 1
    made[~right, 0, 1] = 1
    low, high = bootstrap(made, ("a", "b"), replicates=4000).overall_accuracy
    p = right.mean()
    half = 1.96 * np.sqrt(p * (1 - p) / 400)
    assert (low, high) == (pytest.approx(p - half, abs=0.004), pytest.approx(p + half, abs=0.004))


def test_neighbours_that_err_together_widen_the_interval():
    alone = blocks(200)
    alone = alone[np.argsort(alone[:, 0, 0], kind="stable")]
    together = alone.reshape(20, 10, 3, 3).sum(axis=1)
    one, ten = (np.ptp(bootstrap(made, NAMES).overall_accuracy) for made in (alone, together))
    assert ten > 1.5 * one


def test_empty_blocks_do_not_count_and_few_blocks_tell_nothing():
    made = blocks(12)
    made[4:] = 0
    found = bootstrap(made, NAMES)
    assert (found.blocks, found.replicates) == (4, 0)
    assert np.isnan(found.iou).all()
    assert np.isnan(found.overall_accuracy).all()


def test_a_class_that_never_occurs_has_no_interval():
    made = blocks(30)
    made[:, 2, :] = made[:, :, 2] = 0
    found = bootstrap(made, NAMES)
    assert np.isnan(found.iou[:, 2]).all()
    assert np.isfinite(found.iou[:, :2]).all()
