"""A forgotten or doubled offset is noticed; a scene that is right, or tells nothing, is left alone."""

import subprocess
import sys

import netCDF4
import numpy as np
import pytest
import rasterio

from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.io.scenes.checks.calibration import (
    alpha_warning,
    calibration_warning,
    training_warning,
)
from georaster_dl.io.scenes.reader import open_scene
from tests.conftest import REAL_DATA

BANDS = ["B02", "B03", "B04", "B08", "B8A", "B11", "B12"]
RGB_NIR = BANDS[:4]
FOREST = [0.02, 0.04, 0.025, 0.35, 0.38, 0.16, 0.07]
WATER = [0.04, 0.03, 0.02, 0.01, 0.01, 0.005, 0.005]
DESERT = [0.12, 0.17, 0.24, 0.32, 0.34, 0.45, 0.42]
CLOUD = [0.45, 0.44, 0.45, 0.52, 0.53, 0.35, 0.25]
HAZE = [0.13, 0.14, 0.12, 0.30, 0.32, 0.18, 0.11]
GLINT = [0.12, 0.11, 0.11, 0.11, 0.11, 0.11, 0.11]


def landscape(*spectra, size=100):
    """(bands, size, size) reflectances in equal columns of each spectrum, a little noisy."""
    rng = np.random.default_rng(0)
    kinds = np.arange(size) * len(spectra) // size
    clean = np.array(spectra, dtype=float).T[:, None, kinds].repeat(size, axis=1)
    return clean * rng.normal(1, 0.03, clean.shape)


def is_forgotten(warning):
    return warning is not None and warning.endswith(
        "forgotten; if so, state `scale=0.0001, offset=-0.1`."
    )


def is_doubled(warning):
    return (
        warning is not None
        and "taken off twice" in warning
        and warning.endswith("if so, state `scale=0.0001, offset=0`.")
    )


@pytest.fixture
def judged(make_tif):
    """Warning for these reflectances, stored as ``10000 * reflectance + added``."""

    def judge(reflectance, *, added=0, bands=BANDS, nodata=0, offset=0.0):
        numbers = np.round(np.asarray(reflectance) * 1e4) + added
        path = make_tif(numbers.astype("uint16"), descriptions=bands, nodata=nodata)
        return calibration_warning(open_scene(path, SceneOptions(scale=1e-4, offset=offset)))

    return judge


@pytest.mark.parametrize("bands", [BANDS, RGB_NIR], ids=["all", "rgb-nir"])
@pytest.mark.parametrize(
    "spectra",
    [(FOREST, WATER), (FOREST,), (FOREST, DESERT, WATER), (FOREST, CLOUD), (CLOUD, WATER)],
)
def test_both_mistakes_are_noticed(judged, spectra, bands):
    scene = landscape(*spectra)[: len(bands)]
    assert judged(scene, bands=bands) is None
    assert judged(scene, bands=bands, added=1000, offset=-0.1) is None
    assert is_forgotten(judged(scene, bands=bands, added=1000))
    assert is_doubled(judged(scene, bands=bands, offset=-0.1))


@pytest.mark.parametrize("bands", [BANDS, RGB_NIR], ids=["all", "rgb-nir"])
@pytest.mark.parametrize("spectra", [(DESERT,), (CLOUD,), (DESERT, CLOUD), (HAZE,), (GLINT,)])
def test_nothing_is_said_where_nothing_dark_is_in_sight(judged, spectra, bands):
    assert judged(landscape(*spectra)[: len(bands)], bands=bands) is None


def test_the_line_says_what_was_seen_and_what_is_usual(judged):
    scene = landscape(FOREST, WATER)
    warning = judged(scene, added=1000)
    assert "nowhere darker than 0.10 " in warning
    assert "0 to 0.06 is usual" in warning
    assert "\n" not in warning
    assert "down to -0.10 " in judged(scene, offset=-0.1)


def test_cirrus_band_decides_where_there_is_one(judged):
    clear = np.full((1, 100, 100), 0.0015)
    bands = [*BANDS, "B10"]
    cloudy = np.concatenate([landscape(CLOUD), clear])
    assert is_forgotten(judged(cloudy, bands=bands, added=1000))
    # Raised by haze or by what else, but not by an offset.
    raised = np.concatenate([landscape(FOREST, WATER) + 0.1, clear])
    assert judged(raised, bands=bands) is None


def test_fill_does_not_count(judged):
    scene = landscape(FOREST, WATER)
    scene[:, :, :30] = 0
    assert judged(scene, nodata=None) is None
    stored = scene + 0.1 * (scene != 0)
    assert judged(stored, nodata=None, offset=-0.1) is None
    assert is_forgotten(judged(stored, nodata=None))
    assert judged(np.zeros_like(scene)) is None
    assert judged(np.zeros_like(scene), nodata=None, offset=-0.1) is None


def test_float_reflectance_gets_options_of_its_own(make_tif):
    scene = landscape(FOREST, WATER).astype("float32")
    path = make_tif(scene - np.float32(0.1), descriptions=BANDS)
    assert calibration_warning(open_scene(path)).endswith("`scale=1, offset=0.1`.")
    scene[:, :, :30] = 0  # a border that lost its meaning when the offset was taken off
    scene[:, :, :30] -= np.float32(0.1)
    path = make_tif(scene, descriptions=BANDS)
    assert calibration_warning(open_scene(path)) is None


def test_uncalibrated_numbers_are_not_judged(make_tif):
    numbers = (landscape(FOREST, WATER) * 1e4 + 1000).astype("uint16")
    assert calibration_warning(open_scene(make_tif(numbers, descriptions=BANDS))) is None


def test_uncalibrated_bands_do_not_keep_the_others_from_being_judged(make_tif):
    numbers = (landscape(FOREST, WATER) * 1e4 + 1000).astype("uint16")
    path = make_tif(numbers, descriptions=BANDS, scales=[1e-4] * 4 + [1.0] * 3)
    assert is_forgotten(calibration_warning(open_scene(path)))


def test_an_offset_that_is_there_is_not_called_forgotten(judged):
    assert judged(landscape(FOREST, WATER), added=2000, offset=-0.1) is None


def test_bands_with_different_calibrations_are_not_judged(make_tif):
    numbers = (landscape(FOREST, WATER) * 1e4 + 1000).astype("uint16")
    offsets = [0.0] * 6 + [-0.1]
    path = make_tif(numbers, descriptions=BANDS, scales=[1e-4] * 7, offsets=offsets)
    assert calibration_warning(open_scene(path)) is None


def test_bands_without_sentinel2s_meaning_are_not_judged(judged):
    scene = landscape(FOREST, WATER)
    assert judged(scene, bands=[f"x{i}" for i in range(7)], added=1000) is None


def test_imaging_spectrometer_is_left_alone(make_tif):
    numbers = np.full((60, 50, 50), 1100, "uint16")
    path = make_tif(numbers)
    with rasterio.open(path, "r+") as dataset:
        for i in range(60):
            dataset.update_tags(i + 1, wavelength=str(450 + 30 * i))
    scene = open_scene(path, SceneOptions(scale=1e-4))
    assert scene.bands[0].wavelength_nm == 450
    assert calibration_warning(scene) is None
    assert calibration_warning(open_scene(path, SceneOptions(scale=1e-4, offset=-0.2))) is None


def test_no_torch_is_imported():
    code = "import sys, georaster_dl.io.scenes.checks.calibration; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=600).returncode == 0


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.parametrize("bands", [None, ("B02", "B03", "B04", "B8A")], ids=["all", "rgb-nir"])
def test_whole_product(bands):
    safe = next((REAL_DATA / "s2_ireland_l2a").glob("*.SAFE"))

    def warned(**told):
        return calibration_warning(open_scene(safe, SceneOptions(bands=bands, **told)))

    assert warned() is None
    assert is_forgotten(warned(scale=1e-4, offset=0.0))
    assert "taken off twice" in warned(scale=1e-4, offset=-0.2)


@pytest.mark.realdata
@pytest.mark.parametrize("number", range(1, 6))
def test_top_of_atmosphere(number, judged):
    with rasterio.open(REAL_DATA / "s2_slovenia" / f"scene_{number}.tif") as dataset:
        reflectance, bands = dataset.read() * 1e-4, list(dataset.descriptions)
    some = [bands.index(name) for name in RGB_NIR]
    assert judged(reflectance, bands=bands) is None
    assert judged(reflectance[some], bands=RGB_NIR) is None
    assert is_forgotten(judged(reflectance, bands=bands, added=1000))
    assert is_doubled(judged(reflectance, bands=bands, offset=-0.1))
    if number >= 3:  # the others are cloudy
        assert is_doubled(judged(reflectance[some], bands=RGB_NIR, offset=-0.1))


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.parametrize("bands", [BANDS, RGB_NIR], ids=["all", "rgb-nir"])
@pytest.mark.parametrize("patch", ["00002806639B424A", "0000280849BAC91C"])
def test_every_date_of_a_field(patch, bands, judged):
    """No false alarm on any date, and most clear dates tell both mistakes.

    The thresholds were chosen on the first patch; one hazy date of the second tightened ``_EVEN``.
    """
    found = []
    for numbers, clear in dates(patch):
        reflectance = numbers[: len(bands)] * 1e-4
        assert judged(reflectance, bands=bands) is None
        raised = reflectance + 0.1 * (reflectance != 0)
        forgotten = is_forgotten(judged(raised, bands=bands))
        doubled = is_doubled(judged(reflectance, bands=bands, offset=-0.1))
        if clear:
            found.append((forgotten, doubled))
    forgotten, doubled = np.mean(found, axis=0)
    assert forgotten > 0.75
    assert doubled > 0.9


def dates(patch):
    """Numbers (bands, 64, 64) of each date, and whether over 90 % of it is clear by the product's own map."""
    variables = {}
    for path in (REAL_DATA / "s2_worldcereal" / patch).glob("S2_L2A_*.nc"):
        with netCDF4.Dataset(path) as dataset:
            dataset.set_auto_maskandscale(False)
            variables |= {n: v[:] for n, v in dataset.variables.items() if n in [*BANDS, "SCL"]}
    for t, scl in enumerate(variables["SCL"]):
        planes = [variables[name][t] for name in BANDS]
        grown = [p.repeat(64 // len(p), 0).repeat(64 // len(p), 1) for p in planes]
        yield np.stack(grown), np.isin(scl, (4, 5, 6, 7)).mean() > 0.9


def scene_of(make_tif, values, **profile):
    """Bands with Sentinel-2's names, half to one and a half times these values from left to right."""
    array = np.full((7, 40, 50), values) * np.linspace(0.5, 1.5, 50)
    return open_scene(make_tif(array.astype("float32"), descriptions=BANDS, **profile))


@pytest.mark.parametrize(
    ("factor", "seen"),
    [
        (1, None),
        (1e4, "reflectance times 10,000; if so, state `scale=0.0001, offset=0`"),
        (100, "percent; if so, state `scale=0.01, offset=0`"),
        (20, "reflectance times 10 (or percent of a very dark scene); if so, state `scale=0.1, "),
        (1e-4, "scaled twice"),
    ],
)
def test_a_factor_is_noticed(make_tif, factor, seen):
    warning = calibration_warning(scene_of(make_tif, 0.2 * factor))
    assert (warning is None) if seen is None else (seen in warning)


@pytest.mark.parametrize("value", [0.01, 0.03, 0.9, 1.4])
def test_water_snow_and_cloud_are_no_factor(make_tif, value):
    assert calibration_warning(scene_of(make_tif, value)) is None


def test_a_factor_is_told_in_terms_of_the_stored_numbers(make_tif):
    scene = scene_of(make_tif, 20.0, scales=[2.0] * 7, offsets=[0.0] * 7)
    assert "`scale=0.02, offset=0`." in calibration_warning(scene)


def test_values_unlike_those_of_the_training(make_tif):
    scene = open_scene(make_tif(np.random.default_rng(0).integers(1, 255, (3, 40, 50), "uint8")))
    assert training_warning(scene, [120] * 3, [60] * 3) is None
    assert "trained on values around 0.12" in training_warning(scene, [0.12] * 3, [0.06] * 3)
    assert "scale=" in training_warning(scene, [40_000] * 3, [60_000] * 3)


def test_transparency_that_is_data_is_noticed(make_tif):
    array = np.random.default_rng(0).integers(1, 255, (4, 40, 50)).astype("uint8")
    infrared = open_scene(make_tif(array, photometric="RGB", alpha="YES"))
    assert "band 4 is marked as transparency (alpha)" in alpha_warning(infrared)
    array[3] = 255
    array[3, :10] = 0
    mask = open_scene(make_tif(array, "mask.tif", photometric="RGB", alpha="YES"))
    assert alpha_warning(mask) is None
