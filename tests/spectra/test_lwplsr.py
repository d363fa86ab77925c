"""Locally weighted PLS."""

import numpy as np
import pytest
import torch
from sklearn.cross_decomposition import PLSRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from georaster_dl.models.zoo.chemometrics.local_pls import distance_weights, local_predictions
from georaster_dl.spectra.methods.lwplsr import LWPLSRegressor
from georaster_dl.spectra.methods.pls_scores import ScoreSpace
from tests.spectra.made import chemistry


def pls(n_components):
    # scikit-learn compares the square of a step with its tolerance.
    return PLSRegression(n_components, scale=False, tol=1e-26, max_iter=100_000)


@parametrize_with_checks(
    [LWPLSRegressor(n_components=3, n_neighbors=20), LWPLSRegressor(2, 9, np.inf, 0, "euclidean")]
)
def test_scikit_learn_takes_it_for_one_of_its_own(estimator, check):
    check(estimator)


@pytest.mark.parametrize("targets", [1, 3])
@pytest.mark.parametrize("bands", [20, 120])
def test_with_all_neighbours_alike_it_is_plain_pls(bands, targets):
    spectra, values = chemistry(80, bands, targets=targets)
    local = LWPLSRegressor(6, 60, np.inf, 0).fit(spectra[:60], values[:60])
    predicted = local.predict_all(spectra[60:])
    for a in range(1, 7):
        plain = pls(a).fit(spectra[:60], values[:60]).predict(spectra[60:])
        np.testing.assert_allclose(predicted[a - 1], plain.reshape(20, -1), rtol=0, atol=1e-9)


def test_many_components_of_spectra_that_are_all_alike():
    """Rounding errors of the first components do not come back with the later ones."""
    generator = np.random.default_rng(0)
    axis = np.linspace(0, 1, 150)
    centres, values = generator.uniform(0.3, 0.7, (120, 2)), generator.normal(size=120)
    spectra = np.exp(-((axis - centres[:, :1]) ** 2)) + centres[:, 1:] * axis
    spectra += generator.normal(0, 1e-6, spectra.shape)
    local = LWPLSRegressor(20, 120, np.inf, 0).fit(spectra, values).predict(spectra)
    plain = pls(20).fit(spectra, values).predict(spectra)
    np.testing.assert_allclose(local, plain.ravel(), rtol=0, atol=1e-7)


def weighted_pls(spectra, targets, weights, query, n_components):
    """Improved kernel PLS, number 1 (Dayal & MacGregor 1997), step by step as it is printed."""
    mean, centre = weights @ spectra, weights @ targets
    x, y = spectra - mean, targets - centre
    covariance = x.T @ (weights[:, None] * y)
    rotations, loadings, slopes = [], [], []
    for _ in range(n_components):
        w = np.linalg.svd(covariance, full_matrices=False)[0][:, 0]
        r = w - sum((w @ p) * r for p, r in zip(loadings, rotations, strict=True))
        t = x @ r
        length = t @ (weights * t)
        p, c = x.T @ (weights * t) / length, covariance.T @ r / length
        covariance = covariance - length * np.outer(p, c)
        rotations.append(r)
        loadings.append(p)
        slopes.append(c)
    return centre + ((query - mean) @ np.array(rotations).T) @ np.array(slopes)


@pytest.mark.parametrize("targets", [1, 2])
@pytest.mark.parametrize("h", [1.0, 4.0, np.inf])
def test_against_the_algorithm_as_published(h, targets):
    spectra, values = chemistry(160, 90, targets=targets)
    train, known, queries = spectra[:150], values[:150], spectra[150:]
    space = pls(5).fit(train, known)
    scores, sought = space.x_scores_, space.transform(queries)
    covariance = np.cov(scores.T, bias=True)
    expected = []
    for z, query in zip(sought, queries, strict=True):
        d = np.sqrt(np.einsum("ij,jk,ik->i", scores - z, np.linalg.inv(covariance), scores - z))
        near = np.argsort(d)[:40]
        d = d[near]
        spread = 1.4826 * np.median(np.abs(d - np.median(d)))
        w = np.where(d <= np.median(d) + 4 * spread, np.exp(-d / (h * spread)), 0)
        w = np.ones(40) if np.isinf(h) else np.maximum(w / w.max(), 1e-4)
        expected.append(weighted_pls(train[near], known[near], w / w.sum(), query, 7))
    found = LWPLSRegressor(7, 40, h, 5).fit(train, known).predict(queries)
    np.testing.assert_allclose(found, np.array(expected), rtol=0, atol=1e-7)


def test_it_beats_plain_pls_where_relations_are_curved():
    spectra, values = chemistry(700)
    rest = slice(600, None)
    local = LWPLSRegressor(8, 80, 2.0, 6).fit(spectra[:600], values[:600, 0])
    plain = pls(8).fit(spectra[:600], values[:600, 0])
    errors = [np.std(m.predict(spectra[rest]).ravel() - values[rest, 0]) for m in (local, plain)]
    assert errors[0] < 0.5 * errors[1]


def test_predictions_do_not_depend_on_company(monkeypatch):
    spectra, values = chemistry(130)
    model = LWPLSRegressor(6, 50, 2.0, 5).fit(spectra[:100], values[:100])
    whole = model.predict_all(spectra[100:])
    monkeypatch.setattr("georaster_dl.spectra.methods.lwplsr._BATCH", 50 * 60 * 3)
    np.testing.assert_allclose(model.predict_all(spectra[100:]), whole, atol=1e-10)


def test_more_components_than_the_neighbourhood_has_change_nothing():
    spectra, values = chemistry(40, 30, parts=2)
    flat = spectra.copy()
    flat[:, 3:] = 0  # three bands: three components
    found = LWPLSRegressor(10, 40, np.inf, 2).fit(flat, values).predict_all(flat)
    expected = pls(3).fit(flat, values).predict(flat).reshape(-1, 1)
    for a in range(2, 10):
        np.testing.assert_allclose(found[a], expected, atol=1e-6)


def test_neighbourhoods_of_copies():
    """Where all neighbours are one spectrum, their mean is all that is known."""
    spectra, _ = chemistry(3)
    train = np.repeat(spectra[:2], 30, axis=0)
    values = np.repeat([1.0, 5.0], 30) + np.tile([-0.5, 0.5], 30)
    model = LWPLSRegressor(4, 20, 2.0, 1).fit(train, values)
    found = model.predict(spectra[:2])
    assert np.isfinite(model.predict(spectra[2:])).all()
    assert (np.abs(found - [1, 5]) <= 0.5).all()


def test_a_far_spectrum_is_predicted():
    spectra, values = chemistry(200)
    model = LWPLSRegressor(5, 50, 0.1, 6).fit(spectra, values[:, 0])
    assert np.isfinite(model.predict(spectra[:1] * 1e4)).all()


def test_weights_by_hand():
    def weights_of(distances, h):
        return distance_weights(torch.tensor(distances).double(), torch.tensor(1 / h).double())

    weights = weights_of([[0.0, 1.0, 2.0, 3.0, 8.0]], 2.0)[0]
    spread = 1.4826  # the median is 2, the median deviation from it 1: 8 is too far
    expected = np.array([*np.exp(-np.arange(4) / (2 * spread)), 1e-4])
    np.testing.assert_allclose(weights, expected / expected.sum())
    assert weights_of([[0.0, 1.0, 2.0, 3.0, 8.0]], np.inf).tolist() == [[0.2] * 5]
    assert weights_of([[0.0] * 4], 1.0).tolist() == [[0.25] * 4]
    assert weights_of([[1e6, 1e6 + 1, 1e6 + 2]], 1e-6).isfinite().all()


def test_a_neighbour_of_no_weight_does_not_count():
    generator = torch.Generator().manual_seed(0)
    spectra, targets = (
        torch.randn(1, 12, n, generator=generator, dtype=torch.float64) for n in (8, 1)
    )
    weights = torch.tensor([[1 / 11] * 11 + [0.0]], dtype=torch.float64)
    with_it = local_predictions(spectra.clone(), targets, weights, 4)
    without = local_predictions(spectra[:, :11], targets[:, :11], weights[:, :11], 4)
    np.testing.assert_allclose(with_it, without)


@pytest.mark.parametrize(
    "settings",
    [{"n_components": 0}, {"n_neighbors": 0}, {"n_global": -1}, {"h": 0}, {"metric": "taxi"}],
)
def test_settings_that_cannot_work(settings):
    with pytest.raises(ValueError, match="must be"):
        LWPLSRegressor(**settings).fit(*chemistry(10))


def test_a_space_has_no_more_components_than_the_spectra():
    spectra, values = chemistry(30, 20)
    spectra[:, 2:] = spectra[:, :1]
    space = ScoreSpace.of(spectra, values, 12)
    assert space.n_components == 2
    np.testing.assert_allclose(space.residual(spectra), 0, atol=1e-20)
    assert space.distance(spectra).mean() == pytest.approx(1)
