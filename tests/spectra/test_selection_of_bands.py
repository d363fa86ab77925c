"""Wavelengths selected for a PLS: found where they are, and never outside cross-validation."""

import numpy as np
import pandas as pd
import pytest
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import cross_val_predict
from sklearn.utils.estimator_checks import parametrize_with_checks

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import no_report
from georaster_dl.spectra.methods.estimators import PLSRegressor
from georaster_dl.spectra.methods.selection import SELECTIONS, kernel_pls
from georaster_dl.spectra.package.file import load_spectral_model
from georaster_dl.spectra.registry import Settings
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.train import train_table
from georaster_dl.spectra.training.columns import TableOptions

WINDOW = slice(100, 110)


def windowed(n, seed=0, bands=200):
    """Spectra (n, bands) of strong constituents of no interest; ten bands alone hold the values (n,)."""
    generator = np.random.default_rng(seed)
    values = generator.normal(size=n)
    pure = np.cumsum(np.random.default_rng(50).normal(size=(12, bands)), axis=1)
    pure[:, WINDOW] = 0
    spectra = 0.3 * generator.normal(size=(n, 12)) @ pure + generator.normal(0, 0.3, (n, bands))
    spectra[:, WINDOW] += values[:, None] * np.hanning(12)[1:-1]
    return spectra, values


@pytest.mark.parametrize("targets", [1, 3])
def test_the_kernel_algorithm_is_scikit_learns_pls(targets):
    generator = np.random.default_rng(0)
    spectra, values = generator.normal(size=(50, 12)), generator.normal(size=(50, targets))
    x, y = spectra - spectra.mean(axis=0), values - values.mean(axis=0)
    found = kernel_pls(x.T @ x, x.T @ y, 6)
    for a in (1, 4, 6):
        model = PLSRegression(a, scale=False, tol=1e-15, max_iter=10_000).fit(spectra, values)
        np.testing.assert_allclose(found[a - 1], model.coef_.T, atol=1e-6)


@pytest.mark.parametrize("name", SELECTIONS)
def test_the_informative_window_is_found_and_helps(name):
    spectra, values = windowed(120)
    model = PLSRegressor(3, select=name).fit(spectra, values)
    inside = model.bands_[WINDOW].sum()
    assert inside >= 5
    assert model.bands_.mean() < 0.35
    fresh, wanted = windowed(400, seed=1)
    whole = PLSRegressor(3).fit(spectra, values)
    error, of_all = (np.mean((m.predict(fresh) - wanted) ** 2) for m in (model, whole))
    assert error < 0.8 * of_all


@pytest.mark.parametrize("name", SELECTIONS)
def test_bands_that_are_left_out_change_nothing(name):
    spectra, values = windowed(60)
    model = PLSRegressor(3, select=name).fit(spectra, values)
    changed = spectra.copy()
    changed[:, ~model.bands_] += 100
    np.testing.assert_array_equal(model.predict(changed), model.predict(spectra))


@pytest.mark.parametrize("name", SELECTIONS)
def test_selection_before_cross_validation_flatters_and_within_it_does_not(name):
    """On noise nothing can be predicted: R2 of honest cross-validation is not above 0."""
    generator = np.random.default_rng(3)
    spectra, values = generator.normal(size=(60, 300)), generator.normal(size=60)
    seen = SELECTIONS[name](spectra, values[:, None])
    leaked = cross_val_predict(PLSRegressor(2), spectra[:, seen], values, cv=5)
    honest = cross_val_predict(PLSRegressor(2, select=name), spectra, values, cv=5)
    r2 = [
        1 - np.sum((p - values) ** 2) / np.sum((values - values.mean()) ** 2)
        for p in (leaked, honest)
    ]
    assert r2[0] > 0.2
    assert r2[1] < 0.05


@pytest.mark.slow
@parametrize_with_checks([PLSRegressor(2, select=name) for name in SELECTIONS])
def test_it_is_an_estimator_of_scikit_learns_form(estimator, check):
    check(estimator)


def test_a_package_holds_a_zero_for_bands_left_out(tmp_path):
    spectra, values = windowed(100)
    table = SpectraTable("t", np.linspace(1000, 1990, 200), spectra, pd.DataFrame({"fat": values}))
    settings = Settings(components=2, select="ipls")
    path = tmp_path / "m.safetensors"
    trained = train_table(table, path, "pls", TableOptions(("fat",)), settings, no_report)
    model = load_spectral_model(path)
    used = model.network.coefficients.numpy()[0] != 0
    assert used[WINDOW].any()
    assert used.mean() < 0.5
    assert "ipls" in str(trained.card.configuration)
    with pytest.raises(OptionError, match="`select='ipls'` selects bands for pls, but svm"):
        train_table(table, path, "svm", TableOptions(("fat",)), Settings(select="ipls"), no_report)


def test_other_names_are_refused():
    with pytest.raises(ValueError, match="select must be none or one of ipls, cars"):
        PLSRegressor(2, select="spa").fit(*windowed(20))
