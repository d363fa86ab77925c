"""The same band name means other light on another satellite."""

import json

import numpy as np
import pytest

from georaster_dl.core.bands import SENTINEL2, Band, find_band
from georaster_dl.io.formats.missions import band_of_file, band_of_mission, mission_of
from georaster_dl.io.scenes.reader import open_scene

ONE = np.ones((1, 8, 8), "int16")


@pytest.mark.parametrize(
    ("name", "mission"),
    [
        ("HLS.L30.T31TCJ.2021123T104617.v2.0.B05.tif", "landsat-oli"),
        ("HLS.S30.T31TCJ.2021123T104617.v2.0.B05.tif", "sentinel-2"),
        ("LC09_L1TP_199024_20230101_20230101_02_T1_B10.TIF", "landsat-oli"),
        ("LE07_L2SP_199024_20000101_20200823_02_T1_SR_B5.TIF", "landsat-tm"),
        ("S2B_31TCJ_20230101_0_L2A_B8A.tif", "sentinel-2"),
        ("AST_L1T_00305032000040446_B05.tif", "other"),
        ("MOD09GA.A2020001.h18v04.061_B02.tif", "other"),
        ("T31TCJ_20170823T094031_B02_10m.jp2", None),
        ("east_b05.tif", None),
    ],
)
def test_mission_of_a_file_name(name, mission):
    assert mission_of(name) == mission


@pytest.mark.parametrize(
    ("name", "nm"),
    [
        ("B05.tif", 704.1),
        ("T31TCJ_20170823T094031_B8A_20m.jp2", 864.7),
        ("HLS.S30.T31TCJ.2021123T104617.v2.0.B05.tif", 704.1),
        ("HLS.L30.T31TCJ.2021123T104617.v2.0.B05.tif", 864.7),
        ("LC09_L1TP_199024_20230101_20230101_02_T1_B10.TIF", 10895),
        ("LE07_L2SP_199024_20000101_20200823_02_T1_SR_B5.TIF", 1650),
    ],
)
def test_wavelength_of_a_band_file(make_tif, name, nm):
    band = open_scene(make_tif(ONE, name)).bands[0]
    assert band.wavelength_nm == nm
    assert band == band_of_file(name)


def test_a_band_of_another_mission_is_never_taken_for_one_of_sentinel2(make_tif):
    for name in ("AST_L1T_00305032000040446_B05.tif", "CBERS_4_MUX_20200101_B05.tif"):
        band = open_scene(make_tif(ONE, name)).bands[0]
        assert band.wavelength_nm is None
        assert find_band(SENTINEL2[4], [band]) is None


def test_the_tags_of_a_stack_say_whose_its_names_are(make_tif):
    import rasterio

    path = make_tif(np.ones((2, 8, 8), "int16"), descriptions=["B05", "B06"])
    assert [band.wavelength_nm for band in open_scene(path).bands] == [704.1, 740.5]
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(SPACECRAFT_NAME="LANDSAT_8")
    assert [band.wavelength_nm for band in open_scene(path).bands] == [864.7, 1608.9]


def test_an_unknown_spelling_has_no_meaning():
    assert band_of_mission("B2", None) is None
    assert band_of_mission("B2", "landsat-oli").wavelength_nm == 482
    assert band_of_mission("QA", "landsat-oli") is None


def test_landsat_bands_by_the_names_of_earth_engine():
    assert band_of_mission("SR_B5", "landsat-oli") == Band("SR_B5", 864.7, 28.3)
    assert band_of_mission("SR_B4", "landsat-tm").wavelength_nm == 835


@pytest.mark.parametrize(
    ("identifier", "properties", "nm"),
    [
        ("HLS.L30.T31TCJ.2021123T104617.v2.0", {}, 864.7),
        ("scene", {"platform": "landsat-8"}, 864.7),
        ("HLS.S30.T31TCJ.2021123T104617.v2.0", {}, None),  # as the item states it
    ],
)
def test_a_stac_item_names_bands_as_its_mission_does(
    make_tif, tmp_path, identifier, properties, nm
):
    make_tif(ONE, "b.tif")
    bands = {"href": "b.tif", "eo:bands": [{"name": "B05"}], "raster:bands": [{"scale": 0}]}
    item = {"type": "Feature", "id": identifier, "properties": properties, "assets": {"B05": bands}}
    (tmp_path / "item.json").write_text(json.dumps(item))
    plane = open_scene(tmp_path / "item.json").planes[0]
    assert plane.band.wavelength_nm == nm
    assert (plane.scale, plane.calibrated) == (1.0, False)
