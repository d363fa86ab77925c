"""Coefficients, VIP and selectivity ratio against chemotools and the formulas."""

import numpy as np
import pytest
from chemotools.feature_selection import SRSelector, VIPSelector
from chemotools.regression import PLSRegression

from georaster_dl.core.errors import OptionError
from georaster_dl.models.package.values import Target
from georaster_dl.spectra.methods.domain import fit_domain
from georaster_dl.spectra.methods.explain import (
    BandImportance,
    band_importance,
    important_ranges,
    selectivity_ratio,
    vip,
)
from georaster_dl.spectra.methods.fitted import FittedMethod
from georaster_dl.spectra.package.file import (
    Metadata,
    load_spectral_model,
    save_spectral_model,
)
from tests.spectra.made import chemistry

A = 5
AXIS = np.linspace(1100, 1690, 60)


@pytest.fixture(scope="module")
def reference():
    spectra, values = chemistry(120)
    return spectra, values[:, 0], PLSRegression(A, scale=False).fit(spectra, values[:, 0])


def saved(path, target, *names, preprocessing="none", method="pls", components=A):
    spectra, _ = chemistry(120)
    settings = [{"n_components": components} if method == "pls" else {}] * max(1, len(names))
    fitted = FittedMethod.fit(method, spectra, target, AXIS, settings, preprocessing=preprocessing)
    treated = fitted.preprocessing.transform(spectra)
    metadata = Metadata(
        tuple(Target(name, "%") for name in names), domain=fit_domain(treated, target, components)
    )
    save_spectral_model(path, fitted, metadata)
    return load_spectral_model(path)


def test_vip_and_selectivity_ratio_are_those_of_chemotools(reference):
    spectra, values, pls = reference
    domain = fit_domain(spectra, values, A)
    expected = VIPSelector(pls).fit(spectra).feature_scores_
    np.testing.assert_allclose(vip(domain), expected, rtol=1e-6)
    assert np.mean(vip(domain) ** 2) == pytest.approx(1)
    # chemotools projects the spectra as they are, with their mean.
    centred = spectra - spectra.mean(axis=0)
    expected = SRSelector(PLSRegression(A, scale=False).fit(centred, values)).fit(centred)
    np.testing.assert_allclose(selectivity_ratio(domain), expected.feature_scores_, rtol=1e-6)


def test_a_package_gives_the_coefficients_of_its_pls(reference, tmp_path):
    spectra, values, pls = reference
    model = saved(tmp_path / "m.safetensors", values[:, None], "fat")
    (found,) = band_importance(model.card, model.network.coefficients.numpy())
    assert found.name == "fat"
    np.testing.assert_allclose(found.coefficients, pls.coef_.ravel(), rtol=1e-4, atol=1e-4)
    change = np.zeros((2, 60))
    change[1, 7] = 1.0
    both = model.predict(spectra[:1] + change)
    assert both[1, 0] - both[0, 0] == pytest.approx(found.coefficients[7], rel=1e-3)


def test_the_band_that_carries_the_target_stands_out():
    generator = np.random.default_rng(0)
    spectra = generator.normal(size=(200, 30))
    values = 3 * spectra[:, 11] + generator.normal(0, 0.1, 200)
    domain = fit_domain(spectra, values, 2)
    assert vip(domain).argmax() == selectivity_ratio(domain).argmax() == 11
    found = BandImportance("x", np.zeros(30), vip(domain), np.zeros(30))
    assert (111.0, 111.0) in important_ranges(found, np.arange(100.0, 130.0))


def test_neighbouring_important_bands_are_one_range():
    found = BandImportance("x", np.zeros(6), np.array([2, 2, 0.5, 1.5, 1.2, 1.1]), np.zeros(6))
    assert important_ranges(found, np.arange(6) * 10.0) == [(0, 10), (30, 50)]
    assert important_ranges(BandImportance("x", *[np.ones(3)] * 3), np.arange(3.0)) == []


def test_several_targets_and_classes_have_one_each(tmp_path):
    _, values = chemistry(120, targets=2)
    model = saved(tmp_path / "m.safetensors", values, "fat", "water")
    found = band_importance(model.card, model.network.coefficients.numpy())
    assert [each.name for each in found] == ["fat", "water"]
    assert not np.allclose(found[0].vip, found[1].vip)
    names = np.where(values[:, 0] > 0.5, "rich", "poor").astype(object)
    model = saved(tmp_path / "k.safetensors", names)
    found = band_importance(model.card, model.network.coefficients.numpy())
    assert [each.name for each in found] == ["poor", "rich"]
    np.testing.assert_allclose(found[0].coefficients, -found[1].coefficients, rtol=1e-3, atol=1e-6)


def test_other_methods_and_packages_without_a_calibration_are_refused(reference, tmp_path):
    from tests.cards import card

    with pytest.raises(OptionError, match="no PLS but .*train a PLS"):
        band_importance(card(), np.zeros((1, 1)))
    fitted = FittedMethod.fit(
        "pls", reference[0], reference[1][:, None], AXIS, [{"n_components": A}]
    )
    bare = save_spectral_model(tmp_path / "m.safetensors", fitted, Metadata((Target("fat"),)))
    with pytest.raises(OptionError, match="train it again"):
        band_importance(bare, np.zeros((1, 60)))
