"""A network beside PLS: its start, what it learns more, what it continues, and what its folds choose."""

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression
from sklearn.metrics import r2_score

from georaster_dl.spectra.network.linear_start import LinearStart
from georaster_dl.spectra.network.networks import SpectraClassifier, SpectraRegressor

from .made import chemistry

QUICK = {"architecture": "pls_net", "random_state": 0, "epochs": 40}


def _linear(n=200, seed=0):
    """Spectra of mixtures whose first share is measured, without a curve."""
    generator = np.random.default_rng(seed)
    pure = np.cumsum(np.random.default_rng(99).normal(size=(5, 60)), axis=1)
    shares = generator.normal(size=(n, 5))
    spectra = shares @ pure + generator.normal(0, 0.01, (n, 60))
    return spectra, 30 + 4 * shares[:, 0] + generator.normal(0, 0.1, n)


def _normalised(spectra):
    return (spectra - spectra.mean(axis=0)) / spectra.std(axis=0), spectra.std(axis=0)


def _fifths(n):
    return np.arange(n) % 5 == np.arange(5)[:, None]


def test_it_starts_as_the_pls_of_scikit_learn():
    spectra, values = chemistry(80, targets=2)
    start = LinearStart.choose(*_normalised(spectra), values, 2, _fifths(80))
    rows = np.arange(80) % 4 > 0
    coefficients, intercepts = start.fit(rows)
    found = _normalised(spectra)[0] @ coefficients.T + intercepts
    for i, n_components in enumerate(start.components):
        pls = PLSRegression(n_components, scale=False).fit(spectra[rows], values[rows, i])
        np.testing.assert_allclose(found[:, i], pls.predict(spectra).ravel(), atol=1e-6)


def test_latent_variables_have_the_least_error_over_the_folds():
    spectra, values = chemistry(80)
    start = LinearStart.choose(*_normalised(spectra), values, 1, _fifths(80))
    errors = []
    for n_components in range(1, 26):
        residuals = []
        for fold in _fifths(80):
            pls = PLSRegression(n_components, scale=False).fit(spectra[~fold], values[~fold, 0])
            residuals.append(pls.predict(spectra[fold]).ravel() - values[fold, 0])
        errors.append(np.mean(np.concatenate(residuals) ** 2))
    assert start.components == (np.argmin(errors) + 1,)


def test_unknown_values_teach_pls_nothing():
    spectra, values = chemistry(80)
    unknown = np.arange(80) % 3 == 0
    spoilt = np.where(unknown[:, None], np.nan, values)
    inputs, spread = _normalised(spectra)
    start = LinearStart.choose(inputs, spread, spoilt, 1, _fifths(80))
    found = start.fit(np.ones(80, bool))
    for part, expected in zip(found, start.fit(~unknown), strict=True):
        np.testing.assert_allclose(part, expected)


def test_a_class_that_a_fold_has_not_is_no_obstacle():
    spectra, _ = chemistry(40)
    numbers = np.zeros(40, int)
    numbers[::5] = 1  # all of them in the first fold
    start = LinearStart.choose(*_normalised(spectra), numbers, 2, _fifths(40))
    coefficients, _ = start.fit(np.ones(40, bool))
    assert np.isfinite(coefficients).all()
    assert start.sharpness > 0


@pytest.mark.slow
def test_a_linear_relation_is_continued_beyond_the_training():
    """Where a network of convolutions levels off."""
    spectra, values = _linear()
    inside = np.abs(values - 30) < 4
    beyond = np.abs(values - 30) > 6
    scores = {
        name: r2_score(
            values[beyond],
            SpectraRegressor(**QUICK | {"architecture": name})
            .fit(spectra[inside], values[inside])
            .predict(spectra[beyond]),
        )
        for name in ("pls_net", "cnn1d")
    }
    assert scores["pls_net"] > 0.98
    assert scores["pls_net"] > scores["cnn1d"]


@pytest.mark.slow
def test_what_is_curved_is_learnt_beyond_pls():
    spectra, values = chemistry(400)
    taught, target = spectra[:300], values[:300, 0]
    found = SpectraRegressor(**QUICK | {"epochs": 100}).fit(taught, target)
    pls = max(
        PLSRegression(n, scale=False).fit(taught, target).score(spectra[300:], values[300:, 0])
        for n in range(1, 26)
    )
    assert found.score(spectra[300:], values[300:, 0]) > pls + 0.1


@pytest.mark.slow
def test_classes_start_as_pls_da():
    spectra, values = _linear(300)
    classes = np.where(values > 30, "high", "low").astype(object)
    model = SpectraClassifier(**QUICK).fit(spectra[:200], classes[:200])
    assert model.score(spectra[200:], classes[200:]) > 0.95
    np.testing.assert_allclose(model.predict_proba(spectra).sum(axis=1), 1)
