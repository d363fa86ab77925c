"""Tables written as CSV or Excel."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from georaster_dl.core.text import cell

__all__ = ["TABLE_SUFFIXES", "write_csv", "write_table"]

TABLE_SUFFIXES = (".csv", ".xlsx")


def write_csv(frame: pd.DataFrame, path: Path, *, comma: bool = False) -> None:
    """Write columns as text, in which no text cell acts as a formula.

    Parameters
    ----------
    comma : write decimal commas, and semicolons between columns.
    """
    separators = {"sep": ";", "decimal": ","} if comma else {}
    frame.rename(columns=cell).map(cell).to_csv(path, index=False, **separators)


def write_table(frame: pd.DataFrame, path: Path, *, comma: bool = False) -> None:
    """Write columns as CSV or, by the file's name, as a workbook of one sheet."""
    if path.suffix.lower() == ".xlsx":
        # Of text that begins with = openpyxl makes a formula, too.
        frame.rename(columns=cell).map(cell).to_excel(path, index=False, engine="openpyxl")
    else:
        write_csv(frame, path, comma=comma)
