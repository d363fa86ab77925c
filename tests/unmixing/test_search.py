"""Members are found in scenes, and their number is told from noise."""

import numpy as np
import pytest

from georaster_dl.core.errors import SceneError
from georaster_dl.unmixing.number import error_curve, signal_dimension
from georaster_dl.unmixing.search import SEARCHES, find_members


def scene_of(count=4, bands=50, pixels=2000, noise=0.0, seed=0):
    """Spectra (pixels, bands) with the pure ones among them, and members."""
    random = np.random.default_rng(seed)
    members = 0.4 + 0.05 * random.normal(0, 1, (count, bands)).cumsum(1)
    shares = random.dirichlet(np.full(count, 0.7), pixels)
    shares[:count] = np.eye(count)
    return shares @ members + noise * random.normal(0, 1, (pixels, bands)), members


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("seed", range(3))
def test_pure_pixels_are_found_exactly(search, seed):
    spectra, members = scene_of(seed=seed)
    found = find_members(spectra, 4, search, seed=seed)
    assert set(found) == set(range(4))
    assert np.abs(np.sort(spectra[found], axis=0) - np.sort(members, axis=0)).max() == 0


@pytest.mark.parametrize("search", SEARCHES)
def test_members_are_near_the_pure_ones_under_noise(search):
    spectra, members = scene_of(noise=0.005)
    found = spectra[find_members(spectra, 4, search, seed=0)]
    sizes = np.linalg.norm(found, axis=1)[:, None] * np.linalg.norm(members, axis=1)
    angles = np.arccos(np.clip(found @ members.T / sizes, -1, 1))
    assert angles.min(axis=0).max() < 0.1


@pytest.mark.parametrize("search", SEARCHES)
def test_the_seed_fixes_the_members_and_the_brightest_is_first(search):
    spectra, _ = scene_of(noise=0.02)
    first, again = (find_members(spectra, 4, search, seed=3) for _ in range(2))
    assert (first == again).all()
    assert (np.diff(spectra[first].mean(axis=1)) <= 0).all()


def test_more_members_than_the_scene_holds_are_refused():
    spectra, _ = scene_of(count=3)
    with pytest.raises(SceneError, match="at most 3 members, but `k=` is 5"):
        find_members(spectra.astype(np.float32), 5, "nfindr", seed=0)


def test_equal_pixels_are_refused():
    with pytest.raises(SceneError, match="0 directions"):
        find_members(np.full((100, 8), 0.3), 2, "nfindr", seed=0)


@pytest.mark.parametrize("count", [2, 3, 5, 7])
@pytest.mark.parametrize("noise", [0.001, 0.005])
def test_the_number_of_members_is_told(count, noise):
    spectra, _ = scene_of(count=count, bands=80, pixels=3000, noise=noise)
    curve = error_curve(spectra, "nfindr", seed=0)
    assert curve.chosen == count
    assert curve.dimension == count
    assert abs(curve.noise - noise) < 0.2 * noise


def test_no_members_leave_less_than_as_many_components():
    spectra, _ = scene_of(noise=0.01)
    curve = error_curve(spectra, "nfindr", seed=0)
    assert list(curve.rmse) == list(range(2, 13))
    # Members are fitted to part of the spectra, whose components differ a little.
    assert all(curve.rmse[k] > 0.95 * curve.components[k] for k in curve.rmse)


def test_the_curve_ends_where_the_scene_without_noise_does():
    curve = error_curve(scene_of(count=3)[0].astype(np.float32), "nfindr", seed=0)
    assert list(curve.rmse)[-1] <= 4
    assert curve.chosen == 3


def test_a_scene_without_noise_has_no_dimension():
    assert signal_dimension(scene_of()[0])[1] is None
