"""Inputs of networks: normalisation, pixels that are drawn, augmentation."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from georaster_dl.core.errors import OptionError
from georaster_dl.timeseries.learning.augment import SeriesAugmentation
from georaster_dl.timeseries.learning.forest import SeriesForest, interpolated
from georaster_dl.timeseries.learning.inputs import SeriesInputs, SeriesScaling, pixel_means
from tests.timeseries.made import crops, with_radar


def inputs_of(samples, kind="pixel"):
    return SeriesInputs.of(samples, SeriesScaling.of(samples), "01-01", kind)


def test_bands_are_normalised_by_their_valid_values_and_masked_ones_are_zero():
    samples = crops(clouds=0.4)
    (series,), geometry = inputs_of(samples).batch()
    seen = series.values[series.valid]
    torch.testing.assert_close(seen.mean(0), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(seen.std(0, correction=0), torch.ones(2), atol=1e-4, rtol=0)
    assert not series.values[~series.valid].any()
    assert series.valid.tolist() == samples.sensors[0].valid.tolist()
    assert geometry is None


def test_days_of_all_sensors_are_of_the_same_season():
    samples = with_radar(crops())
    optical, radar = samples.days("01-01")
    assert radar[0].tolist() == [31, 43, 55, 67, 79]
    first = samples.sensors[0].dates[:, 0] - np.datetime64("2017-01-01")
    assert optical[:, 0].tolist() == first.astype(int).tolist()


def test_pixels_are_drawn_anew_and_those_never_clear_come_last():
    samples = crops(n=4, pixels=10, clouds=0)
    values = samples.sensors[0].values.copy()
    values[:, :, :, 6:] = np.nan
    samples = replace(samples, sensors=(replace(samples.sensors[0], values=values),))
    inputs = inputs_of(samples, "set").in_training(SeriesAugmentation(), 5)
    first, second = (inputs.batch()[0][0] for _ in range(2))
    assert first.values.shape == (4, 12, 2, 5)
    assert first.valid.all()
    assert not torch.equal(first.values, second.values)
    whole = inputs_of(samples, "set").batch()[0][0]
    assert whole.values.shape[3] == 10
    assert whole.valid.sum() == 4 * 12 * 6


def test_a_network_of_pixels_sees_the_mean_of_a_parcel():
    values = np.array([[[[1.0, 3.0, np.nan]], [[np.nan] * 3]]], np.float32)
    assert pixel_means(values)[0, 0, 0] == 2
    assert np.isnan(pixel_means(values)[0, 1, 0])
    (series,), geometry = inputs_of(crops(pixels=3)).batch()
    assert series.values.shape == (60, 12, 2)
    assert geometry.shape == (60, 4)


def test_a_network_of_sets_sees_a_pixel_as_a_set_of_one():
    (series,), _ = inputs_of(crops(), "set").batch()
    assert series.values.shape == (60, 12, 2, 1)
    assert series.valid.shape == (60, 12, 1)


def batch(n=200, pixels=None):
    return inputs_of(crops(n, clouds=0, pixels=pixels), "set" if pixels else "pixel").batch()[0]


def test_dropout_leaves_out_up_to_its_share_of_dates():
    (series,) = SeriesAugmentation(dropout=0.5).apply(batch())
    lost = 1 - series.valid.float().mean(1)
    assert 0.2 < lost.mean() < 0.3
    assert lost.std() > 0.1


def test_without_strength_and_moved_by_no_day_series_stay_as_they_are():
    for augmentation in (SeriesAugmentation(), SeriesAugmentation(shift=1e-30)):
        (series,), (expected,) = augmentation.apply(batch()), batch()
        assert torch.equal(series.values, expected.values)
        torch.testing.assert_close(series.days, expected.days, rtol=0, atol=1e-20)
        assert torch.equal(series.valid, expected.valid)


def test_all_sensors_of_a_sample_are_moved_alike():
    sensors, _ = inputs_of(with_radar(crops())).batch()
    moved = SeriesAugmentation(shift=10).apply(sensors)
    by = [(a.days - b.days).mean(1) for a, b in zip(moved, sensors, strict=True)]
    torch.testing.assert_close(by[0], by[1], atol=1e-3, rtol=0)
    assert 5 < by[0].std() < 15


def test_noise_is_in_standard_deviations():
    (series,) = SeriesAugmentation(noise=0.5).apply(batch())
    assert (series.values - batch()[0].values).std() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("pixels", [None, 3])
def test_some_seasons_end_early(pixels):
    (before,), (after,) = (
        batch(pixels=pixels),
        SeriesAugmentation(early=0.5).apply(batch(pixels=pixels)),
    )
    valid = after.valid if pixels is None else after.valid[..., 0]
    cut = ~valid.all(1)
    assert 0.3 < cut.float().mean() < 0.6
    last = before.days.masked_fill(~valid, 0).amax(1, keepdim=True)
    assert torch.equal(valid, before.days <= last)


@pytest.mark.parametrize(
    ("augment", "message"),
    [({"blur": 1}, "named 'blur'"), ({"dropout": 2}, "at most 1"), ({"shift": -1}, "at least 0")],
)
def test_strengths_that_cannot_work_are_refused(augment, message):
    with pytest.raises(OptionError, match=message):
        SeriesAugmentation.of(augment, early=False)


def test_strengths_are_the_usual_ones_or_those_that_are_named():
    assert SeriesAugmentation.of(False, early=False) == SeriesAugmentation()
    assert SeriesAugmentation.of({"noise": 1}, early=True) == SeriesAugmentation(noise=1, early=0.5)
    assert SeriesAugmentation.of(True, early=False).early == 0


def test_series_are_interpolated_between_and_held_beyond_their_dates():
    values = np.array([[[0.0], [np.nan], [4.0]], [[np.nan]] * 3], np.float32)
    days = np.array([[10, 20, 30], [10, 20, np.nan]], np.float32)
    out = interpolated(values, days, np.array([0.0, 10, 15, 30, 40]))
    assert out[0, :, 0].tolist() == [0, 0, 1, 4, 4]
    assert np.isnan(out[1]).all()


def test_the_forest_learns_the_crops():
    samples = with_radar(crops(120, clouds=0.4))
    forest = SeriesForest("01-01", 0).fit(samples.rows(np.arange(60)))
    rest = samples.rows(np.arange(60, 120))
    assert (forest.predict(rest) == rest.labels).mean() > 0.9
