"""The shift between two images, from windows whose contents were moved by known distances."""

import itertools

import numpy as np
import pytest
from scipy import ndimage

from georaster_dl.io.scenes.checks.shift import estimate_shift, window_shift
from georaster_dl.io.scenes.reader import open_scene


@pytest.fixture
def image():
    """Two bands of smooth texture, (2, 80, 80)."""
    noise = np.random.default_rng(0).normal(size=(2, 80, 80))
    return ndimage.gaussian_filter(noise, (0, 1.5, 1.5)).astype(np.float32)


@pytest.mark.parametrize("moved", [(0, 0), (1, 0), (-3, 2), (0.5, -0.25), (0.1, 4.6)])
def test_a_window_that_was_moved(image, moved):
    after = np.stack([ndimage.shift(band, moved, order=5, mode="nearest") for band in image])
    crop = slice(None), slice(8, 72), slice(8, 72)
    assert window_shift(image[crop], after[crop]) == pytest.approx(moved, abs=0.06)


def test_other_brightness_and_noise_do_no_harm(image):
    noise = np.random.default_rng(1).normal(scale=image.std() / 2, size=image.shape)
    after = (np.roll(image, 1, axis=1) * 0.4 + 7 + noise).astype(np.float32)
    assert window_shift(image, after) == pytest.approx((1, 0), abs=0.1)


@pytest.mark.parametrize("kind", ["noise", "flat", "mostly invalid"])
def test_no_texture_in_common_is_no_shift(image, kind):
    after = {
        "noise": np.random.default_rng(5).normal(size=image.shape).astype(np.float32),
        "flat": np.zeros_like(image),
        "mostly invalid": np.where(np.arange(80) < 40, image, np.nan),
    }[kind]
    assert window_shift(image, after) is None
    assert estimate_shift([(image, after)]) is None


def test_invalid_pixels_do_not_count(image):
    after = np.roll(image, (2, -1), axis=(1, 2))
    after[:, 30:45, 10:50] = np.nan
    assert window_shift(image, after) == pytest.approx((2, -1), abs=0.1)


def test_the_median_of_windows_outlives_a_wrong_window(image):
    right = image, np.roll(image, 1, axis=2)
    wrong = image, np.roll(image, 9, axis=1)
    found = estimate_shift([right, right, wrong, right])
    assert (found.windows, found.spread) == (4, 0)
    assert (found.rows, found.cols) == pytest.approx((0, 1), abs=0.06)
    assert found.pixels == pytest.approx(1, abs=0.06)


@pytest.mark.realdata
def test_shifts_of_three_dates_add_up(real_data):
    """Sentinel-2 products before 2021 lie up to a pixel off each other."""
    images = [
        open_scene(real_data / "s2_slovenia" / f"scene_{n}.tif").read().select("B02", "B03", "B04")
        for n in (3, 4, 5)
    ]
    windows = [slice(start, start + 64) for start in (0, 18, 36)]

    def shift(one, other):
        return estimate_shift(
            (one.array[:, rows, cols], other.array[:, rows, cols])
            for rows, cols in itertools.product(windows, windows)
        )

    first, second, both = (shift(images[i], images[j]) for i, j in ((0, 1), (1, 2), (0, 2)))
    assert (both.rows, both.cols) == pytest.approx(
        (first.rows + second.rows, first.cols + second.cols), abs=0.15
    )
    assert both.pixels > 0.8
    assert max(each.spread for each in (first, second, both)) < 0.2
