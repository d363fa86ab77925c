"""Clusters are found again where they are clear, and nothing odd breaks them."""

import numpy as np
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.pixels.learn.clustering import choose_k, fit_clusters

METHODS = ["kmeans", "gmm"]
CENTRES = np.array([[0, 0, 5], [100, 0.2, 5], [0, 0.4, 5], [100, 0.8, 5]], np.float32)


def clouds(sizes=(400, 300, 200, 100), seed=0):
    """Pixels around four centres; the bands' units differ a hundredfold, and the last is dead."""
    generator = np.random.default_rng(seed)
    truth = np.repeat(np.arange(4), sizes)
    spread = generator.normal(0, 1, (len(truth), 3)) * [2, 0.01, 0]
    shuffled = generator.permutation(len(truth))
    return (CENTRES[truth] + spread).astype(np.float32)[shuffled], truth[shuffled]


@pytest.mark.parametrize("method", METHODS)
def test_clear_clusters_are_found_and_numbered_by_size(method):
    values, truth = clouds()
    found, distance = fit_clusters(values, 4, method, seed=1).assign(values)
    np.testing.assert_array_equal(found, truth + 1)
    assert distance.dtype == np.float32
    assert np.isfinite(distance).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_clusters(method):
    values = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    first, again = (fit_clusters(values, 5, method, seed=3).assign(values) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])


def test_distance_is_that_to_the_centre_in_standard_deviations():
    values, truth = clouds()
    found = fit_clusters(values, 4, "kmeans", seed=0)
    distance = found.assign(values)[1]
    live = values[:, :2].astype(np.float64)
    scaled = (live - live.mean(axis=0)) / live.std(axis=0)
    centres = np.stack([scaled[truth == i].mean(axis=0) for i in range(4)])
    expected = np.linalg.norm(scaled - centres[truth], axis=1)
    np.testing.assert_allclose(distance, expected, atol=0.02)


def test_distance_in_a_mixture_is_mahalanobis():
    values, truth = clouds()
    distance = fit_clusters(values, 4, "gmm", seed=0).assign(values)[1]
    for i in range(4):
        ours = values[truth == i, :2].astype(np.float64)
        off = ours - ours.mean(axis=0)
        expected = np.sqrt(
            np.einsum("ni,ij,nj->n", off, np.linalg.inv(np.cov(ours.T, ddof=0)), off)
        )
        np.testing.assert_allclose(distance[truth == i], expected, rtol=0.05, atol=0.01)


@pytest.mark.parametrize("method", METHODS)
def test_the_best_silhouette_is_that_of_the_clouds(method):
    values, _ = clouds()
    scores = choose_k(values[:300], method, seed=0)
    assert list(scores) == list(range(2, 21))
    assert max(scores, key=scores.get) == 4


def test_a_band_that_is_dead_in_the_sample_has_no_say():
    values, _ = clouds()
    found = fit_clusters(values, 4, "gmm", seed=0)
    assert found.bands.tolist() == [0, 1]
    odd = values.copy()
    odd[:, 2] = 1e9
    np.testing.assert_array_equal(found.assign(odd)[0], found.assign(values)[0])


def test_too_few_different_pixels_are_an_error():
    values = np.repeat(np.array([[1, 2], [3, 4], [5, 6]], np.float32), 500, axis=0)
    assert len(fit_clusters(values, 3, "kmeans", seed=0).order) == 3
    with pytest.raises(OptionError, match="only 3 different valid pixels"):
        fit_clusters(values, 4, "kmeans", seed=0)
    with pytest.raises(OptionError, match="only 2 different valid pixels"):
        fit_clusters(values[499:501], 4, "kmeans", seed=0)
    with pytest.raises(OptionError, match="same values"):
        fit_clusters(values[:500], 2, "kmeans", seed=0)
    with pytest.raises(OptionError, match="too few to choose"):
        choose_k(values[499:501], "kmeans", seed=0)


def test_few_different_pixels_limit_what_is_tried():
    values = np.repeat(np.array([[1, 2], [3, 4], [5, 6], [7, 7]], np.float32), 50, axis=0)
    assert list(choose_k(values, "kmeans", seed=0)) == [2, 3]
