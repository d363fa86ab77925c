"""Mixtures of library spectra, and the rules that every table of them keeps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.spectra.simulate.mixtures import simulate_mixtures
from georaster_dl.spectra.table.axis import is_band
from tests.spectra.simulate.made import LEVELS, library

PLAIN = {"class_field": "cover", "brightness": (1.0, 1.0)}


def fractions(simulated):
    return np.stack([simulated.columns[name] for name in LEVELS], axis=1)


def test_fractions_are_shares_of_sum_1():
    shares = fractions(simulate_mixtures(library(), n=500, class_field="cover"))
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-12)
    assert (shares >= 0).all()
    assert ((shares > 0).sum(axis=1) > 1).mean() > 0.4


def test_a_mixture_of_one_part_is_a_spectrum_of_the_library():
    table = library()
    simulated = simulate_mixtures(table, n=80, parts={1: 1.0}, **PLAIN)
    rows = [
        np.flatnonzero((table.spectra.astype(np.float32) == one).all(axis=1))
        for one in simulated.spectra
    ]
    assert all(len(found) == 1 for found in rows)
    names = table.classes("cover")[np.concatenate(rows)]
    np.testing.assert_array_equal(
        np.array(list(LEVELS))[fractions(simulated).argmax(axis=1)], names
    )


def test_a_mixture_is_the_sum_of_its_parts_by_its_fractions():
    table = library(1)
    simulated = simulate_mixtures(table, n=200, parts={1: 1, 2: 1, 3: 1, 5: 1}, **PLAIN)
    np.testing.assert_allclose(simulated.spectra, fractions(simulated) @ table.spectra, atol=1e-6)


def test_the_seed_fixes_the_table():
    one, same, other = (
        simulate_mixtures(library(), n=60, seed=seed, class_field="cover", noise=0.01, shade=True)
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(one.spectra, same.spectra)
    np.testing.assert_array_equal(fractions(one), fractions(same))
    assert (one.spectra != other.spectra).any()


def test_the_number_of_parts_has_the_probabilities_that_are_given():
    simulated = simulate_mixtures(library(1), n=4000, parts={1: 0.25, 2: 0.75}, **PLAIN)
    # Two parts are of one class in a third of the cases.
    pure = (fractions(simulated).max(axis=1) > 1 - 1e-9).mean()
    assert pure == pytest.approx(0.25 + 0.75 / 3, abs=0.03)


def test_classes_are_drawn_by_their_weights():
    weights = {"tree": 3.0, "soil": 0.0}
    shares = fractions(simulate_mixtures(library(), n=3000, proportions=weights, **PLAIN))[15:]
    np.testing.assert_allclose(shares.mean(axis=0), [0.25, 0, 0.75], atol=0.03)


def test_the_librarys_own_spectra_are_included():
    table = library()
    simulated = simulate_mixtures(table, n=100, class_field="cover", noise=0.1)
    np.testing.assert_array_equal(simulated.spectra[:15], table.spectra.astype(np.float32))
    np.testing.assert_array_equal(fractions(simulated)[:15].max(axis=1), 1)
    few = simulate_mixtures(table, n=20, class_field="cover")
    assert (few.spectra[:15] != table.spectra.astype(np.float32)).all(axis=1).any()


def test_brightness_multiplies_whole_spectra_and_leaves_fractions():
    given = {"n": 300, "class_field": "cover", "parts": {1: 1.0}}
    simulated = simulate_mixtures(library(1), brightness=(0.5, 2.0), **given)
    plain = simulate_mixtures(library(1), brightness=(1.0, 1.0), **given)
    factors = simulated.spectra / plain.spectra
    np.testing.assert_allclose(factors, factors[:, :1] * np.ones(12), rtol=1e-5)
    assert 0.5 <= factors.min() < 0.6
    assert 1.9 < factors.max() <= 2
    np.testing.assert_array_equal(fractions(simulated), fractions(plain))


def test_shade_darkens_half_of_the_mixtures():
    given = {"n": 1000, "parts": {1: 1.0}, **PLAIN}
    lit = (
        simulate_mixtures(library(), shade=True, **given).spectra
        / simulate_mixtures(library(), **given).spectra
    )[15:, 0]
    assert (lit < 1 - 1e-6).mean() == pytest.approx(0.5, abs=0.05)
    assert lit[lit < 1 - 1e-6].mean() == pytest.approx(0.5, abs=0.05)


def test_noise_has_the_standard_deviation_that_is_given():
    given = {"n": 2000, **PLAIN}
    noisy, plain = (simulate_mixtures(library(), noise=noise, **given) for noise in (0.02, None))
    assert (noisy.spectra - plain.spectra)[15:].std() == pytest.approx(0.02, rel=0.05)


def test_noise_leaves_reflectances_that_have_an_absorbance():
    given = {"n": 300, "noise": 1.0, "class_field": "cover"}
    assert simulate_mixtures(library(), **given).spectra.min() == np.float32(0.001)
    absorbances = simulate_mixtures(library(), quantity="absorbance", **given)
    assert absorbances.spectra.min() < 0


def test_light_that_meets_two_parts_is_added():
    table = library(1)
    given = {"n": 500, "parts": {2: 1.0}, **PLAIN}
    added = (
        simulate_mixtures(table, bilinear=True, **given).spectra
        - simulate_mixtures(table, **given).spectra
    )[3:]
    shares = fractions(simulate_mixtures(table, **given))[3:]
    a, b = np.sort(shares.argsort(axis=1)[:, 1:], axis=1).T
    most = (
        (shares[np.arange(len(a)), a] * shares[np.arange(len(b)), b])[:, None]
        * table.spectra[a]
        * table.spectra[b]
    )
    two = (shares > 0).sum(axis=1) == 2
    ratio = added[two] / most[two]
    assert -1e-4 < ratio.min() < 0.1
    assert 0.9 < ratio.max() < 1 + 1e-4


def test_values_mix_by_the_same_weights_as_spectra_and_that_is_said():
    simulated = simulate_mixtures(library(), n=200, targets=["protein"])
    np.testing.assert_allclose(
        simulated.columns["protein"], simulated.spectra.mean(axis=1), atol=1e-6
    )
    assert list(simulated.columns) == ["protein"]
    assert any("mixes linearly" in note for note in simulated.notes)


def test_within_classes_every_spectrum_is_of_its_class():
    simulated = simulate_mixtures(library(), n=300, class_field="cover", within_classes=True)
    kinds = simulated.columns["cover"]
    assert {name: int((kinds == name).sum()) for name in LEVELS} == dict.fromkeys(LEVELS, 100)
    levels = np.array([LEVELS[name] for name in kinds])
    assert np.abs(simulated.spectra - levels[:, None]).max() < 0.05
    # Mixtures, not copies, but for those of three times the same.
    assert len(np.unique(simulated.spectra[:, 0])) > 270


def test_rows_without_class_or_value_are_left_out_and_counted():
    table = library()
    columns = table.columns.copy()
    columns.loc[[0, 1], "cover"] = None
    columns.loc[[14], "protein"] = np.nan
    simulated = simulate_mixtures(
        replace(table, columns=columns), n=100, class_field="cover", targets=["protein"]
    )
    assert any("3 of 15 rows left out" in note for note in simulated.notes)
    assert np.isfinite(simulated.columns["protein"]).all()


def test_classes_named_by_numbers_get_columns_that_are_no_wavelengths():
    numbered = {name: str(100 * (i + 1)) for i, name in enumerate(LEVELS)}
    simulated = simulate_mixtures(library(names=numbered), n=50, class_field="cover")
    assert list(simulated.columns) == ["cover_100", "cover_200", "cover_300"]
    assert not any(map(is_band, simulated.columns))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"`class_field=` or columns of values with `targets=` \(it has cover, protein\)"),
        ({"class_field": "covr"}, "has no column 'covr'.*did you mean 'cover'"),
        ({"targets": ["protein"], "within_classes": True}, "name the column of classes"),
        ({"class_field": "cover", "parts": {0: 1.0}}, "1, 2, ... spectra"),
        ({"class_field": "cover", "parts": {1: 0.0}}, "one at least is above 0"),
        ({"class_field": "cover", "proportions": {"treee": 1.0}}, "did you mean 'tree'"),
        ({"class_field": "cover", "brightness": (1.3, 0.7)}, "no range of factors"),
        ({"class_field": "cover", "noise": -1.0}, "no standard deviation"),
        ({"class_field": "cover", "bilinear": True, "quantity": "absorbance"}, "are absorbance"),
    ],
)
def test_what_cannot_be_mixed_is_refused(options, message):
    with pytest.raises(OptionError, match=message):
        simulate_mixtures(library(), n=10, **options)


def test_a_class_of_one_spectrum_is_named():
    with pytest.raises(OptionError, match="grass, soil, tree of 'cover' .* a single spectrum"):
        simulate_mixtures(library(1), n=10, class_field="cover", within_classes=True)
    simulated = simulate_mixtures(library(1), n=10, class_field="cover")
    assert any("single spectrum" in note for note in simulated.notes)


def test_one_class_alone_has_no_fractions():
    same = dict.fromkeys(LEVELS, "all")
    with pytest.raises(OptionError, match="the one class 'all'"):
        simulate_mixtures(library(names=same), n=10, class_field="cover")
