"""Bands without any data are left out and named; they do not make a scene of nodata."""

from types import SimpleNamespace

import numpy as np
import pytest

from georaster_dl.io.scenes.empty_bands import without_empty_bands
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.io.scenes.samples import read_windows
from georaster_dl.training.data.labelled_scenes import warn_implausible

NODATA = -999


def scene_of(make_tif, array):
    return open_scene(make_tif(array.astype("int16"), nodata=NODATA))


def test_empty_bands_are_left_out_and_named(make_tif):
    array = np.ones((4, 300, 400))
    array[[1, 3]] = NODATA
    array[:, :50] = NODATA
    found = without_empty_bands(scene_of(make_tif, array))
    assert [band.name for band in found.bands] == ["band_1", "band_3"]
    assert found.remarks[0].endswith("they hold no data at all: band_2, band_4")
    assert found.read().valid.mean() == pytest.approx(250 / 300)


def test_empty_bands_among_hundreds_are_found_with_few_reads(make_tif, monkeypatch):
    from georaster_dl.io.scenes import empty_bands

    array = np.ones((200, 20, 30))
    empty = [0, 37, 38, 39, 40, 41, 199]
    array[empty] = NODATA
    array[60, :10] = array[61, 10:] = NODATA  # no pixel is valid in both
    scene = scene_of(make_tif, array)
    opened = []
    monkeypatch.setattr(
        empty_bands, "read_windows", lambda part: opened.append(part) or read_windows(part)
    )
    found = without_empty_bands(scene)
    assert len(found.bands) == 193
    assert {band.name for band in scene.bands} - {band.name for band in found.bands} == {
        f"band_{i + 1}" for i in empty
    }
    assert len(opened) < 100


def test_a_band_with_little_data_is_kept(make_tif):
    array = np.ones((2, 300, 400))
    array[1] = NODATA
    array[1, 70, 70] = 1  # between the windows that are looked at first
    scene = scene_of(make_tif, array)
    assert without_empty_bands(scene) == scene


@pytest.mark.parametrize("value", [1, NODATA])
def test_a_scene_whose_bands_are_alike_stays(make_tif, value):
    scene = scene_of(make_tif, np.full((3, 30, 40), value))
    assert without_empty_bands(scene) == scene


def test_what_is_said_of_all_scenes_of_a_training_is_said_once(make_tif):
    stored = np.full((2, 4, 4), 0.5, np.float32)
    stored[1] = np.nan
    paths = [make_tif(stored, f"{name}.tif", nodata=np.nan) for name in "abc"]
    scenes = [SimpleNamespace(scene=without_empty_bands(open_scene(path))) for path in paths]
    said = []
    warn_implausible(scenes, said.append)
    about = [text for text in said if "hold no data" in text]
    assert about == ["3 scenes: left out, because they hold no data at all: band_2"]
    said.clear()
    warn_implausible(scenes[:1], said.append)
    assert said[0].startswith(f"{paths[0]}: left out")


@pytest.mark.parametrize(("factor", "warned"), [(1, False), (10_000, True)])
def test_open_sea_beside_snow_is_no_wrong_unit_and_a_factor_is_one(make_tif, factor, warned):
    """As in real scenes: sea is 15 times as dark as snow in blue, and 300 times in the infrared."""
    rng = np.random.default_rng(0)
    light = rng.uniform(0.9, 1.1, (2, 32, 32)).astype(np.float32)
    snow = np.array([0.9, 0.6], np.float32)[:, None, None] * light
    sea = np.array([0.06, 0.002], np.float32)[:, None, None] * light
    files = [make_tif(snow, "snow.tif"), make_tif(sea * factor, "sea.tif")]
    said = []
    scenes = [SimpleNamespace(scene=open_scene(file)) for file in files]
    warn_implausible(scenes, said.append)
    assert any("values differ in size, in every band" in text for text in said) == warned


@pytest.mark.realdata
def test_real_chips_of_sea_and_snow_go_together(real_data):
    chips = real_data / "s2_world/chips"
    names = ("baltic_16_20220812_L2A", "great_bear_lake_L2A", "lena_delta_L2A")
    scenes = [SimpleNamespace(scene=open_scene(chips / f"{name}.tif")) for name in names]
    said = []
    warn_implausible(scenes, said.append)
    assert not said
