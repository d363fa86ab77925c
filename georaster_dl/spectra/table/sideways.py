"""Transposed tables (wavelengths in rows), for example of ASD ViewSpec and WinISI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.spectra.table.axis import (
    Unit,
    axis_number,
    find_axis,
    names_axis,
    runs_down,
    unit_in,
)
from georaster_dl.spectra.table.cells import numbers_of
from georaster_dl.spectra.table.raw import RawTable
from georaster_dl.spectra.table.readers.text import column_of

__all__ = ["upright"]


def upright(tables: Sequence[RawTable], unit: Unit | None = None) -> list[RawTable]:
    """Turn the first table where its wavelengths run down its first column; a repair says so.

    They do where that column's header says so, or where no header of any table is a wavelength and the column's
    numbers alone can be nothing else. Nothing is lost: rows of other than wavelengths become columns, and the headers
    the column ``name``.
    """
    first, *others = tables
    headers = [header for table in tables for header in table.headers]
    try:
        find_axis(headers, unit, title=first.title)
        found = True
    except OptionError:
        found = False
    if not runs_down(str(first.first.name), numbers_of(first.first), named=found):
        return list(tables)
    return [_turned(first), *others]


def _turned(table: RawTable) -> RawTable:
    header = str(table.first.name)
    start = 1 if header and table.headers[0] == header else 0
    down = table.first.loc[table.frame.index]
    labels = [header or "name", *("" if pd.isna(label) else str(label).strip() for label in down)]
    unit = next((unit_in(label) for label in labels if names_axis(label)), "")
    headers = [_header(label, unit) for label in labels]
    spectra = table.frame.loc[:, start:]
    rows = [
        [name, *spectra[place]]
        for place, name in zip(spectra.columns, table.headers[start:], strict=True)
    ]
    kept = [i for i, name in enumerate(headers) if name]
    frame = pd.DataFrame(rows, dtype=object).iloc[:, kept].set_axis(range(len(kept)), axis=1)
    frame = frame.apply(_typed)
    frame.index = pd.Index([f"column {name}" for name in table.headers[start:]])
    repair = (
        f"{table.title} lies on its side, with wavelengths in its first column{header and f' ({header})'}; it was turned, so that "
        f"each of its other columns is one of {counted(len(frame), 'spectrum')}."
    )
    return replace(
        table,
        headers=tuple(headers[i] for i in kept),
        frame=frame,
        first=frame[0].rename(headers[kept[0]]),
        repairs=(*table.repairs, repair),
    )


def _header(label: str, unit: str) -> str:
    """Header of a column that was a row with this label."""
    if axis_number(label) is None:
        return "name" if names_axis(label) else label
    return label if unit_in(label) else f"{label} {unit}".strip()


def _typed(cells: Any) -> Any:
    if pd.api.types.infer_dtype(cells) in ("string", "mixed", "mixed-integer"):
        return column_of(cells, comma=False)
    return pd.to_numeric(cells)
