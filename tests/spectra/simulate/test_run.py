"""What a simulation checks and prepares before its method runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Warned
from georaster_dl.spectra.sensor import SensorBands
from georaster_dl.spectra.simulate.methods import METHODS
from georaster_dl.spectra.simulate.run import Request, simulate_from
from tests.spectra.simulate.made import NM, library

BANDS = SensorBands("cube.tif", NM[1:-1] + 20, np.full(10, 80.0))
CLASSES = {"class_field": "cover"}


def run(*tables, warnings=None, **request):
    given = {"method": "mixtures", "n": 30, "options": CLASSES} | request
    report = (lambda event: None) if warnings is None else warnings.append
    return simulate_from(tables, Request(**given), report)


def texts(warnings):
    return [event.message for event in warnings if isinstance(event, Warned)]


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.from_library])
def test_every_method_keeps_classes_and_follows_the_seed(name):
    options = CLASSES | ({"gan_steps": 2} if name == "gan" else {})
    one, same, other = (
        run(library(40), method=name, seed=seed, options=options) for seed in (5, 5, 6)
    )
    assert one.method == name
    assert len(one) == 30
    np.testing.assert_array_equal(one.spectra, same.spectra)
    assert (one.spectra != other.spectra).any()
    assert one.table().columns["synthetic"].all()


@pytest.mark.parametrize("name", METHODS)
def test_options_of_a_method_are_arguments_of_its_function(name):
    options = METHODS[name].options
    assert "n" not in options
    assert "seed" not in options
    assert ("class_field" in options) == METHODS[name].from_library


def test_spectra_are_made_at_the_bands_of_the_scene():
    warnings = []
    made = run(library(), bands=BANDS, warnings=warnings)
    np.testing.assert_array_equal(made.wavelengths_nm, BANDS.wavelengths_nm)
    np.testing.assert_array_equal(made.fwhm_nm, BANDS.fwhm_nm)
    assert any("were resampled from 12 wavelengths" in text for text in texts(warnings))


def test_reflectances_times_10000_are_refused_for_a_scene_until_they_are_scaled():
    large = replace(library(), spectra=library().spectra * 10_000)
    with pytest.raises(
        OptionError, match=r"values around 34\d\d at most, but cube.tif .* give `scale=0.0001`"
    ):
        run(large, bands=BANDS)
    scaled = run(large, bands=BANDS, scale=0.0001)
    np.testing.assert_allclose(scaled.spectra, run(library(), bands=BANDS).spectra, rtol=1e-5)


def test_without_a_scene_they_are_warned_about():
    warnings = []
    large = replace(library(), spectra=library().spectra * 10_000)
    assert run(large, warnings=warnings).quantity == "as measured"
    assert any("no reflectances of 0 to 1" in text for text in texts(warnings))
    assert any("`scale=0.0001`" in text for text in texts(warnings))


def test_values_below_zero_are_no_reflectances_and_keep_their_brightness():
    warnings = []
    centred = replace(library(), spectra=library().spectra - 0.3)
    made = run(centred, warnings=warnings)
    assert made.quantity == "as measured"
    assert made.settings["brightness"] == (1.0, 1.0)
    assert any("% are negative are no reflectances" in text for text in texts(warnings))
    assert run(library()).quantity == "reflectance"


def test_libraries_of_other_wavelengths_come_together_at_a_scene():
    other = replace(library(2), wavelengths_nm=NM + 3, name="other")
    with pytest.raises(OptionError, match="other has other wavelengths than library.*`for_=`"):
        run(library(), other)
    assert len(run(library(), other, bands=BANDS)) == 30


def test_rows_that_were_simulated_are_no_library():
    warnings = []
    made = run(library()).table()
    own = library()
    mixed = replace(own, columns=own.columns.assign(synthetic=[True] * 3 + [False] * 12))
    run(mixed, warnings=warnings)
    assert any(
        "3 of 15 spectra left out, as they were simulated" in text for text in texts(warnings)
    )
    with pytest.raises(OptionError, match="All spectra of mixtures were simulated"):
        run(made)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"method": "mixture"}, "did you mean 'mixtures'"),
        ({"n": 0}, "`n=0` spectra cannot be simulated"),
        (
            {"options": {**CLASSES, "dimensions": 3}},
            "`dimensions=` is no option of mixtures; it is one of gaussian",
        ),
        ({"options": {**CLASSES, "colour": 3}}, "`colour=` is no option of mixtures; leave it out"),
        ({"scale": 0.0}, "no factor"),
    ],
)
def test_what_cannot_be_simulated_is_refused(request_, message):
    with pytest.raises(OptionError, match=message):
        run(library(), **request_)


def test_a_library_is_asked_for():
    with pytest.raises(OptionError, match="give a library"):
        run()
