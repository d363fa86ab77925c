"""Libraries brought to the bands of a scene, and noise like a scene's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.spectra.sensor import SensorBands, on_bands
from georaster_dl.spectra.simulate.bands import scene_bands
from georaster_dl.spectra.simulate.noise import draw_noise, scene_noise
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.testing import write_raster

FINE = np.arange(400.0, 1000.0, 1.0)


def peak(fwhm: float) -> np.ndarray:
    return np.exp(-4 * np.log(2) * ((FINE - 700) / fwhm) ** 2)


def table(spectra, **fields) -> SpectraTable:
    columns = pd.DataFrame({"cover": ["a"] * len(spectra)})
    return SpectraTable("lib", FINE, np.asarray(spectra), columns, **fields)


def cube(tmp_path, array, nm, **profile):
    path = write_raster(tmp_path / "cube.tif", array.astype(np.float32), **profile)
    return open_scene(path, replace(open_options(), wavelengths=tuple(nm)))


def open_options():
    from georaster_dl.core.scene_options import SceneOptions

    return SceneOptions()


def test_a_library_that_knows_its_widths_is_blurred_by_what_is_missing():
    sensor = SensorBands("s", np.arange(450.0, 951, 5), np.full(101, 40.0))
    narrow, wide = (
        on_bands(table([peak(60)], fwhm_nm=np.full(600, w)), sensor) for w in (24, 1e-6)
    )
    # A peak of 60 nm seen through 40 nm is one of sqrt(60² + 40²) and lower; 24 of the 40 are in the library already.
    seen = {24: np.hypot(60, 32), 1e-6: np.hypot(60, 40)}
    for made, width in ((narrow, seen[24]), (wide, seen[1e-6])):
        at_peak = made.spectra[0, np.argmin(np.abs(sensor.wavelengths_nm - 700))]
        assert at_peak == pytest.approx(60 / width, rel=0.01)
        np.testing.assert_array_equal(made.fwhm_nm, sensor.fwhm_nm)


def test_bands_that_the_library_lacks_are_left_out_and_named():
    gap = (FINE < 600) | (FINE > 700)
    made = on_bands(
        table([peak(60)]).bands(gap),
        SensorBands("s", np.arange(380.0, 1000, 20), np.full(31, 20.0)),
    )
    assert made.wavelengths_nm.min() == 400
    assert not ((made.wavelengths_nm > 605) & (made.wavelengths_nm < 695)).any()
    assert any(
        "does not cover 7 bands of s, which are left out (380 nm, 600 nm" in r for r in made.repairs
    )


def test_a_scene_of_other_wavelengths_is_refused():
    sensor = SensorBands("swir.tif", np.arange(2000.0, 2400, 10), None)
    with pytest.raises(
        OptionError, match=r"covers 400 to 999 nm, and so 0 of the 40 bands of swir.tif"
    ):
        on_bands(table([peak(60)]), sensor)


def test_a_library_without_widths_that_is_coarse_is_warned_about():
    coarse = table([peak(60)]).bands(np.arange(0, 600, 30))
    made = on_bands(coarse, SensorBands("s", np.arange(420.0, 900, 10), np.full(48, 10.0)))
    assert any(
        "states no widths of its bands, and its spacing is wider than 48" in r for r in made.repairs
    )
    fine = on_bands(table([peak(60)]), SensorBands("s", np.arange(420.0, 900, 10), None))
    assert any("s states no widths of its bands" in repair for repair in fine.repairs)


def test_bands_of_water_vapour_are_dropped(tmp_path):
    nm = np.arange(900.0, 2500, 50)
    scene = cube(tmp_path, np.ones((len(nm), 4, 4)), nm)
    bands = scene_bands(scene)
    assert bands.name == "cube.tif"
    dropped = set(nm) - set(bands.wavelengths_nm)
    assert dropped == {1350, 1400, 1450, 1500, 1800, 1850, 1900, 1950, 2000}


def test_a_scene_without_wavelengths_is_refused(tmp_path):
    scene = open_scene(write_raster(tmp_path / "plain.tif", np.ones((12, 4, 4), np.float32)))
    with pytest.raises(OptionError, match="0 bands with a wavelength .*`wavelengths=`"):
        scene_bands(scene)


def test_noise_of_a_scene_holds_that_of_its_sensor_and_the_variation_of_its_ground(tmp_path):
    random = np.random.default_rng(0)
    nm = np.linspace(500, 900, 40)
    sd, varied = np.linspace(0.002, 0.01, 40), np.linspace(0.02, 0.03, 40)
    noise = random.standard_normal((40, 160, 160)) * sd[:, None, None]
    ground = 0.3 + random.standard_normal((1, 160, 160)) * varied[:, None, None]
    covariance = scene_noise(cube(tmp_path, ground + noise, nm), nm)
    expected = np.diag(sd**2) + np.outer(varied, varied)
    np.testing.assert_allclose(covariance, expected, rtol=0.05, atol=2e-6)
    drawn = draw_noise((4000, 40), covariance, random)
    np.testing.assert_allclose(drawn.std(axis=0), np.sqrt(np.diag(covariance)), rtol=0.1)


def test_noise_of_other_bands_or_too_few_pixels_is_refused(tmp_path):
    nm = np.linspace(500, 900, 40)
    scene = cube(tmp_path, np.ones((40, 5, 5)), nm)
    with pytest.raises(OptionError, match="other bands than the spectra"):
        scene_noise(scene, nm + 5)
    with pytest.raises(SceneError, match="20 pairs of valid neighbours"):
        scene_noise(scene, nm)


def test_noise_of_numbers_without_a_unit_is_refused(tmp_path):
    nm = np.linspace(500, 900, 10)
    path = write_raster(tmp_path / "raw.tif", np.ones((10, 50, 50), np.uint16))
    scene = open_scene(path, replace(open_options(), wavelengths=tuple(nm)))
    with pytest.raises(SceneError, match="does not state what its numbers mean"):
        scene_noise(scene, nm)
