"""Augmentation moves everything together, and touches only what was measured."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from georaster_dl.core.bands import Band, named_bands
from georaster_dl.core.errors import OptionError
from georaster_dl.core.modalities import with_modality
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.transforms.augment import Augmentation, Optics

NONE = Augmentation(scale=0, dihedral=False, gain=0, band_gain=0, haze=0, offset=0, noise=0)
ALL = Augmentation(scale=0.5, band_dropout=0.5)
ORIGIN = np.array([-2.0, -1.5, -1.0], np.float32)


def rng(seed=0):
    return np.random.default_rng(seed)


def patch(side=16, seed=0, bands=3):
    generator = rng(seed)
    image = generator.normal(size=(bands, side, side)).astype(np.float32)
    valid = generator.random((side, side)) > 0.2
    return np.where(valid, image, np.float32(0)), valid, generator.integers(-1, 5, (side, side))


def applied(augmentation, triple, *, seed=1, side=16, origin=ORIGIN, modalities=None):
    plain = np.zeros(len(origin), np.float32)
    optics = Optics(np.asarray(origin, np.float32), plain, plain + 1, modalities or {})
    return augmentation.apply(rng(seed), *triple, patch=side, optics=optics)


def same(a, b):
    return all(np.array_equal(x, y, equal_nan=True) for x, y in zip(a, b, strict=True))


def test_without_strength_nothing_changes():
    triple = patch()
    assert same(applied(NONE, triple), triple)
    assert NONE.window(rng(), 100) == 100


def test_the_same_seed_gives_the_same_patch():
    triple = patch(20)
    assert same(applied(ALL, triple, seed=3), applied(ALL, triple, seed=3))
    assert not same(applied(ALL, triple, seed=3), applied(ALL, triple, seed=4))
    assert [ALL.window(rng(5), 99) for _ in range(2)] == [ALL.window(rng(5), 99)] * 2


@given(seed=st.integers(0, 2**31), side=st.sampled_from([13, 16, 23]))
def test_what_comes_in_stays_and_what_comes_out_is_its_own(seed, side):
    triple = patch(side)
    kept = [array.copy() for array in triple]
    image, valid, target = applied(ALL, triple, seed=seed)
    assert (image.shape, valid.shape, target.shape) == ((3, 16, 16), (16, 16), (16, 16))
    assert (image.dtype, valid.dtype, target.dtype) == (np.float32, bool, triple[2].dtype)
    assert np.isfinite(image).all()
    assert (image[:, ~valid] == 0).all()
    image[:], valid[:], target[:] = 9, True, 9
    assert same(triple, kept)


def test_all_eight_positions_come_and_move_everything_together():
    marks = np.arange(16.0, dtype=np.float32).reshape(4, 4)
    seen = set()
    for seed in range(100):
        image, valid, target = applied(
            Augmentation(scale=0, gain=0, band_gain=0, haze=0, offset=0, noise=0),
            (marks[None] + 1, marks % 5 > 0, marks),
            seed=seed,
            side=4,
            origin=ORIGIN[:1],
        )
        assert np.array_equal(image[0], np.where(target % 5 > 0, target + 1, 0))
        assert np.array_equal(valid, target % 5 > 0)
        seen.add(tuple(target.ravel()))
    assert len(seen) == 8


def test_radiometry_leaves_target_and_nodata():
    triple = patch()
    strong = Augmentation(
        scale=0, dihedral=False, gain=1, band_gain=1, offset=1, noise=1, band_dropout=1
    )
    image, valid, target = applied(strong, triple)
    assert same((valid, target), triple[1:])
    assert (image[:, ~valid] == 0).all()
    assert not np.array_equal(image, triple[0])


def test_a_gain_acts_on_physical_values():
    """Reflectances times a common factor: their ratios between bands stay."""
    mean, std = np.array([0.1, 0.2, 0.4]), np.array([0.05, 0.1, 0.4])
    physical = rng().uniform(0.05, 0.8, (3, 16, 16))
    valid = np.ones((16, 16), bool)
    normalised = ((physical - mean[:, None, None]) / std[:, None, None]).astype(np.float32)
    gain = Augmentation(scale=0, dihedral=False, gain=0.5, band_gain=0, haze=0, offset=0, noise=0)
    image, *_ = applied(gain, (normalised, valid, valid * 1), origin=-mean / std)
    factors = (image * std[:, None, None] + mean[:, None, None]) / physical
    assert factors == pytest.approx(factors[0, 0, 0], rel=1e-4)
    assert abs(factors[0, 0, 0] - 1) > 0.01


def test_offsets_have_the_stated_spread_and_are_per_band():
    offset = Augmentation(scale=0, dihedral=False, gain=0, band_gain=0, offset=0.3, noise=0)
    flat = np.zeros((2, 1, 1), np.float32), np.ones((1, 1), bool), np.zeros((1, 1))
    shifts = np.array(
        [applied(offset, flat, seed=s, side=1, origin=ORIGIN[:2])[0].ravel() for s in range(2000)]
    )
    assert shifts.std(axis=0) == pytest.approx([0.3, 0.3], rel=0.1)
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.1


def test_noise_is_white_and_at_most_as_strong_as_stated():
    noisy = Augmentation(scale=0, dihedral=False, gain=0, band_gain=0, offset=0, noise=0.2)
    flat = np.zeros((1, 64, 64), np.float32), np.ones((64, 64), bool), np.zeros((64, 64))
    noises = [applied(noisy, flat, seed=s, side=64, origin=ORIGIN[:1])[0][0] for s in range(40)]
    levels = np.array([noise.std() for noise in noises])
    assert levels.max() < 0.21
    assert levels.mean() == pytest.approx(0.1, rel=0.3)
    strongest = noises[levels.argmax()]
    assert abs((strongest[:, 1:] * strongest[:, :-1]).mean()) < 0.05 * strongest.var()


@pytest.mark.parametrize("bands", [1, 2, 6])
def test_dropout_leaves_at_least_one_band(bands):
    drop = Augmentation(
        scale=0, dihedral=False, gain=0, band_gain=0, offset=0, noise=0, band_dropout=1
    )
    ones = np.ones((bands, 1, 1), np.float32), np.ones((1, 1), bool), np.zeros((1, 1))
    left = [
        applied(drop, ones, seed=s, side=1, origin=np.zeros(bands))[0].ravel() for s in range(2000)
    ]
    counts = np.sum(left, axis=1)
    assert set(counts) == ({1} if bands == 1 else set(range(1, bands)))
    if bands == 6:
        assert np.mean(left, axis=0).std() < 0.1
        assert (counts == 5).mean() == pytest.approx(0.5, abs=0.05)


SENSORS = {"optical": [0, 1, 2], "radar": [3, 5], "lidar": [4]}


def left_modalities(**settings):
    """Whether each modality is left, (patches, modalities); none is left in part."""
    drop = replace(NONE, **settings)
    ones = np.ones((6, 1, 1), np.float32), np.ones((1, 1), bool), np.zeros((1, 1))
    made = [
        applied(drop, ones, seed=s, side=1, origin=np.zeros(6), modalities=SENSORS)[0].ravel()
        for s in range(1000)
    ]
    bands = np.array(made) != 0
    for places in SENSORS.values():
        assert (bands[:, places].all(1) == bands[:, places].any(1)).all()
    return bands[:, [0, 3, 4]]


def test_modalities_are_dropped_whole_as_often_as_stated_and_one_is_kept():
    assert left_modalities().all()
    left = left_modalities(modality_dropout=0.3)
    assert (1 - left.mean(0)) == pytest.approx([0.3] * 3, abs=0.05)
    most = left_modalities(modality_dropout=0.99)
    assert most.any(1).all()
    assert most.mean(0) == pytest.approx([1 / 3] * 3, abs=0.06)


def test_a_needed_modality_is_never_dropped():
    left = left_modalities(modality_dropout=0.9, needed_modalities=("optical",))
    assert left[:, 0].all()
    assert (1 - left[:, 1:].mean(0)) == pytest.approx([0.9, 0.9], abs=0.05)


@pytest.mark.parametrize(
    ("names", "settings", "told"),
    [
        (
            ("B02", "VV"),
            {"needed_modalities": ("lidar",)},
            "'lidar', but the bands are of optical, radar",
        ),
        (("B02", "B03"), {}, "all bands are of one .optical."),
    ],
)
def test_modalities_that_cannot_be_dropped_are_refused(names, settings, told):
    bands = [with_modality(band) for band in named_bands(names)]
    with pytest.raises(OptionError, match=told):
        Augmentation(modality_dropout=0.2, **settings).check_modalities(bands)


@given(seed=st.integers(0, 2**31))
def test_windows_lie_within_the_zoom(seed):
    side = Augmentation(scale=0.5).window(rng(seed), 90)
    assert 60 <= side <= 135


def test_zoom_is_even_in_its_logarithm():
    sides = [Augmentation(scale=0.5).window(rng(seed), 900) for seed in range(2000)]
    assert np.mean(np.log(np.array(sides) / 900)) == pytest.approx(0, abs=0.02)
    assert min(sides) < 620
    assert max(sides) > 1300


@given(seed=st.integers(0, 2**31), side=st.integers(1, 40), value=st.floats(-3, 3))
def test_a_constant_stays_constant_beside_nodata(seed, side, value):
    valid = rng(seed).random((side, side)) > 0.4
    image = np.where(valid, np.float32(value), np.float32(9e9))[None]
    zoomed, valid, _ = applied(NONE, (image, valid, valid * 1), origin=ORIGIN[:1])
    assert zoomed[0][valid] == pytest.approx(np.float32(value), rel=1e-5, abs=1e-5)
    assert (zoomed[0][~valid] == 0).all()


@pytest.mark.parametrize("side", [8, 11, 24, 32])
def test_zoom_keeps_the_place_of_things(side):
    """A ramp stays a ramp between the same ends, in the image and in the target."""
    ramp = np.broadcast_to((np.arange(side) + 0.5) / side, (side, side)).astype(np.float32)
    valid = np.broadcast_to(np.arange(side)[:, None] < side // 2, (side, side))
    image, kept, target = applied(NONE, (ramp[None], valid, ramp), origin=ORIGIN[:1])
    expected = (np.arange(16) + 0.5) / 16
    assert image[0, 0, 2:-2] == pytest.approx(expected[2:-2], abs=0.1 / 16)
    assert np.abs(target[0] - expected).max() <= 0.5 / min(side, 16) + 1e-6
    assert np.array_equal(kept[:, 0], expected < (side // 2) / side)


def test_zoom_keeps_unlabelled_nan_and_classes():
    image, valid, target = patch(23)
    values = np.where(target < 0, np.nan, target)
    for labels in (target, values):
        *_, out = applied(NONE, (image, valid, labels))
        assert np.isin(out[~np.isnan(out)], labels).all()
        assert np.isnan(out).any() == np.isnan(labels).any()


@pytest.mark.parametrize(
    ("strengths", "message"),
    [
        ({"gain": -0.1}, "augment.gain = -0.1: .* greater than or equal to 0"),
        ({"noise": float("nan")}, "augment.noise = nan: .* finite number"),
        ({"band_dropout": 1.5}, "augment.band_dropout = 1.5: .* less than 1"),
        ({"gian": 0.1}, r"unknown key 'augment.gian' \(did you mean 'gain'"),
    ],
)
def test_impossible_strengths_are_refused(strengths, message):
    with pytest.raises(OptionError, match=message):
        TrainConfig.of({"augment": strengths})


def test_the_defaults_are_those_of_a_training():
    assert TrainConfig().augment == Augmentation()


def test_haze_adds_less_the_longer_the_wavelength():
    """In physical units: most to blue, to the others by a power of their wavelength."""
    bands = (*named_bands(["B02", "B04", "B12"]), Band("ndvi"))
    mean, std = np.array([0.05, 0.08, 0.2, 0.5]), np.array([0.02, 0.04, 0.1, 0.2])
    optics = Optics.of(bands, mean, std)
    hazy = Augmentation(scale=0, dihedral=False, gain=0, band_gain=0, haze=0.5, offset=0, noise=0)
    flat = np.zeros((4, 1, 1), np.float32), np.ones((1, 1), bool), np.zeros((1, 1), int)
    for seed in range(50):
        image, *_ = hazy.apply(rng(seed), *flat, patch=1, optics=optics)
        added = image.ravel() * std
        assert abs(added[0]) <= 0.5 * std[0] * (1 + 1e-6)
        power = np.log(added[1] / added[0]) / np.log(664.6 / 492.4)
        assert -2.2 <= power <= -0.8
        assert np.log(added[2] / added[0]) / np.log(2202.4 / 492.4) == pytest.approx(
            power, rel=1e-3
        )
        assert added[3] == 0  # nobody knows how haze acts on it
