"""Spectra drawn from the normal distribution of each class."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.spectra.simulate.gaussian import simulate_gaussian
from georaster_dl.spectra.table.samples import SpectraTable
from tests.spectra.simulate.made import LEVELS, NM, library


def many(n: int = 400) -> SpectraTable:
    """Make spectra of two factors, of which the first is the value."""
    random = np.random.default_rng(2)
    factors = random.standard_normal((n, 2)) * [1.0, 0.3]
    shapes = np.stack([np.sin(NM / 150), np.cos(NM / 90)])
    columns = pd.DataFrame({"fat": 5 + factors[:, 0], "all": "meat"})
    return SpectraTable("meat", NM, 2 + factors @ shapes, columns)


def test_mean_and_covariance_are_those_of_the_spectra():
    table = many()
    simulated = simulate_gaussian(table, n=20_000, class_field="all")
    np.testing.assert_allclose(
        simulated.spectra.mean(axis=0), table.spectra.mean(axis=0), atol=0.03
    )
    ours, theirs = np.cov(simulated.spectra.T), np.cov(table.spectra.T)
    assert np.abs(ours - theirs).max() < 0.05 * np.abs(theirs).max()


@pytest.mark.parametrize("left_out", range(12))
def test_spread_is_that_of_the_spectra_whichever_are_learnt_from(left_out):
    table = library(20)
    rows = table.rows(np.arange(60) != left_out)
    simulated = simulate_gaussian(rows, n=500, targets=["protein"])
    ratio = simulated.spectra.std(axis=0) / rows.spectra.std(axis=0)
    assert (np.abs(ratio - 1) < 0.25).all()


def test_values_keep_their_relation_to_the_spectra():
    table = many()
    simulated = simulate_gaussian(table, n=2000, targets=["fat"])
    weights = np.linalg.lstsq(table.spectra - 2, table.target("fat") - 5, rcond=None)[0]
    errors = (simulated.spectra - 2) @ weights + 5 - simulated.columns["fat"]
    assert errors.std() < 0.1 * simulated.columns["fat"].std()


def test_classes_are_kept_and_of_equal_number():
    simulated = simulate_gaussian(library(20), n=300, class_field="cover")
    kinds = simulated.columns["cover"]
    for name, level in LEVELS.items():
        own = simulated.spectra[kinds == name]
        assert len(own) == 100
        assert own.mean() == pytest.approx(level, abs=0.02)


def test_the_seed_fixes_the_table():
    one, same, other = (
        simulate_gaussian(library(), n=30, seed=seed, class_field="cover") for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.spectra, same.spectra)
    assert (one.spectra != other.spectra).any()


def test_few_spectra_have_a_spread_in_all_components():
    simulated = simulate_gaussian(library(2), n=300, class_field="cover")
    own = simulated.spectra[simulated.columns["cover"] == "tree"]
    # Two spectra span one direction; the shrunk covariance has more.
    assert np.linalg.matrix_rank(np.cov(own.T), tol=1e-6) > 1


def test_a_class_of_one_spectrum_is_named():
    with pytest.raises(OptionError, match="grass, soil, tree of 'cover' in library have a single"):
        simulate_gaussian(library(1), n=10, class_field="cover")


def test_no_components_are_refused():
    with pytest.raises(OptionError, match="give 1 or more"):
        simulate_gaussian(library(), n=10, class_field="cover", dimensions=0)
