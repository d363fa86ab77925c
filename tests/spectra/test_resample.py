"""Spectra on other wavelengths."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from georaster_dl.core.errors import OptionError
from georaster_dl.spectra.table.resample import aligned, resampled
from georaster_dl.spectra.table.samples import SpectraTable

AXIS = np.arange(1000, 2001, 2.0)


def table(spectra, axis=AXIS):
    spectra = np.atleast_2d(spectra)
    return SpectraTable("t", axis, spectra, pd.DataFrame({"y": range(len(spectra))}))


def test_the_same_wavelengths_and_a_part_of_them():
    given_ = table(np.random.default_rng(0).random((3, len(AXIS))))
    np.testing.assert_array_equal(aligned(given_, AXIS + 0.09).spectra, given_.spectra)
    part = aligned(given_, AXIS[100:50:-1][::-1])
    np.testing.assert_array_equal(part.spectra, given_.spectra[:, 51:101])
    np.testing.assert_array_equal(part.wavelengths_nm, AXIS[51:101])


def test_other_wavelengths_show_both_axes():
    with pytest.raises(OptionError) as caught:
        aligned(table(AXIS), np.arange(1100, 2000, 1.0))
    text = str(caught.value)
    assert "501 wavelengths from 1000 to 2000 nm" in text
    assert "900 wavelengths from 1100 to 1999 nm" in text
    assert "`resample=True`" in text


def test_nothing_is_extrapolated():
    with pytest.raises(
        OptionError, match="1000 to 2000 nm, but the model .* nothing is extrapolated"
    ):
        aligned(table(AXIS), np.arange(1100, 2100, 1.0))
    with pytest.raises(OptionError, match="nothing is extrapolated"):
        resampled(table(AXIS), np.arange(990, 1100, 5.0))


def test_the_ends_that_are_missing_are_named():
    with pytest.raises(OptionError, match="and 999 to 1000 nm and 2000 to 2001 nm are missing"):
        aligned(table(AXIS), np.arange(999, 2002, 2.0))


@given(
    st.lists(st.floats(1000, 2000), min_size=2, max_size=30, unique=True).map(sorted),
    st.floats(0.1, 300),
)
def test_a_straight_spectrum_stays_straight(wanted, fwhm):
    """Ends included: responses are cut symmetrically there."""
    made = resampled(table(3 * AXIS + 1), np.array(wanted), fwhm)
    np.testing.assert_allclose(made.spectra[0], 3 * np.array(wanted) + 1, rtol=1e-9)


def test_a_wide_band_is_the_gaussian_mean_of_a_peak():
    """A Gaussian seen through a Gaussian has the sum of the variances."""
    sigma, width = 30.0, 40.0
    peak = np.exp(-0.5 * ((AXIS - 1500) / sigma) ** 2)
    wanted = np.arange(1400, 1601, 10.0)
    made = resampled(table(peak), wanted, width * 2.3548)
    total = np.hypot(sigma, width)
    expected = sigma / total * np.exp(-0.5 * ((wanted - 1500) / total) ** 2)
    np.testing.assert_allclose(made.spectra[0], expected, atol=2e-3)


def test_no_band_of_the_spectrum_is_overlooked():
    """The weight of each is the Gaussian's height there."""
    weights = resampled(table(np.eye(len(AXIS))), np.array([1480.0, 1500.0]), 200).spectra[:, 1]
    heights = np.exp(-4 * np.log(2) * ((AXIS - 1500) / 200) ** 2)
    inside = np.abs(AXIS - 1500) < 290
    np.testing.assert_allclose(weights[inside], (heights / heights.sum())[inside], rtol=0.02)


def test_a_narrow_band_interpolates():
    wavy = np.sin(AXIS / 7)
    wanted = np.arange(1001.5, 1999, 3.1)
    made = resampled(table(wavy), wanted, 1e-3)
    np.testing.assert_allclose(made.spectra[0], np.interp(wanted, AXIS, wavy), atol=1e-4)


def test_widths_default_to_the_distance_of_the_bands():
    noisy = np.random.default_rng(0).normal(size=(50, len(AXIS)))
    wanted = np.arange(1100, 1900, 50.0)
    made = resampled(table(noisy), wanted)
    np.testing.assert_array_equal(made.spectra, resampled(table(noisy), wanted, 50).spectra)
    assert made.spectra.std() < 0.35
    assert "resampled from 501" in made.repairs[-1]
    assert list(made.columns["y"]) == list(range(50))
