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


# ---- hidden squares


def hide(seed=0, given=None, valid=None, **strengths):
    return sample(
        seed, image(side=32) if given is None else given, valid, **{"hidden": 0.6} | strengths
    )


def test_hidden_squares_have_a_plane_of_their_own_and_are_the_only_targets():
    given, target = hide()
    hidden = given[-1] == 1
    assert given.shape == (5, 32, 32)
    assert not given[:-1, hidden].any()
    assert np.array_equal(given[:-1, ~hidden], image(side=32)[:, ~hidden])
    assert np.array_equal(target[:, hidden], image(side=32)[:, hidden])
    assert np.isnan(target[:, ~hidden]).all()


def phases(hidden, side=8):
    """Positions of a grid of which all squares are wholly hidden or wholly seen."""
    spots = [(row, col) for row in range(side) for col in range(side)]
    found = []
    for row, col in spots:
        whole = np.pad(
            hidden,
            ((row, -(row + hidden.shape[0]) % side), (col, -(col + hidden.shape[1]) % side)),
            mode="edge",
        )
        cells = whole.reshape(whole.shape[0] // side, side, -1, side)
        if not np.ptp(cells.astype(int), axis=(1, 3)).any():
            found.append((row, col))
    return found


def test_squares_are_whole_as_many_as_the_share_says_and_elsewhere_in_each_patch():
    masks = [hide(seed)[0][-1] == 1 for seed in range(40)]
    grids = [phases(mask) for mask in masks]
    assert all(grids)
    assert len({grid[0] for grid in grids}) > 15
    assert np.mean(masks) == pytest.approx(0.6, abs=0.03)


def test_only_squares_with_valid_pixels_are_hidden():
    valid = np.zeros((32, 32), bool)
    valid[:8] = True
    given, target = hide(valid=valid, squares=4)
    hidden = given[-1] == 1
    assert not hidden[8:].any()
    assert 0.4 < hidden[:8].mean() < 0.8
    assert np.isnan(target[:, ~valid]).all()


def test_hidden_values_tell_the_network_nothing():
    """Whatever stands in hidden pixels, and be it NaN, the network is given the same."""
    strengths = {"gaussian": 0.1, "masked": 0.4, "stripes": 0.1}
    given, target = hide(3, **strengths)
    spoilt = np.where(np.isfinite(target), np.float32(np.nan), image(side=32))
    assert np.array_equal(hide(3, spoilt, **strengths)[0], given)


def test_masked_bands_are_targets_where_their_pixels_are_seen():
    for seed in range(20):
        given, target = hide(seed, masked=0.5)
        hidden = given[-1] == 1
        absent = ~given[:-1].any(axis=(1, 2))
        assert np.isfinite(target[absent]).all()
        assert np.isnan(target[~absent][:, ~hidden]).all()


def test_a_patch_without_a_valid_pixel_hides_nothing():
    given, target = hide(valid=np.zeros((32, 32), bool))
    assert not given.any()
    assert np.isnan(target).all()
