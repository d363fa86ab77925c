"""The simulated street has rays that end where they say, exact times, and things that move."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "sample_tiles"


@pytest.fixture(scope="module")
def street():
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module("street")
    sys.path.remove(str(FOLDER))


def read(folder, number):
    points = np.fromfile(folder / f"velodyne/{number:06d}.bin", "<f4").reshape(-1, 9)
    return points, np.fromfile(folder / f"labels/{number:06d}.bin", "u1")


@pytest.mark.parametrize("shape", ["box", "ellipsoid", "cylinder"])
def test_rays_end_on_the_surface_that_they_hit_first(street, shape):
    rng = np.random.default_rng(0)
    thing = street.Thing(
        shape, 3, (0.0, 0.0, 0.0), (1.0, 2.0, 0.5) if shape == "box" else (1.0, 1.0, 2.0)
    )
    ray = rng.normal(size=(3, 40, 50))
    ray /= np.linalg.norm(ray, axis=0)
    origin = np.broadcast_to(np.array([4.0, 0.5, 0.3])[:, None, None], (3, 1, 50))
    reach = street.cast(thing, ray, origin, rng)
    hit = np.isfinite(reach)
    half = np.array(thing.half)[:, None]

    def level(reach):
        size = np.abs((origin + ray * reach)[:, hit] / half)
        if shape == "cylinder":
            return np.maximum(np.hypot(size[0], size[1]), size[2])
        return size.max(axis=0) if shape == "box" else np.linalg.norm(size, axis=0)

    assert 20 < hit.sum() < 1000
    there = np.where(hit, reach, 0)
    np.testing.assert_allclose(level(there), 1, atol=1e-9)
    assert (level(there - 1e-6) > 1).all()  # outside before


def test_a_seed_is_a_street_with_exact_times_and_all_classes_but_artefacts(street, tmp_path):
    for name, seed in (("a", 0), ("again", 0), ("b", 1)):
        street.simulate_street(tmp_path / name, rotations=2, seed=seed, fibers=16, firings=360)
    points, labels = read(tmp_path / "a", 1)
    again, _ = read(tmp_path / "again", 1)
    other, _ = read(tmp_path / "b", 1)
    np.testing.assert_array_equal(points, again)
    assert (points[:, 3] != other[:, 3]).mean() > 0.5
    np.testing.assert_allclose(points[:, 8], np.repeat(0.1 + np.arange(360) / 3600, 16), atol=1e-6)
    np.testing.assert_allclose(
        points[:, 4], np.repeat(2 * np.pi * np.arange(360) / 360, 16), atol=1e-5
    )
    assert set(np.unique(labels)) == set(range(9))
    np.testing.assert_array_equal(labels == 0, points[:, 3] == 0)
    # The road is flat, to the noise of the ranges.
    assert np.abs(points[labels == street.ROAD, 2]).max() < 0.1


def test_only_what_is_called_moving_moves(street, tmp_path):
    rng = np.random.default_rng(5)
    made = street.draw_street(rng, 10.0)
    speeds = {kind: {t.speed for t in made.things if t.kind == kind} for kind in range(3, 9)}
    assert speeds[street.STATIC] == speeds[street.BUILDING] == speeds[street.VEGETATION] == {0.0}
    assert min(map(abs, speeds[street.MOVING])) > 5
    walking = np.abs(list(speeds[street.PEDESTRIAN]))
    assert 0.8 <= walking.min() <= walking.max() <= 1.7
