"""Intervals hold what they promise."""

import numpy as np
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.spectra.scoring.conformal import (
    fewest_for,
    fit_interval,
    fit_interval_out_of_fold,
)


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


def test_coverage_of_intervals_out_of_fold():
    """Small tables, a model that overfits them, and fresh spectra: mean over many draws."""
    covered = []
    for seed in range(300):
        generator = np.random.default_rng(seed)
        spectra = generator.normal(size=(240, 8))
        values = spectra @ np.arange(8.0) + 3 * generator.standard_t(4, 240)
        x, y = spectra[:40], values[:40]
        out_of_fold = np.empty((1, 40))
        for fold in range(5):
            rest = np.arange(40) % 5 == fold
            weights = np.linalg.lstsq(x[~rest], y[~rest], rcond=None)[0]
            out_of_fold[0, rest] = x[rest] @ weights
        half = fit_interval_out_of_fold(out_of_fold, y).half_width(np.zeros(1))
        fresh = spectra[40:] @ np.linalg.lstsq(x, y, rcond=None)[0]
        covered.append((np.abs(fresh - values[40:]) <= half).mean())
    # A model of all spectra errs a little less than those of the folds, so rather more are within.
    assert 0.89 < np.mean(covered) < 0.94


def test_repeats_of_cross_validation_make_no_further_spectra():
    errors = np.arange(1.0, 21)
    once = fit_interval_out_of_fold(errors[None], np.zeros(20))
    assert once.half_width(np.zeros(1))[0] == pytest.approx(19)  # of rank 21 * 0.9
    assert fit_interval_out_of_fold(np.tile(errors, (3, 1)), np.zeros(20)) == once
    with pytest.raises(OptionError, match="needs 9 spectra .* but got 8"):
        fit_interval_out_of_fold(np.ones((1, 8)), np.zeros(8))
