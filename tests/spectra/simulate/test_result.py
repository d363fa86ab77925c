"""Simulated tables are read by ``geodl spectra`` as they were made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.spectra.simulate.result import Simulated
from georaster_dl.spectra.synthetic import synthetic_rows
from georaster_dl.spectra.table.samples import read_spectra


def made(*, widths: bool = True) -> Simulated:
    random = np.random.default_rng(0)
    return Simulated(
        random.random((6, 9)).astype(np.float32),
        np.linspace(400.123456, 2400, 9),
        {"tree": random.random(6), "kind": np.array(list("aabbcc"), object)},
        "mixtures",
        seed=0,
        fwhm_nm=np.linspace(6.5, 11, 9) if widths else None,
    )


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet"])
@pytest.mark.parametrize("widths", [True, False])
def test_a_written_table_is_read_back_identically(
    tmp_path: Path, suffix: str, widths: bool
) -> None:
    pytest.importorskip("pyarrow" if suffix == ".parquet" else "openpyxl")
    simulated = made(widths=widths)
    simulated.write(tmp_path / f"sim{suffix}")
    read = read_spectra(tmp_path / f"sim{suffix}")
    assert read.repairs == ()
    np.testing.assert_array_equal(read.spectra.astype(np.float32), simulated.spectra)
    np.testing.assert_array_equal(read.wavelengths_nm, simulated.wavelengths_nm)
    if simulated.fwhm_nm is None:
        assert read.fwhm_nm is None
    else:
        np.testing.assert_array_equal(read.fwhm_nm, simulated.fwhm_nm)
    # A workbook keeps 16 digits.
    np.testing.assert_allclose(read.target("tree"), simulated.columns["tree"], rtol=1e-15)
    assert read.classes("kind").tolist() == list("aabbcc")
    assert synthetic_rows(read).all()


def test_the_table_in_memory_is_the_one_that_is_read(tmp_path: Path) -> None:
    simulated = made()
    simulated.write(tmp_path / "sim.csv")
    read, direct = read_spectra(tmp_path / "sim.csv"), simulated.table()
    assert list(direct.columns) == list(read.columns)
    np.testing.assert_array_equal(direct.spectra, read.spectra.astype(np.float32))
    assert synthetic_rows(direct).all()


def test_columns_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="columns of other lengths"):
        Simulated(np.zeros((3, 8), np.float32), np.arange(8.0), {"a": np.zeros(2)}, "mixtures", 0)


def test_synthetic_is_true_false_or_empty() -> None:
    table = made().table()
    columns = table.columns.assign(synthetic=["True", 1, "no", None, False, "yes"])
    assert synthetic_rows(replace(table, columns=columns)).tolist() == [
        True,
        True,
        False,
        False,
        False,
        True,
    ]
    with pytest.raises(OptionError, match=r"holds 'perhaps' \(spectrum 1\)"):
        synthetic_rows(replace(table, columns=columns.assign(synthetic="perhaps")))


def test_a_table_without_the_column_is_measured() -> None:
    table = made().table()
    measured = replace(table, columns=table.columns.drop(columns="synthetic"))
    assert not synthetic_rows(measured).any()
