"""Bands match by name, then by wavelength, and never by guess."""

import pytest

from georaster_dl.core.bands import Band, listed_bands, match_bands, named_bands
from georaster_dl.core.errors import BandMismatchError


def test_names_match_in_either_case():
    wanted = named_bands(["B02", "B8A"])
    assert match_bands(wanted, [Band("b8a"), Band("b02")]) == [1, 0]


@pytest.mark.parametrize("name", ["B5", "Band 5", "band_5"])
def test_a_number_alone_is_no_sensors_band(name):
    # Landsat's band 5 is near infrared, and the fifth band of a file can be anything.
    with pytest.raises(BandMismatchError, match="misses B05"):
        match_bands(named_bands(["B05"]), [Band(name)])


def test_wavelengths_match_where_names_do_not():
    wanted = named_bands(["B04", "B11"])
    present = [Band("swir16", 1610.4), Band("red", 665.0), Band("rededge", 704.1)]
    assert match_bands(wanted, present) == [1, 0]


def test_the_nearest_wavelength_wins_and_bad_bands_never():
    present = [Band("a", 655.0), Band("b", 663.0), Band("c", 664.6, good=False)]
    assert match_bands(named_bands(["B04"]), present) == [1]


def test_a_name_is_not_believed_against_its_wavelength():
    # Landsat's band 5 is near infrared, Sentinel-2's B05 is red edge.
    with pytest.raises(BandMismatchError, match="misses B05"):
        match_bands(named_bands(["B05"]), [Band("B5", 865.0)])


@pytest.mark.parametrize(
    ("centre", "found"), [(679, True), (680, False), (650, True), (649, False)]
)
def test_tolerance_is_15_nm_in_the_visible(centre, found):
    present = [Band("x", float(centre))]
    if found:
        assert match_bands([Band("red", 664.9)], present) == [0]
    else:
        with pytest.raises(BandMismatchError):
            match_bands([Band("red", 664.9)], present)


def test_one_band_does_not_serve_twice():
    with pytest.raises(BandMismatchError, match="one band only .* .x .664 nm"):
        match_bands([Band("a", 660.0), Band("b", 668.0)], [Band("x", 664.0)])


@pytest.mark.parametrize("wavelengths", [True, False])
def test_hundreds_of_bands_are_told_in_one_line(wavelengths):
    wanted = [Band(f"w{i}", 400.0 + 5 * i if wavelengths else None) for i in range(400)]
    present = [Band(f"p{i}", 402.0 + 20 * i if wavelengths else None) for i in range(100)]
    with pytest.raises(BandMismatchError) as error:
        match_bands(wanted, present)
    message = str(error.value)
    assert len(message) < 600
    assert "100 bands" in message
    assert "400 bands" in message
    if wavelengths:
        assert "100 bands from 402 to 2382 nm" in message


def test_one_band_is_one_band():
    assert listed_bands([Band("red", 665.0)]) == "1 band: red (665 nm)"
