"""Spectra that are unlike a calibration: limits against independent computations, and what they find."""

import numpy as np
import pytest
from scipy.stats import f as f_distribution
from sklearn.cross_decomposition import PLSRegression

from georaster_dl.models.package.domain import CalibrationDomain
from georaster_dl.spectra.methods.domain import (
    MEASURES,
    _q_limits,
    domain_distances,
    fit_domain,
    limit_ratios,
)
from tests.spectra.made import chemistry

A = 4


@pytest.fixture(scope="module")
def calibration():
    spectra, values = chemistry(150)
    return spectra, values[:, 0], fit_domain(spectra, values[:, 0], A)


def unlike(domain, spectra):
    """Share of the spectra beyond each limit."""
    ratios = limit_ratios(domain, domain_distances(domain, spectra))
    return {name: float((ratio > 1).mean()) for name, ratio in ratios.items()}


def test_t2_and_q_are_those_of_scikit_learns_pls(calibration):
    spectra, values, domain = calibration
    fresh, _ = chemistry(40, seed=3)
    found = domain_distances(domain, fresh)
    pls = PLSRegression(A, scale=False).fit(spectra, values)
    scores = pls.transform(fresh)
    t2 = (scores**2 / pls.transform(spectra).var(axis=0, ddof=1)).sum(axis=1)
    left = fresh - spectra.mean(axis=0) - scores @ pls.x_loadings_.T
    np.testing.assert_allclose(found.t2, t2, rtol=1e-6)
    np.testing.assert_allclose(found.q, (left**2).sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(found.leverage, 1 / 150 + t2 / 149, rtol=1e-6)
    expected = A * 149 / (150 - A) * f_distribution.ppf(0.99, A, 150 - A)
    assert domain.t2_limits[1] == pytest.approx(expected, rel=1e-6)


def test_t2_and_leverage_of_the_calibration_add_up():
    """Of 20 spectra, where n and n - 1 make a difference."""
    generator = np.random.default_rng(0)
    spectra, values = generator.normal(size=(20, 4)), generator.normal(size=20)
    own = domain_distances(fit_domain(spectra, values, 3), spectra)
    assert own.t2.sum() == pytest.approx(3 * 19, rel=1e-6)  # trace of S^-1 S (n - 1)
    assert own.leverage.sum() == pytest.approx(4, rel=1e-6)  # trace of the hat matrix


def test_leverage_is_the_diagonal_of_the_hat_matrix(calibration):
    spectra, values, domain = calibration
    scores = PLSRegression(A, scale=False).fit(spectra, values).transform(spectra)
    design = np.column_stack([np.ones(150), scores])
    hat = design @ np.linalg.inv(design.T @ design) @ design.T
    np.testing.assert_allclose(
        domain_distances(domain, spectra).leverage, hat.diagonal(), rtol=1e-6
    )


def test_limits_of_q_are_chemotools_where_its_sign_is_right():
    from chemotools.outliers import QResiduals

    spectra = np.random.default_rng(0).normal(size=(200, 30)) * np.linspace(1, 3, 30)
    values = spectra[:, :3].sum(axis=1)
    from chemotools.regression import PLSRegression as Pls

    model = Pls(2, scale=False).fit(spectra, values)
    left = spectra - spectra.mean(axis=0) - model.x_scores_ @ model.x_loadings_.T
    for level, limit in zip((0.95, 0.99), _q_limits(left, 1.0), strict=True):
        expected = QResiduals(model, level).fit(spectra).critical_value_
        assert limit == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "spread", [np.ones(40), np.r_[4.0, np.full(39, 0.5)], np.r_[30.0, np.ones(39)]]
)
def test_limits_of_q_hold_what_they_promise_of_normal_residuals(spread):
    """Also where one eigenvalue outweighs many, which makes the exponent of the approximation negative."""
    generator = np.random.default_rng(1)
    limits = _q_limits(generator.normal(size=(4000, 40)) * spread, 1.0)
    q = ((generator.normal(size=(20_000, 40)) * spread) ** 2).sum(axis=1)
    assert (q < limits[0]).mean() == pytest.approx(0.95, abs=0.015)
    assert (q < limits[1]).mean() == pytest.approx(0.99, abs=0.01)


def test_ordinary_spectra_are_like_the_calibration(calibration):
    fresh, _ = chemistry(400, seed=5)
    assert max(unlike(calibration[2], fresh).values()) < 0.05


def test_more_of_a_part_raises_t2_and_leverage_and_another_part_q(calibration):
    spectra, _, domain = calibration
    far = spectra.mean(axis=0) + 8 * (spectra[:10] - spectra.mean(axis=0))
    found = unlike(domain, far)
    assert min(found["T2"], found["leverage"], found["nn_distance"]) > 0.8
    odd = spectra[:10] + 0.5 * np.sin(np.arange(60))
    assert unlike(domain, odd)["Q"] == 1


def test_a_gap_within_the_calibration_is_seen_by_the_nearest_spectrum_alone():
    generator = np.random.default_rng(0)
    values = np.r_[generator.uniform(-2, -1.5, 60), generator.uniform(1.5, 2, 60)]
    spectra = values[:, None] * np.ones(20) + generator.normal(0, 1e-3, (120, 20))
    found = unlike(fit_domain(spectra, values, 1), np.zeros((1, 20)))
    assert found == {"T2": 0, "Q": 0, "leverage": 0, "nn_distance": 1}


def test_scans_of_a_sample_do_not_make_the_nearest_spectrum_near():
    spectra, values = chemistry(100)
    noise = np.random.default_rng(0).normal(0, 1e-3, (300, 60))
    scans, samples = np.repeat(spectra, 3, axis=0) + noise, np.repeat(np.arange(100), 3)
    fresh, _ = chemistry(300, seed=5)
    by_sample = fit_domain(scans, np.repeat(values, 3), A, samples)
    by_scan = fit_domain(scans, np.repeat(values, 3), A)
    assert unlike(by_sample, fresh)["nn_distance"] < 0.05
    assert by_scan.distance_limits[1] < by_sample.distance_limits[1] / 2


def test_of_many_spectra_a_thousand_that_cover_the_space_are_kept():
    spectra, values = chemistry(1500)
    domain = fit_domain(spectra, values, 3)
    assert domain.by_component("neighbours").shape == (1000, 3)
    assert unlike(domain, chemistry(300, seed=5)[0])["nn_distance"] < 0.05


@pytest.mark.parametrize(
    "target", [np.array(["a", "b"] * 75, object), np.r_[[np.nan] * 20, np.arange(130.0)]]
)
def test_classes_and_missing_values_have_a_domain_too(target):
    spectra, _ = chemistry(150)
    assert set(unlike(fit_domain(spectra, target, 30), spectra)) == set(MEASURES)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("spectra", [np.ones((6, 1)) * np.arange(6.0)[:, None], np.eye(3)])
def test_few_bands_and_few_spectra_have_a_domain(spectra):
    domain = fit_domain(spectra, np.arange(float(len(spectra))), 10)
    assert unlike(domain, spectra + 1e6)["Q"] + unlike(domain, spectra + 1e6)["T2"] >= 1


@pytest.mark.parametrize(("lost", "components"), [(0.0, 9), (1.0, 8)])
def test_of_ten_bands_something_is_left_for_q(lost, components):
    """Limits are of noise, whose variance is 1e-6, not of rounding; also of spectra brought to their mean."""
    spectra, fresh = (chemistry(400, bands=10, seed=seed)[0] for seed in (0, 5))
    spectra, fresh = (each - lost * each.mean(axis=1, keepdims=True) for each in (spectra, fresh))
    domain = fit_domain(spectra, chemistry(400, bands=10)[1], 10)
    assert domain.n_components == components
    assert domain.q_limits[1] > 1e-7
    assert 0 < unlike(domain, fresh)["Q"] < 0.05


def test_it_is_read_back_as_it_was_written(calibration):
    domain = calibration[2]
    assert CalibrationDomain.model_validate_json(domain.model_dump_json()) == domain


@pytest.mark.parametrize(
    "damage",
    [{"rotations": (1.0,)}, {"neighbours": (1.0,)}, {"deviations": ()}, {"t2_limits": (0.0, 1.0)}],
)
def test_damaged_domains_are_refused(calibration, damage):
    with pytest.raises(ValueError, match=next(iter(damage))):
        CalibrationDomain(**calibration[2].model_dump() | damage)
