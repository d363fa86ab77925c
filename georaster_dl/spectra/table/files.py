"""Table files, folders of spectra and sheets of workbooks, read into columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted, listed
from georaster_dl.spectra.table.raw import RawTable
from georaster_dl.spectra.table.readers.envi_library import read_library
from georaster_dl.spectra.table.readers.grid import Grid
from georaster_dl.spectra.table.readers.jcamp import read_jcamp
from georaster_dl.spectra.table.readers.single import read_points
from georaster_dl.spectra.table.readers.text import read_text_table
from georaster_dl.spectra.table.readers.workbook import read_sheet
from georaster_dl.spectra.table.sideways import upright

__all__ = ["SUFFIXES", "read_raw", "read_tables"]


def _parquet(path: Path) -> Grid:
    frame = pd.read_parquet(path)
    if frame.index.name is not None:
        frame = frame.reset_index()
    headers = [str(name) for name in frame.columns]
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    return Grid(headers, frame)


def _library(path: Path) -> Grid:
    bands, names, values = read_library(path)
    frame = pd.DataFrame(values)
    frame.insert(0, "name", names)
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    return Grid(["name", *bands], frame)


_TEXT = (".csv", ".tsv", ".txt", ".asc")
_SPECTRA = (".dpt", ".jdx", ".dx", ".jcm")  # a file is a spectrum
_READERS: dict[str, Callable[[Path], Grid]] = {
    **dict.fromkeys(_TEXT, read_text_table),
    ".dpt": read_points,
    **dict.fromkeys((".jdx", ".dx", ".jcm"), read_jcamp),
    ".parquet": _parquet,
    ".sli": _library,
    ".hdr": _library,
}
SUFFIXES = (*_READERS, ".xlsx")
_ADVICE = {
    ".xls": "save it as .xlsx or as CSV",
    ".asd": "export it with ViewSpec Pro as ASCII text",
    ".spc": "export it from the program that made it as JCAMP-DX (.jdx) or as CSV",
    ".0": "save it in OPUS as a data point table (.dpt)",
    ".nir": "export it from WinISI as text or as JCAMP-DX (.jdx)",
    ".cal": "export it from WinISI as text or as JCAMP-DX (.jdx)",
}


def read_tables(paths: Sequence[Path], sheets: Sequence[str] = ()) -> list[RawTable]:
    """Read files whose rows belong together.

    Of a folder, and of several files that hold a spectrum each (``.dpt``, ``.jdx``), the rows stand below one another in
    one table, in the order of the numbers in their names, or in that of ``paths`` where it is not alphabetical; each named
    sheet of a workbook is a table.

    Raises
    ------
    OptionError
        As ``read_raw``; when files of a folder are of several kinds or have other columns; when sheets are named and no file is
        a workbook.
    """
    books = [path for path in paths if path.suffix.lower() == ".xlsx"]
    if sheets and not books:
        raise OptionError(
            f"`sheet={listed(sheets)}` names a sheet, but none of {listed(path.name for path in paths)} is a workbook "
            f"(.xlsx); leave it out."
        )
    if len(paths) > 1 and all(path.suffix.lower() in _SPECTRA for path in paths):
        # In the alphabetical order of a shell's pattern, sample 10 comes before sample 2.
        as_listed = list(paths) == sorted(paths)
        ordered = sorted(paths, key=_natural) if as_listed else paths
        return [_below_one_another(ordered, paths[0].parent)]
    tables: list[RawTable] = []
    for path in paths:
        if path.is_dir():
            tables.append(_below_one_another(_files_of(path), path))
        elif path in books and sheets:
            tables += [read_raw(path, sheet) for sheet in sheets]
        else:
            tables.append(read_raw(path))
    return tables


def read_raw(path: Path, sheet: str | None = None) -> RawTable:
    """Read a text, Parquet, Excel, JCAMP-DX or OPUS data point file, or an ENVI spectral library.

    Columns without a header (names of the rows, or nothing after a last delimiter) are left out, and
    empty rows are. Of text, the encoding (as ``io.text_file`` does), the header, the delimiter (tab, semicolon,
    comma, blanks) and the decimal sign are found by looking.

    Parameters
    ----------
    sheet : of a workbook; None takes the first.

    Raises
    ------
    OptionError
        When it does not exist, is of another kind, is empty, or cannot be read.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise OptionError(f"The table {path} does not exist; check the path (now in {Path.cwd()}).")
    if suffix not in SUFFIXES:
        advice = _ADVICE.get(suffix, f"give one of {', '.join(SUFFIXES)}")
        raise OptionError(f"{path} is no table of a known kind; {advice}.")
    try:
        grid = read_sheet(path, sheet) if suffix == ".xlsx" else _READERS[suffix](path)
    except ImportError as error:
        package = "openpyxl" if suffix == ".xlsx" else "pyarrow"
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
    return _named(path, grid, sheet)


def _named(path: Path, grid: Grid, sheet: str | None) -> RawTable:
    """The columns that have a header, and the rows that are not empty."""
    first = grid.frame.iloc[:, 0].rename(grid.headers[0])
    named = [i for i, name in enumerate(grid.headers) if name]
    frame = grid.frame.iloc[:, named].dropna(how="all")
    frame.columns = range(len(named))
    if frame.empty:
        raise OptionError(
            f"{path} has no rows below its header; give a table with spectra or values."
        )
    headers = tuple(grid.headers[i] for i in named)
    repairs = tuple(f"{path.name}: {repair}" for repair in grid.repairs)
    return RawTable(path, headers, frame, first, repairs, grid.comma, sheet)


def _files_of(folder: Path) -> list[Path]:
    """Tables in a folder, which are of one kind, by name: sample 2 before sample 10."""
    tables = (path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    files = sorted(tables, key=_natural)
    kinds = sorted({path.suffix.lower() for path in files})
    if len(kinds) != 1:
        found = " and ".join(kinds) or "none"
        raise OptionError(
            f"The folder {folder} must hold spectra of one kind ({', '.join(SUFFIXES)}), but has {found}; name its "
            f"files, or put those of one kind into a folder of their own."
        )
    return files


def _natural(path: Path) -> tuple[list[str | int], str]:
    """Sort by the numbers in a name as numbers."""
    parts = re.split(r"(\d+)", path.stem.casefold())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], str(path)


def _below_one_another(paths: Iterable[Path], whole: Path) -> RawTable:
    """Concatenate the rows of files with the same columns; ``file`` is a column of their names."""
    tables = [upright([read_raw(path)])[0] for path in paths]
    first = tables[0]
    other = next((table for table in tables if table.headers != first.headers), None)
    if other is not None:
        raise OptionError(
            f"{other.path.name} has other columns than {first.path.name} ({_columns(other)}; {_columns(first)}), so "
            f"they are no table together; export all spectra on the same wavelengths."
        )
    alone = first.path.suffix.lower() in _SPECTRA
    frames = []
    for table in tables:
        frame = table.frame.set_axis([table.path.name] * len(table.frame), axis=0)
        if not alone:
            frame = frame.assign(file=table.path.stem)
        frames.append(frame.set_axis(range(frame.shape[1]), axis=1))
    frame = pd.concat(frames)
    headers = first.headers if alone else (*first.headers, "file")
    repair = f"{whole.name}: {counted(len(tables), 'file')} were put below one another."
    return replace(
        first,
        path=whole,
        headers=headers,
        frame=frame,
        first=frame[0].rename(headers[0]),
        repairs=(repair, *first.repairs),
        comma=any(table.comma for table in tables),
    )


def _columns(table: RawTable) -> str:
    return f"{counted(len(table.headers), 'column')}, {table.headers[0]} to {table.headers[-1]}"
