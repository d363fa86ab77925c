"""Treatments of spectra."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.signal import savgol_filter
from sklearn import config_context
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from georaster_dl.core.errors import OptionError
from georaster_dl.spectra.preprocess.chain import Preprocessing, uneven_steps


@pytest.fixture(scope="module")
def spectra():
    return np.random.default_rng(0).random((40, 50)) + 0.5


# The others refuse some of the spectra that scikit-learn tries, such as flat ones, in words.
@parametrize_with_checks([Preprocessing(), Preprocessing("center,standardise")])
def test_estimator(estimator, check):
    check(estimator)


def preprocessed(steps, spectra):
    return Preprocessing(steps).fit(spectra).transform(spectra)


def test_each_by_its_formula(spectra):
    mean, sd = spectra.mean(axis=1, keepdims=True), spectra.std(axis=1, keepdims=True)
    np.testing.assert_allclose(preprocessed("snv", spectra), (spectra - mean) / sd)
    np.testing.assert_allclose(preprocessed("absorbance", spectra), np.log10(1 / spectra))
    np.testing.assert_allclose(
        preprocessed("savgol(15,2,1)", spectra), savgol_filter(spectra, 15, 2, deriv=1)
    )
    np.testing.assert_allclose(preprocessed("smooth(7,3)", spectra), savgol_filter(spectra, 7, 3))
    window = spectra[:, :15]  # nothing but ends, and the one band between
    np.testing.assert_allclose(
        preprocessed("savgol(15,3,2)", window), savgol_filter(window, 15, 3, deriv=2), atol=1e-12
    )
    band_mean = spectra.mean(axis=0)
    np.testing.assert_allclose(preprocessed("center", spectra), spectra - band_mean)
    np.testing.assert_allclose(
        preprocessed("standardise", spectra), (spectra - band_mean) / spectra.std(axis=0)
    )
    assert preprocessed("none", spectra).tolist() == spectra.tolist()


def test_scatter_and_trend_are_removed():
    line = np.arange(50.0)
    pure = np.sin(line / 5) + 2
    generator = np.random.default_rng(1)
    slope, offset, tilt = generator.uniform(0.5, 2, (3, 30, 1))
    np.testing.assert_allclose(
        np.ptp(preprocessed("msc", slope * pure + offset), axis=0), 0, atol=1e-12
    )
    bent = pure + offset + tilt * line + slope * line**2
    np.testing.assert_allclose(np.ptp(preprocessed("detrend", bent), axis=0), 0, atol=1e-8)


def test_emsc_takes_away_what_its_model_has():
    """Martens & Stark 1991: a polynomial over the bands and a multiple of the mean spectrum."""
    bands = np.linspace(-1, 1, 50)
    pure = np.sin(4 * bands) + 2
    generator = np.random.default_rng(1)
    factor, *polynomial = generator.uniform(0.5, 2, (4, 30, 1))
    factor /= factor.mean()
    scattered = factor * pure + sum(c * bands**i for i, c in enumerate(polynomial))
    corrected = preprocessed("emsc(2)", scattered)
    np.testing.assert_allclose(np.ptp(corrected, axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(corrected.mean(axis=0), scattered.mean(axis=0), atol=1e-9)


def test_emsc_without_a_slope_is_msc(spectra):
    np.testing.assert_allclose(
        preprocessed("emsc(0)", spectra), preprocessed("msc", spectra), rtol=1e-6
    )


def test_gap_derivatives_are_differences_of_means_over_the_gap(spectra):
    means = np.stack([spectra[:, i : i + 3].mean(axis=1) for i in range(48)], axis=1)
    first = preprocessed("norris(5,3,1)", spectra)
    np.testing.assert_allclose(first[:, 3:-3], (means[:, 4:] - means[:, :-4]) / 5, atol=1e-12)
    second = preprocessed("norris(5,3,2)", spectra)
    expected = means[:, 4:] - 2 * means[:, 2:-2] + means[:, :-4]
    np.testing.assert_allclose(second[:, 3:-3], expected / 5, atol=1e-12)


@pytest.mark.parametrize(
    "steps",
    [
        *(
            "none",
            "snv,savgol(15,2,1)",
            "absorbance, msc, detrend(1), standardise",
            "smooth,center",
        ),
        *("emsc(1),norris(5,3,2)", "norris(3,7,1),emsc"),
    ],
)
def test_a_chain_survives_json(spectra, steps):
    learnt = Preprocessing(steps).fit(spectra[:20])
    again = Preprocessing.from_json(json.loads(json.dumps(learnt.to_json())))
    np.testing.assert_allclose(
        again.transform(spectra), learnt.transform(spectra), rtol=1e-13, atol=0
    )
    assert again.to_json() == learnt.to_json()


def test_only_the_fitted_spectra_are_learnt_from(spectra):
    learnt = Preprocessing("msc,standardise").fit(spectra[:20])
    alone = np.concatenate([learnt.transform(row[None]) for row in spectra])
    np.testing.assert_allclose(alone, learnt.transform(spectra))


def test_blocks_and_types(spectra, monkeypatch):
    whole = preprocessed("snv,savgol(5,2,1),center", spectra)
    monkeypatch.setattr("georaster_dl.spectra.preprocess.chain._BLOCK", 50 * 7)
    np.testing.assert_allclose(preprocessed("snv,savgol(5,2,1),center", spectra), whole)
    single = preprocessed("snv,savgol(5,2,1),center", spectra.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, whole, atol=1e-5)
    assert preprocessed("snv", spectra[:1]).shape == (1, 50)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("snw", "did you mean 'snv'"),
        ("savgol(15,2", "savgol"),
        ("savgol(15,2)", r"savgol\(window,order,derivative\) is expected"),
        ("savgol", r"Got savgol\(\)"),
        ("savgol(15,2,x)", "whole numbers"),
        ("savgol(14,2,1)", "odd window"),
        ("savgol(5,2,3)", "up to the order"),
        ("snv(1)", "but snv is expected"),
        ("snv,,msc", "known are"),
        ("detrend(9)", "0 to 5"),
        ("savgol(51,2,1)", "at least 51 bands, but the spectra have 50"),
        ("center,msc", "put msc before center"),
        ("center,emsc", "a polynomial of order 2 here; put emsc before center"),
        ("emsc(6)", "order 0 to 5"),
        ("norris(4,3,1)", "odd gap"),
        ("norris(5,3,3)", "first or second"),
    ],
)
def test_steps_that_cannot_be(spectra, steps, message):
    with pytest.raises(OptionError, match=message):
        Preprocessing(steps).fit(spectra)


def test_spectra_that_cannot_be_treated_are_numbered(spectra):
    bad = spectra.copy()
    bad[[3, 17]] = 0.3
    with pytest.raises(
        OptionError, match=r"2 spectra \(spectrum 4, spectrum 18\) with the same value"
    ):
        Preprocessing("snv").fit(bad)
    bad[5, 9] = 0
    with pytest.raises(OptionError, match=r"1 spectrum \(spectrum 6\) with reflectances of 0"):
        Preprocessing("absorbance").fit(spectra).transform(bad)


def test_damaged_json(spectra):
    saved = Preprocessing("snv,standardise").fit(spectra).to_json()
    for change in (
        {"bands": 49},
        {"learnt": []},
        {"learnt": [{}, {"mean_": [0.0] * 50, "scale_": [0.0] * 50}]},
        {"learnt": [{}, {"mean_": ["a"] * 50, "scale_": [1.0] * 50}]},
        {"steps": "snv,rm"},
    ):
        with pytest.raises(OptionError):
            Preprocessing.from_json({**saved, **change})


def test_clones_like_any_estimator(spectra):
    assert clone(Preprocessing("snv").fit(spectra)).steps == "snv"


def test_names_of_bands_stay_and_a_frame_can_be_asked_for(spectra):
    frame = pd.DataFrame(spectra, columns=[f"{i} nm" for i in range(spectra.shape[1])])
    chain = Preprocessing("snv").set_output(transform="pandas").fit(frame)
    assert list(chain.get_feature_names_out()) == list(frame.columns)
    made = chain.transform(frame)
    assert list(made.columns) == list(frame.columns)
    np.testing.assert_allclose(made, preprocessed("snv", spectra), atol=1e-12)


def test_a_chain_of_a_model_gives_arrays_whatever_scikit_learn_is_set_to(spectra):
    saved = Preprocessing("snv").fit(spectra).to_json()
    with config_context(transform_output="pandas"):
        assert isinstance(Preprocessing.from_json(saved).transform(spectra), np.ndarray)


def test_unequal_steps_are_told_where_a_filter_runs():
    even = np.arange(1000.0, 1400.0, 10)
    for fine in (even, 1e7 / np.arange(10_000.0, 4000.0, -8), np.arange(0.0, 40.0)):
        assert uneven_steps("savgol(5,2,1)", fine) is None
    gap = np.delete(even, [20, 21])
    said = uneven_steps("snv,savgol(5,2,1)", gap)
    assert said.startswith("savgol takes")
    assert "from 10 to 30 nm" in said
    assert uneven_steps("savgol(5,2,1),smooth", gap).startswith("savgol and smooth take")
    assert uneven_steps("snv,detrend", gap) is None
