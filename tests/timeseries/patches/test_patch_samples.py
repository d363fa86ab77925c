"""Samples of patches: their place, their labels, memory, and what cannot be done."""

import numpy as np
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.io.stacks.open import open_stack
from georaster_dl.testing import write_raster
from georaster_dl.timeseries.parcels import zones
from georaster_dl.timeseries.patches import samples as samples_module
from georaster_dl.timeseries.patches.pixels import fewer_labels, labelled_pixels
from georaster_dl.timeseries.patches.samples import PatchOptions, samples_of_patches

from .conftest import write_stack

SMALL = PatchOptions(side=32)


@pytest.mark.parametrize("window", [2**27, 2**15])
def test_patches_hold_the_stack_and_every_label_once(field, stack, monkeypatch, window):
    _, values, labels = field
    monkeypatch.setattr(zones, "_WINDOW_BYTES", window)
    made = samples_of_patches(stack, labels, SMALL)
    (sensor,) = made.sensors
    assert (made.unit, sensor.values.shape) == ("patch", (9, 5, 2, 32, 32))
    assert [str(day) for day in sensor.dates[0]][:2] == ["2022-03-01", "2022-04-15"]
    seen = np.zeros((72, 88), int)
    clear = np.isfinite(values[:, 0]).any(axis=0)
    truth = np.arange(88) // 12 % 2
    places = zip(made.groups.patch_row, made.groups.patch_col, strict=True)
    for own, classes, (row, col) in zip(sensor.values, made.labels, places, strict=True):
        rows = slice(min(32 * row, 40), min(32 * row, 40) + 32)
        cols = slice(min(32 * col, 56), min(32 * col, 56) + 32)
        np.testing.assert_array_equal(own, values[:, :, rows, cols])
        seen[rows, cols] += classes >= 0
        assert ((classes == truth[cols]) | (classes < 0)).all()
    # Patches at the end overlap others, and the labels are of one of them.
    labelled = np.broadcast_to(np.arange(72)[:, None] >= 4, (72, 88))
    np.testing.assert_array_equal(seen, labelled & clear)
    assert made.lonlat.shape == (9, 2)
    assert made.legend.names == ["1", "2"]


def test_pixels_that_are_never_clear_have_no_label(tmp_path):
    classes = np.ones((32, 32), np.uint8)
    values = write_stack(tmp_path / "stack", classes, clouds=0.9)
    labels = write_raster(tmp_path / "labels.tif", classes[None])
    made = samples_of_patches(open_stack(tmp_path / "stack"), labels, SMALL)
    never = np.isnan(values[:, 0]).all(axis=0)
    assert 0.5 < never.mean() < 0.7
    np.testing.assert_array_equal(made.labels[0] < 0, never)


def test_patches_without_labels_are_no_samples_and_others_are_drawn_by_the_seed(
    field, stack, tmp_path
):
    classes = np.zeros((72, 88), np.uint8)
    classes[10, 40], classes[70:, 80:] = 1, 2
    labels = write_raster(tmp_path / "few.tif", classes[None], nodata=0)
    made = samples_of_patches(stack, labels, SMALL)
    assert list(zip(made.groups.patch_row, made.groups.patch_col, strict=True)) == [(0, 1), (2, 2)]
    assert made.remarks == ()
    drawn = [
        samples_of_patches(stack, field[2], PatchOptions(side=32, patches=3, seed=seed))
        for seed in (1, 1, 2)
    ]
    places = [list(zip(d.groups.patch_row, d.groups.patch_col, strict=True)) for d in drawn]
    assert len(places[0]) == 3
    assert places[0] == places[1] != places[2]
    assert drawn[0].remarks == ("3 of 9 patches with labels were drawn, at random",)


def test_samples_that_do_not_fit_into_memory_say_what_would(field, stack, monkeypatch):
    monkeypatch.setattr(samples_module, "available_memory", lambda: 2**20)
    with pytest.raises(
        OptionError, match=r"9 patches of 32 x 32 pixels .* draw 8 patches or fewer"
    ):
        samples_of_patches(stack, field[2], SMALL)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"side": 20}, "multiple of 8"),
        ({"side": 8}, "from 16 to 256"),
        ({"patches": 0}, "1 or more"),
    ],
)
def test_numbers_that_cannot_work_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        PatchOptions(**options)


def test_a_stack_smaller_than_a_patch_is_refused(field, stack):
    with pytest.raises(OptionError, match="72 x 88 pixels, fewer than a patch"):
        samples_of_patches(stack, field[2], PatchOptions(side=80))


def test_labelled_pixels_are_samples_of_their_own_in_the_order_of_places(field, stack):
    made = samples_of_patches(stack, field[2], SMALL)
    pixels = labelled_pixels(made)
    known = made.labels >= 0
    assert pixels.unit == "pixel"
    np.testing.assert_array_equal(pixels.labels, made.labels[known])
    patch, row, col = (axis[100] for axis in np.nonzero(known))
    np.testing.assert_array_equal(
        pixels.sensors[0].values[100], made.sensors[0].values[patch, :, :, row, col]
    )
    fewer = fewer_labels(made, 500, 0)
    assert (fewer.labels >= 0).sum() == 500
    kept = fewer.labels >= 0
    np.testing.assert_array_equal(fewer.labels[kept], made.labels[kept])
    assert fewer_labels(made, 10**6, 0) is made
    assert fewer_labels(pixels, 5, 0) is pixels
