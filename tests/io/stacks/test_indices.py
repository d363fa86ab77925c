"""Spectral indices as bands of a stack: what they are computed of, and where they are not defined."""

import pickle

import numpy as np
import pytest

from georaster_dl.core.bands import Band, named_bands
from georaster_dl.core.errors import BandMismatchError, OptionError
from georaster_dl.core.scene_options import SceneOptions, StackOptions
from georaster_dl.io.formats.indices import INDICES, find_index, index_inputs
from georaster_dl.io.stacks.open import open_stack
from georaster_dl.testing import write_raster

BLUE, GREEN, RED, EDGE, NIR, SWIR1, SWIR2 = 0.04, 0.08, 0.06, 0.12, 0.30, 0.20, 0.10
NAMES = ("B02", "B03", "B04", "B05", "B08", "B11", "B12")
VALUES = (BLUE, GREEN, RED, EDGE, NIR, SWIR1, SWIR2)


@pytest.fixture
def scene(tmp_path):
    """One date of reflectance times 10,000."""
    array = np.stack([np.full((6, 8), round(v * 1e4), "uint16") for v in VALUES])
    write_raster(tmp_path / "a_20230514.tif", array, bands=NAMES, scale=1e-4)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NDVI", (NIR - RED) / (NIR + RED)),
        ("GNDVI", (NIR - GREEN) / (NIR + GREEN)),
        ("NDRE", (NIR - EDGE) / (NIR + EDGE)),
        ("EVI", 2.5 * (NIR - RED) / (NIR + 6 * RED - 7.5 * BLUE + 1)),
        ("EVI2", 2.5 * (NIR - RED) / (NIR + 2.4 * RED + 1)),
        ("SAVI", 1.5 * (NIR - RED) / (NIR + RED + 0.5)),
        ("NDWI", (GREEN - NIR) / (GREEN + NIR)),
        ("MNDWI", (GREEN - SWIR1) / (GREEN + SWIR1)),
        ("NDMI", (NIR - SWIR1) / (NIR + SWIR1)),
        ("NBR", (NIR - SWIR2) / (NIR + SWIR2)),
        ("NDBI", (SWIR1 - NIR) / (SWIR1 + NIR)),
        ("BSI", ((SWIR1 + RED) - (NIR + BLUE)) / ((SWIR1 + RED) + (NIR + BLUE))),
    ],
)
def test_every_index(scene, name, value):
    stack = open_stack(scene, StackOptions(indices=(name.lower(),)))
    assert stack.sensors[0].bands[-1] == Band(name)
    assert stack.read()[0][0, -1, 0, 0] == pytest.approx(value, abs=1e-5)


def test_every_index_is_tested():
    assert len(INDICES) == 12


@pytest.mark.parametrize(
    ("bands", "places"),
    [
        (named_bands(["B04", "B08"]), (1, 0)),
        (named_bands(["B04", "B8A"]), (1, 0)),
        ((Band("B5", 864.7), Band("B4", 654.6)), (0, 1)),  # Landsat 8
        ((Band("Red", 645.0), Band("sur_refl_b02", 858.0)), (1, 0)),  # MODIS
        ((Band("nir"), Band("RED")), (0, 1)),
        ((Band("B04", 664.6), Band("B11", 1613.7)), None),
        ((Band("band_1"), Band("band_2")), None),
        ((Band("B5"), Band("B4")), None),
    ],
)
def test_bands_are_found_by_name_or_wavelength(bands, places):
    assert index_inputs(find_index("NDVI"), bands) == places


def test_a_pixel_where_an_index_is_not_defined_is_no_measurement(tmp_path):
    array = np.full((2, 6, 8), 1000, "uint16")
    array[:, :2] = 0
    write_raster(tmp_path / "a_20230514.tif", array, bands=("B04", "B08"))
    stack = open_stack(tmp_path, StackOptions(indices=("NDVI",)))
    (values,) = stack.read()
    assert np.isnan(values[0, :, :2]).all()
    assert (values[0, :, 2:] == np.array([1000, 1000, 0])[:, None, None]).all()


def test_a_band_that_a_model_wants_is_derived(scene):
    stack = open_stack(scene)
    chosen = pickle.loads(pickle.dumps(stack.select({"a": [Band("NDVI"), *named_bands(["B02"])]})))
    (values,) = chosen.read()
    assert values[0, :, 0, 0] == pytest.approx([(NIR - RED) / (NIR + RED), BLUE], abs=1e-5)
    assert chosen.select({"b": [Band("NDVI")]}).read()[0].shape == (1, 1, 6, 8)
    with pytest.raises(BandMismatchError, match="NDVI"):
        open_stack(scene, StackOptions(SceneOptions(bands=("B02", "B04")))).select(
            {"a": [Band("NDVI")]}
        )


def test_indices_that_cannot_be_derived(scene):
    with pytest.raises(
        OptionError, match=r"`indices=` names NDXI, which is no known index; those are NDVI"
    ):
        open_stack(scene, StackOptions(indices=("NDXI",)))
    options = StackOptions(SceneOptions(bands=("B02", "B04")), indices=("NDVI",))
    with pytest.raises(
        OptionError, match=r"NDVI is computed of nir \(B08 \(833 nm\)\), red .* bands are B02"
    ):
        open_stack(scene, options)


def test_indices_of_reflectance_refuse_uncalibrated_numbers(tmp_path):
    write_raster(tmp_path / "a_20230514.tif", np.ones((2, 6, 8), "uint16"), bands=("B04", "B08"))
    with pytest.raises(OptionError, match=r"EVI2 is defined of reflectances .* `scale=`"):
        open_stack(tmp_path, StackOptions(indices=("EVI2",)))
    assert open_stack(tmp_path, StackOptions(SceneOptions(scale=1e-4), indices=("EVI2",))).read()


def test_of_several_sensors_those_that_can_derive_an_index(scene, tmp_path):
    (tmp_path / "radar").mkdir()
    write_raster(
        tmp_path / "radar" / "r_20230501.tif", np.ones((1, 6, 8), "float32"), bands=("VV",)
    )
    stack = open_stack({"s1": tmp_path / "radar", "s2": scene}, StackOptions(indices=("NDVI",)))
    assert [len(sensor.bands) for sensor in stack.sensors] == [1, 8]
