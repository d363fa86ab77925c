"""Strips hold the physical values of every valid pixel, once."""

import numpy as np
import pytest

from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.pixels.inputs import strips
from georaster_dl.pixels.inputs.strips import read_strips, strip_rows


@pytest.mark.parametrize("limit", [1, 5_000, 2**26])
def test_strips_are_the_valid_pixels_in_order(make_tif, monkeypatch, limit):
    monkeypatch.setattr(strips, "_STRIP_BYTES", limit)
    array = np.arange(2 * 50 * 30, dtype=np.int16).reshape(2, 50, 30)
    array[0, 10:12] = -1
    array[1, :, 3] = -1
    path = make_tif(array, nodata=-1, scales=(0.5, 0.25), offsets=(1.0, -1.0))
    scene = open_scene(path)
    found = list(read_strips(scene))
    whole = scene.read()
    valid = np.concatenate([strip.valid for strip in found])
    np.testing.assert_array_equal(valid, whole.valid)
    values = np.concatenate([strip.values for strip in found])
    np.testing.assert_array_equal(values, whole.array[:, whole.valid].T)
    assert not valid[10].any()
    assert values.dtype == np.float32


def test_strips_are_whole_blocks_high(make_tif, monkeypatch):
    monkeypatch.setattr(strips, "_STRIP_BYTES", 40 * 64 * 6)
    path = make_tif(np.zeros((1, 100, 64), np.uint8), tiled=True, blockxsize=16, blockysize=16)
    tops = [rows.start for rows in strip_rows(open_scene(path))]
    assert tops == [0, 32, 64, 96]
