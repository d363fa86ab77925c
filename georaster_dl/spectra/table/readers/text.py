"""Reader of delimited text: CSV, TSV, exports of instruments."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.io.files.text_file import read_text
from georaster_dl.spectra.table.axis import is_band
from georaster_dl.spectra.table.readers.grid import Grid, header_place, is_headed, passed_over

__all__ = ["column_of", "read_text_table"]

_COMMA = re.compile(r"<?\s*[+-]?\d+,\d+(?:[eE][+-]?\d+)?").fullmatch
_POINT = re.compile(r"<?\s*[+-]?\d+\.\d+(?:[eE][+-]?\d+)?").fullmatch
_CODE = re.compile(r"[+-]?0\d").match
_DELIMITERS = ("\t", ";", ",", " ")
_LOOKED_AT = 200  # lines, for the header, the delimiter and the decimal sign
_NO_DELIMITER = "\x1f"  # occurs in no text: one column


def read_text_table(path: Path) -> Grid:
    """Read delimited text; encoding, header, delimiter and decimal sign are found by looking.

    Raises
    ------
    OptionError
        When it is empty, or a row has more cells than the header.
    """
    lines = re.split(r"\r\n|\r|\n", read_text(path))
    filled = [i for i, line in enumerate(lines) if line.strip()]
    if not filled:
        raise OptionError(f"{path} is empty; give a table with a header line.")
    top, delimiter = _layout(lines, filled[:_LOOKED_AT])
    headers = _cells(lines[top], delimiter)
    below = [i for i in filled if i > top][:_LOOKED_AT]
    rows = [_cells(lines[i], delimiter) for i in below]
    longest = max((len(row) for row in rows), default=0)
    if longest > len(headers):
        # pandas would take the first column for names of the rows, and shift all headers.
        raise OptionError(
            f"{path} has {counted(longest, 'cell')} in a row, but {len(headers)} in its header; give every column a "
            f"header, the names of the rows too."
        )
    comma = sum(bool(_COMMA(cell)) - bool(_POINT(cell)) for row in rows for cell in row) > 0
    frame = pd.read_csv(
        io.StringIO("\n".join(lines[top + 1 :])),
        sep=delimiter if delimiter != " " else r"\s+",
        header=None,
        names=range(len(headers)),
        decimal="," if comma else ".",
        keep_default_na=False,
        na_values=[""],
        dtype={i: str for i, header in enumerate(headers) if not is_band(header)},
        skip_blank_lines=False,
        skipinitialspace=True,
        low_memory=False,
    )
    frame.index = pd.RangeIndex(top + 2, top + 2 + len(frame))
    for column in frame:
        if not pd.api.types.is_numeric_dtype(frame[column]):
            frame[column] = column_of(frame[column], comma=comma)
    above = [lines[i] for i in filled if i < top]
    return Grid(headers, frame, passed_over(top + 1, above), comma)


def column_of(cells: Any, *, comma: bool) -> Any:
    """Convert a column to numbers where all cells are numbers; a class may be called NA, or 007."""
    known = cells.dropna().astype(str)
    if comma:
        known = known.map(lambda cell: cell.replace(",", ".") if _COMMA(cell) else cell)
    numbers = pd.to_numeric(known, errors="coerce")
    if numbers.notna().all() and not known.map(_CODE).any():
        return numbers.reindex(cells.index)
    return known.reindex(cells.index)


def _layout(lines: Sequence[str], filled: Sequence[int]) -> tuple[int, str]:
    """Line of the header, and the delimiter: the first line, unless another heads the table better."""
    top, following = filled[0], lines[filled[1]] if len(filled) > 1 else ""
    delimiter = _delimiter(lines[top], following)
    if delimiter != _NO_DELIMITER and is_headed([_cells(lines[i], delimiter) for i in filled]):
        return top, delimiter
    found = []
    for each in _DELIMITERS:
        rows = [_cells(lines[i], each) for i in filled]
        place = header_place(rows)
        if place is not None:
            found.append((len(rows[place]), -filled[place], each))
    if not found:
        return top, delimiter
    _, place, delimiter = max(found)
    return -place, delimiter


def _delimiter(header: str, row: str) -> str:
    """The first of tab, semicolon, comma and blank that cuts header and row into as many cells."""
    for delimiter in _DELIMITERS:
        n = len(_cells(header, delimiter))
        if n > 1 and n == len(_cells(row, delimiter)):
            return delimiter
    if re.search("[\t;,]", header):
        return max(("\t", ";", ","), key=header.count)
    # Names of the rows without a header, as R's write.table leaves them.
    unnamed = len(_cells(row, " ")) == len(_cells(header, " ")) + 1 > 2
    return " " if unnamed else _NO_DELIMITER


def _cells(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        line = " ".join(line.split())
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
