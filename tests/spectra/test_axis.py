"""Which columns are a spectrum, and at which wavelengths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from georaster_dl.core.errors import OptionError
from georaster_dl.spectra.table.axis import find_axis

EVERY_2 = range(1100, 1140, 2)


def found(headers, unit=None):
    return find_axis(list(headers), unit, title="t.csv")


@pytest.mark.parametrize(
    "form",
    [
        "{}",
        "X{}",
        "x.{}",
        "{} nm",
        "{}nm",
        "{}.0",
        "wl_{}",
        "Wavelength {} nm",
        " {} ",
        "{},0 nm",
        "spc.{}",
    ],
)
def test_forms_of_a_header(form):
    axis = found(["id", *(form.format(v) for v in EVERY_2), "protein"])
    np.testing.assert_allclose(axis.wavelengths_nm, EVERY_2)
    np.testing.assert_array_equal(axis.columns, range(1, 21))
    assert bool(axis.repairs) == ("nm" not in form)


def test_names_of_other_columns_are_no_wavelengths():
    others = ["pH7", "plot12", "year2013", "B5", "PC1", "1100 kg", "N2O", "", "nm", "2,5-DNP"]
    axis = found([*others, *map(str, EVERY_2)])
    np.testing.assert_array_equal(axis.columns, np.arange(10, 30))


@pytest.mark.parametrize("spelling", ["um", "µm", "μm", " UM"])
def test_micrometres(spelling):
    axis = found(f"{v / 1000}{spelling}" for v in EVERY_2)
    np.testing.assert_allclose(axis.wavelengths_nm, EVERY_2)
    assert not axis.repairs


@pytest.mark.parametrize("spelling", ["cm-1", "cm^-1", "1/cm", "cm⁻¹"])
def test_wavenumbers_are_turned_into_rising_wavelengths(spelling):
    axis = found(f"{v} {spelling}" for v in range(4000, 10_000, 500))
    np.testing.assert_allclose(axis.wavelengths_nm, [1e7 / v for v in range(9500, 3999, -500)])
    np.testing.assert_array_equal(axis.columns, range(11, -1, -1))
    assert any("turned round" in line for line in axis.repairs)


@pytest.mark.parametrize(
    ("numbers", "unit", "first"),
    [
        ([1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8], "um", 1100),
        (range(350, 2501, 10), "nm", 350),
        (range(2500, 349, -10), "nm", 350),
        (range(12_000, 3_999, -100), "cm-1", 1e7 / 12_000),
        (range(4_000, 10_001, 100), "cm-1", 1000),
    ],
)
def test_unit_by_the_values_is_said(numbers, unit, first):
    axis = found(map(str, numbers))
    assert axis.wavelengths_nm[0] == pytest.approx(first)
    assert (np.diff(axis.wavelengths_nm) > 0).all()
    assert f"({unit})" in axis.repairs[0]
    assert f"{min(numbers):g} to {max(numbers):g}" in axis.repairs[0]


def test_the_user_knows_the_unit_better():
    axis = found(map(str, range(400, 4001, 100)), "cm-1")
    assert axis.wavelengths_nm[-1] == pytest.approx(25_000)
    assert "names no unit" not in " ".join(axis.repairs)


@pytest.mark.parametrize("numbers", [range(1, 701), range(20), range(400, 4001, 100)])
def test_numbers_that_may_be_anything(numbers):
    with pytest.raises(OptionError, match="cannot be told"):
        found(map(str, numbers))


def test_too_few():
    with pytest.raises(OptionError, match=r"3 columns of a spectrum \(1100, 1102, 1104\) among 4"):
        found(["id", "1100", "1102", "1104"])
    with pytest.raises(OptionError, match="0 columns of a spectrum among 2"):
        found(["id", "protein"])


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ([*map(str, EVERY_2), "1100.0"], r"repeats columns \(1100, 1100.0\)"),
        ([*map(str, EVERY_2), "2013", "1150"], r"2013 then 1150"),
        (["1100 nm", *map(str, range(1102, 1120, 2)), "1.2 um"], "mixes the units nm and um"),
        (
            ["1 um", *(f"{v} nm" for v in EVERY_2)],
            r"mixes the units nm and um \(columns 1100 nm, 1 um\)",
        ),
    ],
)
def test_unsound_axes(headers, message):
    with pytest.raises(OptionError, match=message):
        found(headers)


def test_bands_of_overlapping_detectors_are_sorted():
    visible, infrared = np.arange(418.0, 994, 6.5), np.arange(902.3, 2446, 10)
    headers = ["id", *(f"{v:g} nm" for v in [*visible, *infrared])]
    axis = found(headers)
    np.testing.assert_allclose(axis.wavelengths_nm, np.sort([*visible, *infrared]))
    assert [headers[i] for i in axis.columns] == [f"{v:g} nm" for v in axis.wavelengths_nm]
    (said,) = axis.repairs
    assert (
        f"2 detectors whose ranges overlap ({visible[-1]:g} then 902.3); they were sorted" in said
    )


@pytest.mark.parametrize(
    "second",
    [range(1101, 1140, 2), range(500, 540, 2), range(1120, 1132, 2), range(1139, 1120, -2)],
)
def test_two_axes_are_no_detectors(second):
    with pytest.raises(OptionError, match="goes up and down|repeats columns"):
        found(f"{v} nm" for v in [*EVERY_2, *second])


@given(st.lists(st.integers(3500, 25_000), min_size=8, max_size=40, unique=True), st.booleans())
def test_columns_and_wavelengths_belong_together(tenths, down):
    numbers = sorted((v / 10 for v in tenths), reverse=down)
    axis = found(["a", *(f"{v} nm" for v in numbers)])
    for column, wavelength in zip(axis.columns, axis.wavelengths_nm, strict=True):
        assert numbers[column - 1] == pytest.approx(wavelength)
    assert (np.diff(axis.wavelengths_nm) > 0).all()


def test_widths_are_read_where_every_header_states_one() -> None:
    nm = [f"{450 + 10 * i} nm (FWHM 6.5)" for i in range(9)]
    np.testing.assert_array_equal(found(nm).fwhm_nm, np.full(9, 6.5))
    um = [f"{0.45 + 0.01 * i:.2f} um (fwhm 0.01)" for i in range(9)]
    np.testing.assert_allclose(found(um).fwhm_nm, 10)
    wavenumbers = [f"{10_000 - 100 * i} cm-1 (FWHM 8)" for i in range(9)]
    np.testing.assert_allclose(found(wavenumbers).fwhm_nm[0], 0.8)
    assert found([*nm[:-1], "530 nm"]).fwhm_nm is None
