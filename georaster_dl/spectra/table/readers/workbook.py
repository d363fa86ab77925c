"""Sheets of Excel workbooks."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import listed, nearest_names
from georaster_dl.spectra.table.readers.grid import Grid, header_place, is_headed, passed_over

__all__ = ["read_sheet"]

_LOOKED_AT = 200  # rows, for the header


def read_sheet(path: Path, sheet: str | None) -> Grid:
    """Read a sheet; the first where none is named, which is said where there are others.

    Raises
    ------
    OptionError
        When there is no such sheet, or it is empty.
    """
    with pd.ExcelFile(path, engine="openpyxl") as book:
        names = [str(name) for name in book.sheet_names]
        if sheet is not None and sheet not in names:
            raise OptionError(
                f"{path} has no sheet {sheet!r}{nearest_names(sheet, names)}, but {listed(names, 12)}; name one with "
                f"`sheet=`."
            )
        chosen = names[0] if sheet is None else sheet
        cells = pd.read_excel(book, chosen, header=None, keep_default_na=False, na_values=[""])
    cells = cells.dropna(how="all")
    others = [name for name in names if name != chosen]
    if cells.empty:
        beside = f"name another one with `sheet=` ({listed(others, 12)})" if others else "fill it"
        raise OptionError(f"Sheet {chosen!r} of {path} is empty; {beside}.")
    cells.index = cells.index + 1
    text = [
        ["" if pd.isna(cell) else str(cell).strip() for cell in row]
        for row in cells.iloc[:_LOOKED_AT].itertuples(index=False)
    ]
    place = 0 if is_headed(text) else header_place(text) or 0
    above = [" ".join(filter(None, row)) for row in text[:place]]
    repairs = passed_over(int(cells.index[place]), above)
    if others and sheet is None:
        repairs = (
            f"sheet {chosen!r} was read, the first; {listed(others, 12)} beside it can be named with `sheet=`.",
            *repairs,
        )
    return Grid(text[place], cells.iloc[place + 1 :].infer_objects(), repairs)
