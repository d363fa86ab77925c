"""Simulated leaves and canopies: what is asked for is drawn, and spectra follow their traits."""

import numpy as np
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.spectra.sensor import SensorBands
from georaster_dl.spectra.simulate.bands import SENSORS
from georaster_dl.spectra.simulate.plants.prosail import simulate_prosail
from georaster_dl.spectra.simulate.plants.prospect import simulate_prospect
from georaster_dl.spectra.table.samples import SpectraTable

S2 = SENSORS["sentinel-2"]


def _ndvi(spectra):
    red, nir = spectra[:, 2], spectra[:, 7]
    return (nir - red) / (nir + red)


def _soils(values, wavelengths=(400.0, 1000.0, 2500.0)):
    import pandas as pd

    spectra = np.asarray(values, float)
    return SpectraTable(
        "soils.csv", np.array(wavelengths), spectra, pd.DataFrame(index=range(len(spectra)))
    )


def test_the_seed_fixes_the_table():
    one, same, other = (simulate_prosail(n=20, seed=s, bands=S2) for s in (3, 3, 4))
    assert np.array_equal(one.spectra, same.spectra)
    assert not np.array_equal(one.spectra, other.spectra)


def test_greener_pixels_have_more_leaves():
    made = simulate_prosail(n=800, bands=S2, traits={"yellow": (0, 0)})
    assert np.corrcoef(_ndvi(made.spectra), np.log(made.columns["lai"] + 0.1))[0, 1] > 0.7


def test_spectra_are_reflectances_on_the_sensors_bands():
    made = simulate_prosail(n=500, bands=S2)
    assert made.spectra.shape == (500, 10)
    assert made.spectra.dtype == np.float32
    assert made.wavelengths_nm.tolist() == S2.wavelengths_nm.tolist()
    assert np.isfinite(made.spectra).all()
    assert made.spectra.mean(axis=0).max() < 0.6
    assert made.table().columns["synthetic"].all()


def test_ranges_bound_what_is_drawn_also_of_traits_that_yellowing_changes():
    ranges = {
        "lai": (1.0, 2.0),
        "cab": (30.0, 40.0),
        "cover": (1.0, 1.0),
        "sun_zenith": (25.0, 25.0),
    }
    made = simulate_prosail(n=200, bands=S2, traits=ranges)
    for name, (low, high) in ranges.items():
        assert low <= made.columns[name].min() <= made.columns[name].max() <= high


def test_the_leaf_area_is_that_of_the_pixel():
    made = simulate_prosail(n=200, bands=S2, traits={"lai": (4, 4), "cover": (0.25, 0.25)})
    assert made.columns["lai"] == pytest.approx(np.full(200, 1.0))


def test_readings_in_the_field_scatter_around_the_leaf_area():
    made = simulate_prosail(n=4000, bands=S2, traits={"lai": (3, 3), "cover": (1, 1)})
    error = made.columns["lai_field"] - made.columns["lai"]
    assert error.mean() == pytest.approx(0, abs=0.05)
    assert error.std() == pytest.approx(np.hypot(0.5, 0.6), rel=0.05)


def test_pixels_without_plants_are_their_soil():
    soils = _soils([[0.1, 0.2, 0.3], [0.2, 0.3, 0.4]])
    made = simulate_prosail(n=100, bands=S2, traits={"lai": (0, 0)}, soils=soils, noise=0.0)
    factor = made.spectra[:, 0] / np.interp(492.4, [400, 1000, 2500], [0.1, 0.2, 0.3])
    other = made.spectra[:, 0] / np.interp(492.4, [400, 1000, 2500], [0.2, 0.3, 0.4])
    of_first = np.isclose(
        made.spectra[:, 8], factor * np.interp(1613.7, [1000, 2500], [0.2, 0.3]), rtol=0.01
    )
    of_other = np.isclose(
        made.spectra[:, 8], other * np.interp(1613.7, [1000, 2500], [0.3, 0.4]), rtol=0.01
    )
    assert (of_first | of_other).all()
    assert of_first.any()
    assert of_other.any()


def test_no_noise_is_added_where_none_is_asked_for():
    setting = {"lai": (2, 2), "ala": (57, 57), "wet": (0, 0)}
    still, default = (
        simulate_prosail(n=50, bands=S2, traits=setting, noise=n) for n in (0.0, None)
    )
    assert not np.allclose(still.spectra, default.spectra)
    assert np.abs(still.spectra / default.spectra - 1).mean() < 0.1


def test_leaves_show_their_water_and_chlorophyll():
    made = simulate_prospect(n=400, noise=0.0)
    at = {nm: made.spectra[:, np.abs(made.wavelengths_nm - nm).argmin()] for nm in (700, 1450)}
    assert np.corrcoef(at[700], made.columns["cab"])[0, 1] < -0.6
    assert np.corrcoef(at[1450], made.columns["cw"])[0, 1] < -0.6


@pytest.mark.parametrize("simulate", [simulate_prospect, simulate_prosail])
def test_bands_beyond_the_optical_constants_are_refused(simulate):
    bands = SensorBands("thermal", np.array([500.0, 10900.0]), np.array([60.0, 600.0]))
    with pytest.raises(OptionError, match="a band lies at 10900 nm"):
        simulate(n=5, bands=bands)


@pytest.mark.parametrize(
    ("traits", "message"),
    [
        ({"lia": (0, 1)}, "no such trait .did you mean 'lai'"),
        ({"lai": (3, 1)}, "is no range"),
        ({"lai": (0, np.inf)}, "is no range"),
        ({"ala": (86, 90)}, "lies within 10 to 85"),
        ({"sun_zenith": (95, 95)}, "within 0 to 80, but is 95.$"),
        ({"lai": (-2, -1)}, "lai is 0 to 15, but got -2 to -1"),
        ({"cover": (2, 2)}, "cover is 0 to 1, but got 2;"),
        ({"cab": (10, 5000)}, "cab is 0 to 200, but got 10 to 5000"),
        ({"cw": (15, 15)}, "cw is 0 to 0.1, but got 15;"),
        ({"magic": (1, 1)}, "known are n, cab, .*, film, cover, yellow"),
    ],
)
def test_impossible_traits_are_named(traits, message):
    with pytest.raises(OptionError, match=message):
        simulate_prosail(n=5, bands=S2, traits=traits)


@pytest.mark.parametrize("simulate", [simulate_prospect, simulate_prosail])
def test_negative_noise_is_refused(simulate):
    with pytest.raises(OptionError, match="`noise=-1` is no standard deviation"):
        simulate(n=5, noise=-1.0)


@pytest.mark.parametrize(
    ("soils", "message"),
    [
        (_soils([[1000.0, 2000.0, 3000.0]]), "values of 1000 to 3000"),
        (_soils([[0.1, 0.2, 0.3]], (400.0, 700.0, 1000.0)), "covers 400 to 1000 nm"),
    ],
)
def test_soils_that_are_none_are_refused(soils, message):
    with pytest.raises(OptionError, match=message):
        simulate_prosail(n=5, bands=S2, soils=soils)
