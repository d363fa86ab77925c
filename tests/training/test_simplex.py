"""The nearest fractions to any numbers."""

import numpy as np
import pytest
from scipy.optimize import brentq

from georaster_dl.training.result.linear import nearest_fractions


def by_search(row):
    """The same by the shift that makes the sum 1."""

    def total(shift):
        return np.maximum(row - shift, 0).sum() - 1

    return np.maximum(row - brentq(total, row.min() - 2, row.max()), 0)


@pytest.mark.parametrize("count", [1, 2, 3, 12])
def test_the_projection_is_that_of_a_search(count):
    values = np.random.default_rng(count).normal(0.3, 1, (200, count))
    found = nearest_fractions(values)
    assert np.allclose(found, [by_search(row) for row in values], atol=1e-9)
    assert (found >= 0).all()
    assert np.allclose(found.sum(axis=1), 1)


def test_fractions_stay_as_they_are():
    values = np.random.default_rng(0).dirichlet([1, 1, 1, 1], 100)
    assert np.allclose(nearest_fractions(values), values, atol=1e-12)
    assert nearest_fractions(np.zeros((0, 3))).shape == (0, 3)
