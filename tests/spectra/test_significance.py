"""Methods are compared in pairs, on samples, with a correction for their number."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control, wilcoxon

from georaster_dl.spectra.scoring.significance import errors_of, holm, paired_tests


def test_holm_steps_down_from_the_least():
    """4 x 0.005, 3 x 0.01, 2 x 0.03, and 0.04 no less than the one before."""
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.6, 0.7]), [1.0, 1.0])
    p = np.random.default_rng(0).uniform(0, 0.2, 9)
    assert (holm(p) >= false_discovery_control(p)).all()


def test_one_error_for_each_sample():
    measured, predicted = np.array([1.0, 2.0, 3.0]), np.array([[1.0, 2.0, 5.0], [2.0, 2.0, 3.0]])
    found = errors_of(predicted, measured, np.array([4, 4, 9]))
    np.testing.assert_allclose(found, [0.25, 2.0])
    classes = np.array(["a", "b"], object)
    found = errors_of(np.array([["a", "a"], ["a", "b"]], object), classes, np.arange(2))
    np.testing.assert_allclose(found, [0.0, 0.5])


def test_pairs_are_wilcoxons():
    generator = np.random.default_rng(0)
    base = generator.normal(size=60) ** 2
    errors = {"good": base, "bad": base + generator.uniform(0, 1, 60), "like": base + 0.0}
    tests = {(test.first, test.second): test for test in paired_tests(errors)}
    assert set(tests) == {("good", "bad"), ("like", "bad"), ("good", "like")}
    assert tests["good", "like"].p == 1.0
    p = wilcoxon(errors["good"] - errors["bad"]).pvalue
    assert tests["good", "bad"].p == pytest.approx(3 * p)
    assert tests["good", "bad"].n == 60


@pytest.mark.slow
def test_of_methods_alike_few_are_told_apart():
    generator = np.random.default_rng(0)
    told = []
    for _ in range(200):
        errors = {name: generator.normal(size=40) ** 2 for name in "abcd"}
        told.append(min(test.p for test in paired_tests(errors)) < 0.05)
    assert np.mean(told) < 0.09
