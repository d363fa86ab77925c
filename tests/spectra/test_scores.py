"""Scores in the terms of chemometrics."""

import math

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from georaster_dl.core.errors import OptionError
from georaster_dl.spectra.scoring.scores import ClassScores, ValueScores


def test_values_by_their_definitions():
    generator = np.random.default_rng(0)
    true = generator.normal(50, 5, 200)
    predicted = true + generator.normal(1, 2, 200)
    error = predicted - true
    found = ValueScores.of(np.append(predicted, 7), np.append(true, np.nan))
    sep = np.std(error, ddof=1)
    assert found.n == 200
    assert found.rmsep == pytest.approx(math.sqrt((error**2).mean()))
    assert found.bias == pytest.approx(error.mean())
    assert found.sep == pytest.approx(sep)
    assert found.r2 == pytest.approx(1 - (error**2).sum() / ((true - true.mean()) ** 2).sum())
    assert found.rpd == pytest.approx(np.std(true, ddof=1) / sep)
    assert found.rpiq == pytest.approx(np.subtract(*np.quantile(true, (0.75, 0.25))) / sep)
    # The identity that ties the three errors together.
    assert found.rmsep**2 == pytest.approx(found.bias**2 + found.sep**2 * 199 / 200)


def test_the_mean_scores_nothing_and_too_few_have_no_score():
    true = np.arange(10.0)
    mean = ValueScores.of(np.full(10, true.mean()), true)
    assert mean.r2 == pytest.approx(0)
    assert mean.rpd == pytest.approx(1)
    assert ValueScores.of(true, true).r2 == 1
    one = ValueScores.of(np.array([1.0]), np.array([2.0]))
    assert (one.n, one.rmsep) == (1, 1)
    assert math.isnan(one.sep)
    assert math.isnan(ValueScores.of(np.array([1.0]), np.array([np.nan])).rpiq)
    with pytest.raises(OptionError):
        ValueScores.of(true, true[1:])


def test_classes():
    generator = np.random.default_rng(0)
    true = generator.choice(np.array(["a", "b", "c"], object), 90, p=[0.7, 0.2, 0.1])
    predicted = np.where(generator.random(90) < 0.7, true, "b").astype(object)
    found = ClassScores.of(np.append(predicted, "a"), np.append(true, None))
    assert found.n == 90
    assert found.accuracy == pytest.approx((predicted == true).mean())
    labels = (true.astype(str), predicted.astype(str))
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(*labels))
    assert found.macro_f1 == pytest.approx(f1_score(*labels, average="macro"))


def test_a_class_that_is_only_predicted_has_no_score_of_its_own():
    found = ClassScores.of(np.array(["a", "x"], object), np.array(["a", "a"], object))
    assert found.balanced_accuracy == 0.5
    assert found.macro_f1 == pytest.approx(2 / 3)
