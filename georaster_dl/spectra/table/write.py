"""Tables written as CSV, Excel or Parquet."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.text import cell

__all__ = ["SPECTRA_SUFFIXES", "TABLE_SUFFIXES", "write_csv", "write_table"]

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


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    try:
        frame.to_parquet(path, index=False)
    except ImportError as error:
        raise OptionError(
            f"{path.name} can only be written with pyarrow, which is not installed; install it (pip install "
            f"'georaster_dl[tables]'), or write .csv or .xlsx."
        ) from error
