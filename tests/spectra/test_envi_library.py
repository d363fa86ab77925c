"""ENVI spectral libraries."""

import numpy as np
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.spectra.table.samples import read_spectra

VALUES = np.random.default_rng(0).random((3, 10))

HEADER = """ENVI
description = {{
  Library = of leaves }}
samples = 10
lines   = 3
bands   = 1
header offset = {offset}
file type = ENVI Spectral Library
data type = {kind}
interleave = bsq
byte order = {order}
wavelength units = {unit}
reflectance scale factor = {factor}
spectra names = {{
 oak, ash
 tree, silver birch}}
wavelength = {{
 {wavelengths}}}
"""


@pytest.fixture
def library(tmp_path):
    def write(dtype="<f4", *, offset=0, unit="Micrometers", factor=1.0, first=0.4):
        kind = np.dtype(dtype)
        (tmp_path / "leaves.hdr").write_text(
            HEADER.format(
                offset=offset,
                kind={"f4": 4, "f8": 5, "i2": 2}[kind.str[1:]],
                order=int(kind.str[0] == ">"),
                unit=unit,
                factor=factor,
                wavelengths=", ".join(f"{first * (1 + i / 10):.4f}" for i in range(10)),
            )
        )
        data = (VALUES * factor).astype(kind).tobytes()
        (tmp_path / "leaves.sli").write_bytes(b"\0" * offset + data)
        return tmp_path / "leaves.sli"

    return write


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8"])
@pytest.mark.parametrize("offset", [0, 24])
def test_numbers(library, dtype, offset):
    table = read_spectra(library(dtype, offset=offset))
    np.testing.assert_allclose(table.spectra, VALUES, rtol=1e-6)
    np.testing.assert_allclose(table.wavelengths_nm, [400 + 40 * i for i in range(10)])
    assert list(table.classes("name")) == ["oak", "ash tree", "silver birch"]
    assert not table.repairs


def test_either_file_names_the_library(library):
    np.testing.assert_array_equal(
        read_spectra(library()).spectra, read_spectra(library().with_suffix(".hdr")).spectra
    )


def test_units_and_scaled_integers(library):
    table = read_spectra(library("<i2", unit="Nanometers", factor=10_000.0, first=400.0))
    np.testing.assert_allclose(table.spectra, VALUES, atol=1e-4)
    assert table.wavelengths_nm[0] == 400
    assert "(um)" in read_spectra(library(unit="Unknown")).repairs[0]


def test_damage(library):
    path = library()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(OptionError, match="119 bytes of 120"):
        read_spectra(path)
    path.unlink()
    with pytest.raises(OptionError, match="side by side"):
        read_spectra(path.with_suffix(".hdr"))
    header = library().with_suffix(".hdr")
    for old, new in (
        ("ENVI Spectral Library", "ENVI Standard"),
        ("samples", "smaples"),
        ("= 4", "= 6"),
    ):
        library()
        header.write_text(header.read_text().replace(old, new))
        with pytest.raises(OptionError, match="no header of an ENVI spectral library"):
            read_spectra(header)


def test_widths_of_bands(library):
    path = library()
    assert read_spectra(path).fwhm_nm is None
    header = path.with_suffix(".hdr")
    header.write_text(header.read_text() + "fwhm = {" + ", ".join(["0.0065"] * 10) + "}\n")
    table = read_spectra(path)
    np.testing.assert_allclose(table.fwhm_nm, 6.5)
    np.testing.assert_allclose(table.spectra, VALUES, rtol=1e-6)
