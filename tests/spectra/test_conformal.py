"""Intervals hold what they promise."""

import numpy as np
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.spectra.scoring.conformal import fewest_for, fit_interval


@pytest.mark.parametrize("level", [0.5, 0.9])
@pytest.mark.parametrize("spreads", ["of members", "of one network"])
def test_coverage_on_fresh_data(level, spreads):
    """Mean over many draws: that is what the method promises, and to 1 / (n + 1)."""
    generator = np.random.default_rng(0)
    covered = []
    for _ in range(300):
        spread = generator.uniform(0.2, 3, 250)
        errors = spread * generator.standard_t(4, 250)
        if spreads == "of one network":
            spread = np.zeros(250)
        interval = fit_interval(errors[:50], spread[:50], np.zeros(50), level)
        within = np.abs(errors[50:]) <= interval.half_width(spread[50:])
        covered.append(within.mean())
    assert np.mean(covered) == pytest.approx(level + 0.01, abs=0.015)


def test_spread_makes_it_wider():
    generator = np.random.default_rng(0)
    spread = generator.uniform(0.1, 3, 400)
    interval = fit_interval(spread * generator.normal(size=400), spread, np.zeros(400))
    narrow, wide = interval.half_width(np.array([0.1, 3.0]))
    assert narrow < wide / 1.5


def test_unknown_values_do_not_count():
    reference = np.array([0.0] * 20 + [np.nan] * 5)
    predicted = np.arange(25.0)
    found = fit_interval(predicted, np.zeros(25), reference, 0.8)
    assert found == fit_interval(predicted[:20], np.zeros(20), reference[:20], 0.8)
    assert found.half_width(np.zeros(1))[0] == pytest.approx(16)  # the 17th of 20 errors from 0


def test_a_perfect_fit_has_an_interval():
    assert fit_interval(np.ones(10), np.zeros(10), np.ones(10)).half_width(np.zeros(1))[0] == 0


def test_too_few():
    assert fewest_for(0.9) == 9
    fit_interval(np.arange(9.0), np.zeros(9), np.zeros(9))
    with pytest.raises(OptionError, match="needs 9 spectra .* but got 8"):
        fit_interval(np.arange(8.0), np.zeros(8), np.zeros(8))
    with pytest.raises(OptionError, match="between 0 and 1, but is 1"):
        fit_interval(np.arange(8.0), np.zeros(8), np.zeros(8), 1)
