"""Wavelengths that the user states for the bands of a file that does not."""

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from georaster_dl import open_scene
from georaster_dl.core.errors import OptionError
from georaster_dl.io.formats.wavelengths import read_wavelengths

NM = np.array([450.0, 550.5, 650.0, 850.0])


@pytest.fixture
def plain(tmp_path):
    path = tmp_path / "plain.tif"
    with rasterio.open(
        path, "w", driver="GTiff", count=4, height=5, width=6, dtype="float32", crs="EPSG:32633",
        transform=from_origin(5e5, 5e6, 30, 30),
    ) as dataset:  # fmt: skip
        dataset.write(np.ones((4, 5, 6), "float32"))
    return path


@pytest.mark.parametrize(
    "text",
    [
        "450\n550.5\n650\n850\n",
        "450, 550.5, 650, 850",
        "450,0\n550,5\n650\n850\n",
        "wavelength (nm)\n450\n550.5\n650\n850",
        "450 nm\n550.5 nm\n\n650 nm\n850 nm\n",
        "0.45;0.5505;0.65;0.85",
        "Wavelength [µm]\r\n0.45\r\n0.5505\r\n0.65\r\n0.85\r\n",
    ],
)
def test_a_text_with_one_number_a_band(tmp_path, plain, text):
    (tmp_path / "w.txt").write_text(text, encoding="utf-8")
    np.testing.assert_allclose(read_wavelengths(tmp_path / "w.txt"), NM)
    scene = open_scene(plain, wavelengths=tmp_path / "w.txt")
    np.testing.assert_allclose([band.wavelength_nm for band in scene.bands], NM)


def test_numbers_from_python_and_some_of_the_bands(plain):
    scene = open_scene(plain, wavelengths=NM, bands=["a", "b", "c", "d"])
    assert [(band.name, band.wavelength_nm) for band in scene.bands][1] == ("b", 550.5)
    landsat = open_scene(
        plain, wavelengths=NM, bands="B02,B03,B04,B05"
    )  # Sentinel-2's B05 is at 704 nm
    assert landsat.bands[3].wavelength_nm == 850
    some = open_scene(plain, wavelengths=NM, bands="band_4,band_1")
    assert [band.wavelength_nm for band in some.bands] == [850, 450]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("450\n550\n600\n650\n850\n", "states 5 wavelengths, but .*plain.tif has 4 bands"),
        ("450\nblue\n650\n850\n", "holds 'blue' among its wavelengths"),
        ("9000\n8000\n7000\n6000\n", "4 numbers, from 6000 to 9000, which are not clearly"),
        ("", "holds 0 numbers"),
    ],
)
def test_a_text_that_does_not_fit(tmp_path, plain, text, message):
    (tmp_path / "w.txt").write_text(text)
    with pytest.raises(OptionError, match=message):
        open_scene(plain, wavelengths=tmp_path / "w.txt")


def test_no_text(tmp_path, plain):
    with pytest.raises(OptionError, match="none.txt cannot be read"):
        open_scene(plain, wavelengths=str(tmp_path / "none.txt"))
