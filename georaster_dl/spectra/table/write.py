"""Tables written as CSV, Excel or Parquet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.text import cell
from georaster_dl.spectra.table.axis import header_of

__all__ = [
    "SPECTRA_SUFFIXES",
    "TABLE_SUFFIXES",
    "spectra_frame",
    "write_csv",
    "write_spectra",
    "write_table",
]

TABLE_SUFFIXES = (".csv", ".xlsx")
SPECTRA_SUFFIXES = (*TABLE_SUFFIXES, ".parquet")


def write_csv(frame: pd.DataFrame, path: Path, *, comma: bool = False) -> None:
    """Write columns as text, in which no text cell acts as a formula.

    Parameters
    ----------
    comma : write decimal commas, and semicolons between columns.
    """
    separators = {"sep": ";", "decimal": ","} if comma else {}
    frame.rename(columns=cell).map(cell).to_csv(path, index=False, **separators)


def write_table(frame: pd.DataFrame, path: Path, *, comma: bool = False) -> None:
    """Write columns as CSV or, by the file's name, as a workbook of one sheet or as Parquet.

    Raises
    ------
    OptionError
        When Parquet is asked for and pyarrow is not installed.
    """
    if path.suffix.lower() == ".parquet":
        _write_parquet(frame, path)
    elif path.suffix.lower() == ".xlsx":
        # Of text that begins with = openpyxl makes a formula, too.
        frame.rename(columns=cell).map(cell).to_excel(path, index=False, engine="openpyxl")
    else:
        write_csv(frame, path, comma=comma)


def spectra_frame(
    columns: pd.DataFrame,
    spectra: npt.NDArray[np.floating],
    wavelengths_nm: npt.NDArray[np.float64],
    fwhm_nm: npt.NDArray[np.float64] | None,
) -> pd.DataFrame:
    """Put columns and spectra (n, bands) side by side, a column a band, named ``450 nm (FWHM 10)``."""
    widths = [None] * len(wavelengths_nm) if fwhm_nm is None else fwhm_nm
    headers = [header_of(nm, width) for nm, width in zip(wavelengths_nm, widths, strict=True)]
    return pd.concat([columns, pd.DataFrame(spectra, columns=headers)], axis=1)


def write_spectra(frame: pd.DataFrame, path: Path) -> None:
    """Write a table of spectra as .csv, .xlsx or .parquet, by the name of the file.

    Raises
    ------
    OptionError
        When it ends otherwise, or .parquet without pyarrow.
    """
    if path.suffix.lower() not in SPECTRA_SUFFIXES:
        raise OptionError(
            f"{path.name} is no name of a table of spectra; end it in {', '.join(SPECTRA_SUFFIXES)}."
        )
    write_table(frame, path)


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    try:
        frame.to_parquet(path, index=False)
    except ImportError as error:
        raise OptionError(
            f"{path.name} can only be written with pyarrow, which is not installed; install it (pip install "
            f"'georaster_dl[tables]'), or write .csv or .xlsx."
        ) from error
