"""Numbers as colours: what a picture shows of an image, whatever is in it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from georaster_dl.core.legend import MapClass
from georaster_dl.render.colors import class_colors, ramp_limits
from georaster_dl.render.stretch import image_limits, stretched


def smooth(rng, shape):
    """(rows, cols) hills and valleys in 0..1."""
    rows, cols = np.indices(shape)
    waves = sum(
        np.sin(rows * a + cols * b + c)
        for a, b, c in zip(
            rng.uniform(-0.4, 0.4, 6), rng.uniform(-0.4, 0.4, 6), range(6), strict=True
        )
    )
    return (waves - waves.min()) / np.ptp(waves)


def land(rng, shape=(60, 80)):
    """Reflectance of vegetation and soil in red, green, blue."""
    ground = smooth(rng, shape)
    return np.stack([0.05 + 0.1 * ground, 0.07 + 0.06 * ground, 0.04 + 0.03 * ground])


def test_what_is_not_valid_has_no_say():
    image = np.tile(np.linspace(100.0, 200.0, 101), (3, 1, 1))
    image[:, 0, 0] = 1e9
    valid = np.ones((1, 101), bool)
    valid[0, 0] = False
    shown = stretched(image, valid)
    assert shown[0, 1].tolist() == [0, 0, 0]
    assert shown[0, 100].tolist() == [1, 1, 1]
    assert shown[0, 50, 0] == pytest.approx(0.5**0.5, abs=0.02)


def test_one_stretch_for_all_bands_keeps_the_hue():
    image = np.stack([np.full((2, 50), value) for value in (100.0, 200.0, 300.0)])
    image[:, 0] = 0
    assert (np.diff(stretched(image, None)[1, 0]) > 0).all()


def test_haze_is_taken_off_each_band():
    clear = np.random.default_rng(0).uniform(0.02, 0.3, (1, 20, 20)).repeat(3, axis=0)
    hazy = clear + np.array([0.0, 0.05, 0.1])[:, None, None]
    np.testing.assert_allclose(stretched(hazy, None), stretched(clear, None))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("unit", [(1, 0), (10_000, 0), (10_000, 1000), (255, 0)])
def test_clouds_do_not_darken_the_land(share, unit):
    rng = np.random.default_rng(0)
    image = land(rng)
    cloud = np.zeros(image.shape[1:], bool)
    cloud[: round(share * len(cloud))] = True
    alone = stretched(image[:, ~cloud][:, None], None)[0]
    image[:, cloud] = 0.5 + 0.4 * rng.random(cloud.sum())
    seen = stretched(image * unit[0] + unit[1], None)
    assert seen[~cloud].mean() > 0.75 * alone.mean()
    assert seen[cloud].min() > seen[~cloud].mean()
    assert seen[cloud].std() > 0.005  # clouds have a shape, too


def test_water_beside_bright_land_stays_dark():
    rng = np.random.default_rng(0)
    image = np.array([0.45, 0.33, 0.22])[:, None, None] * (0.8 + 0.4 * smooth(rng, (60, 80)))
    image[:, :9] = 0.01 + 0.005 * rng.random((3, 9, 80))
    shown = stretched(image, None)
    assert shown[:9].mean() < 0.2
    assert shown[9:].std() > 0.1


def test_full_cloud_has_structure():
    image = (0.5 + 0.4 * smooth(np.random.default_rng(0), (60, 80)))[None].repeat(3, axis=0)
    assert stretched(image, None).std() > 0.15


def test_a_few_lights_in_the_dark_are_seen():
    image = np.zeros((3, 100, 100))
    image[:, 3, 4] = 0.7
    shown = stretched(image, None)
    assert shown[3, 4].tolist() == [1, 1, 1]
    assert shown.mean() < 0.01


def test_one_number_is_grey():
    assert (stretched(np.full((3, 4, 5), 7.0), None) == 0.5).all()


def test_outliers_have_no_say():
    rng = np.random.default_rng(0)
    image = land(rng)
    odd = image.copy()
    odd.reshape(3, -1)[:, :20] = np.array([1e30, -1e30] * 10)
    assert stretched(odd, None)[1:].mean() == pytest.approx(
        stretched(image, None)[1:].mean(), abs=0.03
    )


def test_decibels_and_bands_of_several_units():
    rng = np.random.default_rng(0)
    image = np.stack(
        [rng.normal(-12, 3, (60, 80)), rng.normal(-19, 3, (60, 80)), rng.normal(900, 200, (60, 80))]
    )
    shown = stretched(image, None)
    assert np.isfinite(shown).all()
    assert (shown.std(axis=(0, 1)) > 0.1).all()


def test_nothing_valid_is_hatched():
    shown = stretched(np.full((3, 40, 40), np.nan), None)
    assert 0.5 < shown.mean() < 1
    assert image_limits(np.full((3, 40, 40), np.nan), None) == [(0, 1)] * 3


def test_limits_of_a_linear_stretch_are_those_of_what_is_below_clouds():
    rng = np.random.default_rng(0)
    image = land(rng)
    image[:, :30] = 0.8
    for low, high in image_limits(image, None):
        assert 0 < low < high < 0.3


def test_classes_in_their_colours():
    colors, known = class_colors(np.array([[1, 7]]), [MapClass(7, "a", (255, 0, 51))])
    assert known.tolist() == [[False, True]]
    assert colors[0, 1].tolist() == [1, 0, 0.2]


@pytest.mark.parametrize(
    ("values", "limits"),
    [
        (np.arange(101.0), (2, 98)),
        (np.array([np.nan, np.inf, 1, 3]), (1.04, 2.96)),
        (np.array([5.0] * 200 + [6.0]), (5, 6)),
        (np.array([200.0, 200.0]), (198, 202)),
        (np.zeros(3), (-1e-6, 1e-6)),
        (np.full(4, np.nan), (0, 1)),
        (np.zeros(0), (0, 1)),
    ],
)
def test_ramp_limits(values, limits):
    low, high = ramp_limits(values)
    assert (low, high) == pytest.approx(limits)


@given(st.lists(st.floats(width=32), max_size=9))
def test_ramp_limits_are_always_two_finite_numbers_in_order(values):
    low, high = ramp_limits(np.array(values, "float32"))
    assert np.isfinite([low, high]).all()
    assert low < high
