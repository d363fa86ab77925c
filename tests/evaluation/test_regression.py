"""Scores of numbers from moments that add up."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from georaster_dl.core.errors import OptionError
from georaster_dl.evaluation.metrics.regression import RegressionScores

numbers = st.lists(
    st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=2, max_size=40
).map(lambda pairs: np.array(pairs).T)


def direct(mapped, true):
    error = mapped - true
    return {
        "rmse": math.sqrt((error**2).mean()),
        "mae": np.abs(error).mean(),
        "bias": error.mean(),
        "sd": true.std(),
        "mean": true.mean(),
    }


@given(numbers, st.data())
def test_parts_add_up_to_the_direct_scores(pairs, data):
    mapped, true = pairs
    cuts = sorted(data.draw(st.lists(st.integers(0, len(true)), max_size=4)))
    scores = RegressionScores()
    for part in np.split(np.arange(len(true)), cuts):
        scores += RegressionScores.of(mapped[part], true[part])
    assert scores.n == len(true)
    for name, expected in direct(mapped, true).items():
        assert getattr(scores, name) == pytest.approx(expected, rel=1e-6, abs=1e-6), name


def test_r2_is_that_of_residuals_not_of_correlation():
    true = np.arange(10.0)
    assert RegressionScores.of(true, true).r2 == 1
    assert RegressionScores.of(np.full(10, true.mean()), true).r2 == pytest.approx(0)
    biased = RegressionScores.of(true + 100, true)
    assert biased.r2 < -1000
    assert biased.bias == 100


def test_small_errors_on_large_numbers_are_not_lost():
    generator = np.random.default_rng(0)
    true = 1e8 + generator.normal(0, 1e-2, 1000)
    mapped = true + generator.normal(0, 1e-3, 1000)
    scores = RegressionScores.of(mapped[:300], true[:300]) + RegressionScores.of(
        mapped[300:], true[300:]
    )
    assert scores.r2 == pytest.approx(0.99, abs=0.003)


def test_unknown_numbers_do_not_count_and_no_pair_gives_no_score():
    scores = RegressionScores.of(np.array([1, np.nan, 3]), np.array([np.nan, 2, 3.5]))
    assert (scores.n, scores.bias) == (1, -0.5)
    assert math.isnan(scores.r2)
    nothing = RegressionScores.of(np.array([np.nan]), np.array([1.0]))
    assert math.isnan(nothing.rmse)
    assert (nothing + scores).rmse == 0.5


def test_shapes_must_agree():
    with pytest.raises(OptionError):
        RegressionScores.of(np.zeros(2), np.zeros(3))
