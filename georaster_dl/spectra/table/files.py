"""Headers and columns of table files: CSV, Excel, Parquet and ENVI spectral libraries."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.text import cell
from georaster_dl.core.wording import counted
from georaster_dl.io.files.text_file import read_text
from georaster_dl.spectra.table.axis import is_band
from georaster_dl.spectra.table.envi_library import read_library

__all__ = ["SUFFIXES", "RawTable", "read_raw", "write_csv"]

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".xlsx", ".sli", ".hdr")

_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?").fullmatch
_POINT = re.compile(r"[+-]?\d+\.\d+(?:[eE][+-]?\d+)?").fullmatch
_CODE = re.compile(r"[+-]?0\d").match
_LOOKED_AT = 50  # lines, for a decimal comma
_NO_DELIMITER = "\x1f"  # occurs in no text: one column


@dataclass(frozen=True, eq=False)
class RawTable:
    """Columns as they came.

    Attributes
    ----------
    path : the file.
    headers : of the columns; may repeat.
    frame : columns by position; its index is the row of the file, as editors and spreadsheets count. Only
        empty cells are missing: words such as NA stand in it as text.
    first : the first column with its header, also where it has none and is therefore left out of the others.
    """

    path: Path
    headers: tuple[str, ...]
    frame: Any = field(repr=False)
    first: Any = field(repr=False)


def read_raw(path: Path) -> RawTable:
    """Read a CSV, TSV, text, Parquet or Excel file, or an ENVI spectral library.

    Columns without a header (names of the rows, or nothing after a last delimiter) are left out, and
    empty rows are. Of text, the encoding (as ``io.text_file`` does), the delimiter (tab, semicolon,
    comma, blanks) and the decimal sign are found by looking.

    Raises
    ------
    OptionError
        When it does not exist, is of another kind, is empty, or cannot be read.
    """
    readers = {".parquet": _parquet, ".xlsx": _excel, ".sli": _library, ".hdr": _library}
    if not path.is_file():
        raise OptionError(f"The table {path} does not exist; check the path (now in {Path.cwd()}).")
    if path.suffix.lower() not in SUFFIXES:
        raise OptionError(f"{path} is no table of a known kind; give one of {', '.join(SUFFIXES)}.")
    try:
        headers, frame = readers.get(path.suffix.lower(), _text)(path)
    except ImportError as error:
        package = "openpyxl" if path.suffix.lower() == ".xlsx" else "pyarrow"
        raise OptionError(
            f"{path} can only be read with {package}, which is not installed; install it "
            f"(pip install {package}), or save the table as CSV."
        ) from error
    except OptionError:
        raise
    except Exception as error:  # pandas and its engines raise many kinds; all mean the same here
        reason = " ".join(str(error).split()).rstrip(".")
        raise OptionError(
            f"{path} cannot be read ({reason}); give a table with a header line and as many cells in "
            f"every row."
        ) from error
    first = frame.iloc[:, 0].rename(headers[0])
    named = [i for i, name in enumerate(headers) if name]
    frame = frame.iloc[:, named].dropna(how="all")
    frame.columns = range(len(named))
    if frame.empty:
        raise OptionError(
            f"{path} has no rows below its header; give a table with spectra or values."
        )
    return RawTable(path, tuple(headers[i] for i in named), frame, first)


def _text(path: Path) -> tuple[list[str], Any]:
    text = read_text(path)
    lines = re.split(r"\r\n|\r|\n", text)
    top = next((i for i, line in enumerate(lines) if line.strip()), None)
    if top is None:
        raise OptionError(f"{path} is empty; give a table with a header line.")
    below = [line for line in lines[top + 1 : top + 1 + _LOOKED_AT] if line.strip()]
    delimiter = _delimiter(lines[top], below[0] if below else "")
    headers = _cells(lines[top], delimiter)
    rows = [_cells(line, delimiter) for line in below]
    longest = max((len(row) for row in rows), default=0)
    if longest > len(headers):
        # pandas would take the first column for names of the rows, and shift all headers.
        raise OptionError(
            f"{path} has {counted(longest, 'cell')} in a row, but {len(headers)} in its header; give every column a "
            f"header, the names of the rows too."
        )
    commas = sum(bool(_COMMA(cell)) - bool(_POINT(cell)) for row in rows for cell in row)
    frame = pd.read_csv(
        io.StringIO("\n".join(lines[top + 1 :])),
        sep=delimiter if delimiter != " " else r"\s+",
        header=None,
        names=range(len(headers)),
        decimal="," if commas > 0 else ".",
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
            frame[column] = _typed(frame[column], comma=commas > 0)
    return headers, frame


def _typed(cells: Any, comma: bool) -> Any:
    """Convert a column to numbers where all cells are numbers; a class may be called NA, or 007."""
    known = cells.dropna().astype(str)
    if comma:
        known = known.map(lambda cell: cell.replace(",", ".") if _COMMA(cell) else cell)
    numbers = pd.to_numeric(known, errors="coerce")
    if numbers.notna().all() and not known.map(_CODE).any():
        return numbers.reindex(cells.index)
    return known.reindex(cells.index)


def _delimiter(header: str, row: str) -> str:
    """The first of tab, semicolon, comma and blank that cuts header and row into as many cells."""
    for delimiter in ("\t", ";", ",", " "):
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


def _parquet(path: Path) -> tuple[list[str], Any]:
    frame = pd.read_parquet(path)
    if frame.index.name is not None:
        frame = frame.reset_index()
    headers = [str(name) for name in frame.columns]
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    return headers, frame


def _excel(path: Path) -> tuple[list[str], Any]:
    cells = pd.read_excel(
        path, header=None, keep_default_na=False, na_values=[""], engine="openpyxl"
    ).dropna(how="all")
    if cells.empty:
        raise OptionError(f"{path} has an empty first sheet; put the table there.")
    cells.index = cells.index + 1
    headers = ["" if pd.isna(name) else str(name).strip() for name in cells.iloc[0]]
    return headers, cells.iloc[1:].infer_objects()


def _library(path: Path) -> tuple[list[str], Any]:
    bands, names, values = read_library(path)
    frame = pd.DataFrame(values)
    frame.insert(0, "name", names)
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    return ["name", *bands], frame


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write columns as comma-separated text, in which no text cell acts as a formula."""
    frame.rename(columns=cell).map(cell).to_csv(path, index=False)
