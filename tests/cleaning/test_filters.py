"""Majority filter and Bayesian smoothing, against plain computations of every pixel."""

import math

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from georaster_dl.cleaning import steps
from georaster_dl.cleaning.options import CleaningOptions
from georaster_dl.cleaning.smoothing import log_odds, smoothed
from georaster_dl.cleaning.steps import Probabilities, clean_pixels, smallest_area
from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend, MapClass

LEGEND = Legend(
    (
        MapClass(1, "water", (0, 0, 255)),
        MapClass(4, "forest", (0, 99, 0)),
        MapClass(9, "field", (255, 255, 0)),
    )
)
UTM = GeoBox.from_bbox((500_000, 5_000_000, 500_400, 5_000_300), "EPSG:32633", resolution=10)


def probabilities(shape, seed=0, holes=0.0):
    rng = np.random.default_rng(seed)
    drawn = rng.dirichlet([0.5, 0.4, 0.3], shape).transpose(2, 0, 1)
    drawn[:, rng.random(shape) < holes] = np.nan
    return drawn


def by_pixel(drawn, side, share, smoothness, least):
    """Camara et al. (2024), eq. of the posterior mean, pixel by pixel."""
    p = np.clip(drawn, least, 1 - least)
    x = np.log(p / (p.sum(axis=0) - p))
    leg = side // 2
    wide = np.pad(x, ((0, 0), (leg, leg), (leg, leg)), mode="symmetric")
    out = np.full(x.shape, np.nan)
    for band, row, col in np.ndindex(*x.shape):
        square = wide[band, row : row + side, col : col + side].ravel()
        square = np.sort(square[~np.isnan(square)])[::-1]
        highest = square[: math.ceil(share * len(square))]
        if len(highest) < 2 or np.isnan(x[band, row, col]):
            continue
        mean, variance = highest.mean(), highest.var(ddof=1)
        out[band, row, col] = (variance * x[band, row, col] + smoothness[band] * mean) / (
            variance + smoothness[band]
        )
    return out


@pytest.mark.parametrize(("share", "holes"), [(0.5, 0.0), (1.0, 0.1), (0.3, 0.4)])
def test_smoothed_log_odds_are_those_of_a_plain_computation(share, holes):
    drawn, smoothness = probabilities((17, 13), holes=holes), np.array([20.0, 3.0, 60.0])
    around = np.pad(log_odds(drawn, 1e-4), ((0, 0), (2, 2), (2, 2)), mode="symmetric")
    made = smoothed(around, smoothness, 5, share)
    expected = by_pixel(drawn, 5, share, smoothness, 1e-4)
    assert np.allclose(made, expected, rtol=0, atol=1e-10, equal_nan=True)


def test_classes_are_chosen_by_smoothed_probabilities_for_any_windows(monkeypatch):
    drawn = probabilities((40, 30), holes=0.05)
    values = np.array(LEGEND.values, np.uint8)
    known = ~np.isnan(drawn[0])
    pixels = np.where(known, values[np.nan_to_num(drawn).argmax(axis=0)], LEGEND.nodata).astype(
        "u1"
    )
    options = CleaningOptions(smooth=True, smooth_strength="20,forest=5", smooth_window=5)
    planes = Probabilities(LEGEND.names, lambda rows, cols: drawn[:, rows, cols], 1e-4)
    odds = by_pixel(drawn, 5, 0.5, [20, 5, 20], 1e-4)
    expected = np.where(known, values[np.nan_to_num(odds).argmax(axis=0)], LEGEND.nodata)
    for block in (256, 8):
        monkeypatch.setattr(steps, "_BLOCK", block)
        monkeypatch.setattr(steps, "_LOG_ODDS", 3 * block**2)
        made = pixels.copy()
        clean_pixels(made, LEGEND, UTM, options, planes)
        assert np.array_equal(made, expected)
    assert (expected != pixels).mean() > 0.1


def test_a_majority_is_that_of_a_plain_count_for_any_strips(monkeypatch):
    rng = np.random.default_rng(3)
    pixels = rng.choice(np.array([1, 4, 9, 255], np.uint8), (25, 18), p=[0.4, 0.3, 0.2, 0.1])
    wide = np.pad(pixels, 2, constant_values=255)
    expected = pixels.copy()
    for row, col in np.argwhere(pixels != 255):
        counts = np.bincount(wide[row : row + 5, col : col + 5].ravel(), minlength=256)
        counts[255] = 0
        if counts[pixels[row, col]] < counts.max():
            expected[row, col] = counts.argmax()
    for strip in (2**20, 3 * 18, 18):
        monkeypatch.setattr(steps, "_STRIP_PIXELS", strip)
        made = pixels.copy()
        clean_pixels(made, LEGEND, UTM, CleaningOptions(majority=5))
        assert np.array_equal(made, expected)


def test_areas_on_the_ground_become_pixels():
    assert smallest_area(UTM, "0.09ha")[0] == 9  # of 100 m2 each
    assert smallest_area(UTM, "801m2")[0] == 8.01
    assert smallest_area(UTM, "9px")[0] == 9
    degrees = GeoBox.from_bbox((10, 0, 11, 60), "EPSG:4326", resolution=0.5)
    least, weights = smallest_area(degrees, "1000km2")
    # A cell of 0.5 degrees at the equator, at row -1, and at 60 degrees north.
    assert weights[-1] / least == pytest.approx(3.077, rel=0.01)
    assert weights[0] / weights[-1] == pytest.approx(0.5, rel=0.02)


def test_areas_on_the_ground_are_refused_where_pixels_have_none():
    nowhere = GeoBox((4, 5), UTM.affine, None)
    with pytest.raises(OptionError, match="no CRS"):
        smallest_area(nowhere, "1ha")


def test_probabilities_of_other_classes_are_refused():
    planes = Probabilities(["water", "snow"], lambda rows, cols: None, 1e-4)
    with pytest.raises(OptionError, match="snow"):
        clean_pixels(np.ones((3, 3), np.uint8), LEGEND, UTM, CleaningOptions(smooth=True), planes)


@pytest.mark.parametrize(
    "wrong",
    [
        {"majority": 4},
        {"smooth_share": 0},
        {"smooth_strength": "20,water"},
        {"smooth_strength": 0},
        {"sieve": "5"},
    ],
)
def test_impossible_options_are_refused(wrong):
    with pytest.raises(OptionError):
        CleaningOptions(**wrong)
