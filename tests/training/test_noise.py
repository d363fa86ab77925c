"""What an autoencoder's input suffers."""

import numpy as np
import pytest

from georaster_dl.training.transforms.noise import InputNoise

NOTHING = {"gaussian": 0, "masked": 0, "stripes": 0}


def image(bands=4, side=16, seed=0):
    return np.random.default_rng(seed).normal(size=(bands, side, side)).astype(np.float32)


def sample(seed=0, given=None, valid=None, **strengths):
    given = image() if given is None else given
    valid = np.ones(given.shape[1:], bool) if valid is None else valid
    return InputNoise(**NOTHING | strengths).sample(np.random.default_rng(seed), given, valid)


def test_nothing_is_a_plain_autoencoder():
    given, target = sample()
    assert np.array_equal(given, image())
    assert np.array_equal(target, image())


def test_it_follows_from_the_generator_and_leaves_what_came_in():
    clean = image()
    strong = {"gaussian": 0.1, "masked": 0.3, "stripes": 0.2}
    first, again, other = (sample(seed, clean, **strong)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(clean, image())
    assert first.dtype == np.float32


@pytest.mark.parametrize("strengths", [NOTHING, {"gaussian": 0.5, "masked": 0.5, "stripes": 0.5}])
def test_what_is_not_valid_is_neither_given_nor_wanted(strengths):
    valid = np.random.default_rng(3).random((16, 16)) < 0.5
    given, target = sample(valid=valid, **strengths)
    assert not given[:, ~valid].any()
    assert np.isnan(target[:, ~valid]).all()
    assert np.array_equal(target[:, valid], image()[:, valid])


def test_white_noise_has_the_deviation_asked_for():
    clean = image(side=200)
    noise = sample(given=clean, gaussian=0.1)[0] - clean
    assert noise.std() == pytest.approx(0.1, rel=0.02)
    assert abs(np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]) < 0.01


@pytest.mark.parametrize(("bands", "share"), [(3, 0.3), (10, 0.3), (200, 0.3), (10, 0.05)])
def test_the_share_of_masked_bands_holds_on_average(bands, share):
    masked = []
    for seed in range(400):
        given = sample(seed, image(bands, side=2), masked=share)[0]
        masked.append((~given.any(axis=(1, 2))).sum())
    assert np.mean(masked) / bands == pytest.approx(share, rel=0.15)
    assert min(masked) <= 0.01 * bands  # whole spectra are seen too


@pytest.mark.parametrize("bands", [1, 2, 5])
def test_never_all_bands_are_masked(bands):
    for seed in range(100):
        assert sample(seed, image(bands), masked=0.99)[0].any()


def test_stripes_are_constant_along_columns_or_rows_of_each_band():
    ways = set()
    for seed in range(20):
        offsets = sample(seed, stripes=0.5)[0] - image()
        down = bool((np.ptp(offsets, axis=1) < 1e-5).all())
        across = bool((np.ptp(offsets, axis=2) < 1e-5).all())
        assert down != across
        assert np.ptp(offsets[0] - offsets[1]) > 0.1
        ways.add(down)
    assert ways == {True, False}
