"""Measures of uncertainty are judged by the errors that they find."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from georaster_dl.evaluation.metrics.selective import error_auroc, risk_coverage


def test_auroc_is_that_of_scikit_learn_also_with_ties():
    rng = np.random.default_rng(0)
    measure = rng.integers(0, 20, 2000) / 20
    wrong = rng.random(2000) < 0.1 + 0.3 * measure
    assert error_auroc(measure, wrong) == pytest.approx(roc_auc_score(wrong, measure))
    assert error_auroc(np.zeros(2000), wrong) == 0.5
    assert np.isnan(error_auroc(measure, np.zeros(2000, bool)))


def test_a_worked_curve():
    curve = risk_coverage(np.array([0.4, 0.1, 0.3, 0.2]), np.array([True, False, False, True]))
    assert curve.risk.tolist() == [0, 1 / 2, 1 / 3, 2 / 4]
    assert curve.area == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert [curve.accuracy_at(c) for c in (0.25, 0.5, 0.7, 1)] == pytest.approx(
        [1, 1 / 2, 2 / 3, 1 / 2]
    )


def test_pixels_that_are_equally_sure_share_their_errors():
    """No order of them is better than another, so a constant measure has the risk of the whole map."""
    wrong = np.array([True, False, False, False])
    assert risk_coverage(np.ones(4), wrong).risk == pytest.approx([0.25] * 4)


def test_ninety_percent_of_ten_pixels_are_nine():
    wrong = np.arange(10) == 9
    assert risk_coverage(np.arange(10), wrong).accuracy_at(0.9) == 1
