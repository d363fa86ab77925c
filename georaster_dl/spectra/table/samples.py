"""Tables of spectra: one spectrum and its measured values in every row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted, listed, nearest_names
from georaster_dl.spectra.descent import digests_of
from georaster_dl.spectra.table.axis import FEWEST_BANDS, Unit, find_axis
from georaster_dl.spectra.table.cells import is_text, is_word, numbers_of
from georaster_dl.spectra.table.censored import Below, below_limit, uncensored
from georaster_dl.spectra.table.files import read_tables
from georaster_dl.spectra.table.join import as_name, join_rows, row_label
from georaster_dl.spectra.table.raw import RawTable
from georaster_dl.spectra.table.sideways import upright

__all__ = ["SpectraOptions", "SpectraTable", "read_spectra"]


@dataclass(frozen=True)
class SpectraOptions:
    """Settings for reading tables, where the files leave something open.

    Attributes
    ----------
    unit : of the numbers in the header; None goes by the header, then by the numbers.
    id_column : whose equal values join the rows of several files; None joins them in their order.
    drop_missing : leave rows out whose spectrum has gaps, instead of stopping.
    sheet : names of sheets of workbooks, each a table; empty takes the first sheet.
    below : what values below a limit (``<0.05``) count as: ``half`` of the limit, not known (``drop``), or an
        ``error`` where they are used.
    """

    unit: Unit | None = None
    id_column: str | None = None
    drop_missing: bool = False
    sheet: tuple[str, ...] = ()
    below: Below = "error"


@dataclass(frozen=True, eq=False)
class SpectraTable:
    """Spectra on one axis, and all that is known of each.

    Attributes
    ----------
    name : of the first file.
    wavelengths_nm : (bands,) increasing.
    spectra : (n, bands), finite.
    columns : pandas DataFrame of n rows: names, measured values, classes.
    repairs : what was guessed, turned round or left out, a sentence each.
    decimal_comma : whether its first file has decimal commas.
    below : what values below a limit count as in columns of values.
    places : (n,) names of the rows for messages, of the file that they come from; None counts spectra from 1.
    fwhm_nm : (bands,) widths of the bands, None where the file does not state them.
    read_digests : (n,) digests of the spectra as they were read, whatever became of them; None for those they are now.
    """

    name: str
    wavelengths_nm: npt.NDArray[np.float64] = field(repr=False)
    spectra: npt.NDArray[np.float64] = field(repr=False)
    columns: Any = field(repr=False)
    repairs: tuple[str, ...] = ()
    decimal_comma: bool = False
    below: Below = "error"
    places: npt.NDArray[Any] | None = field(default=None, repr=False)
    fwhm_nm: npt.NDArray[np.float64] | None = field(default=None, repr=False)
    read_digests: npt.NDArray[np.object_] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.spectra)

    @property
    def digests(self) -> npt.NDArray[np.object_]:
        """(n,) digests by which simulated spectra name their parents."""
        return digests_of(self.spectra) if self.read_digests is None else self.read_digests

    def column(self, name: str) -> Any:
        """Values of a column as a pandas Series.

        Raises
        ------
        OptionError
            When there is none of that name; the nearest are named.
        """
        if name not in self.columns:
            known = [str(known) for known in self.columns]
            near = nearest_names(name, known) or f" (it has {listed(known) or 'none'})"
            raise OptionError(
                f"{self.name} has no column {name!r}{near}; give one of its columns that are not of the "
                f"spectrum."
            )
        return self.columns[name]

    def target(self, name: str) -> npt.NDArray[np.float64]:
        """Return the numbers (n,) of a column, NaN where missing.

        Raises
        ------
        OptionError
            When there is no such column, or it holds text or nothing.
        """
        column = self.column(name)
        wrong = np.flatnonzero(is_text(column))
        if wrong.size and not below_limit(column).size:
            raise OptionError(
                f"Column {name!r} of {self.name} holds the text {str(column.iloc[wrong[0]])!r} where a number is expected "
                f"({self.where(wrong)}; {len(wrong)} of {counted(len(self), 'row')}); correct it, or leave the cell "
                f"empty where the value is not known."
            )
        numbers = uncensored(column, self.below, name, self.name)
        if np.isnan(numbers).all():
            raise OptionError(
                f"Column {name!r} of {self.name} is empty; give one with measured values."
            )
        return numbers

    def censored(self, name: str) -> str | None:
        """Count the values of a column below a limit, and say how they are taken; None without any."""
        places = below_limit(self.column(name))
        if not places.size or self.below == "error":
            return None
        shown, verb = self.column(name).iloc[places[0]], "counts" if len(places) == 1 else "count"
        meaning = "half of it" if self.below == "half" else "not known"
        return f"{counted(len(places), 'value')} of {len(self)} in {name!r} below a limit (such as {shown}) {verb} as {meaning}"

    def where(self, chosen: Iterable[int]) -> str:
        """Name rows by positions as a message does: ``row 5``, ``S003.dpt``."""
        if self.places is None:
            return listed(f"spectrum {i + 1}" for i in chosen)
        return listed(row_label(self.places[i]) for i in chosen)

    def classes(self, name: str) -> npt.NDArray[np.object_]:
        """(n,) class names of a column, None where the cell is empty; 2.0 is class '2', NA is class 'NA'.

        Raises
        ------
        OptionError
            When there is no such column.
        """
        return np.array([as_name(value) for value in self.column(name)], object)

    def words(self, name: str) -> dict[str, int]:
        """Count the cells of a column by their words for missing values, for example NA."""
        counts = Counter(str(value).strip() for value in self.column(name) if is_word(value))
        return dict(counts)

    def within(self, ranges: Sequence[tuple[float, float]]) -> SpectraTable:
        """Take the wavelengths within ranges (first, last) in nm; all where no range is given.

        Raises
        ------
        OptionError
            When fewer than 8 wavelengths lie within.
        """
        if not ranges:
            return self
        lengths = self.wavelengths_nm
        inside = np.any([(low <= lengths) & (lengths <= high) for low, high in ranges], axis=0)
        if inside.sum() < FEWEST_BANDS:
            asked = " and ".join(f"{low:g}-{high:g}" for low, high in ranges)
            raise OptionError(
                f"{self.name} has {counted(int(inside.sum()), 'wavelength')} within `range=` {asked} nm, but at least "
                f"{FEWEST_BANDS} are needed; its wavelengths are {lengths[0]:g} to {lengths[-1]:g} nm."
            )
        return self.bands(inside)

    def bands(self, chosen: npt.NDArray[Any]) -> SpectraTable:
        """Bands by positions, or by a mask (bands,)."""
        return replace(
            self,
            wavelengths_nm=self.wavelengths_nm[chosen],
            spectra=self.spectra[:, chosen],
            fwhm_nm=None if self.fwhm_nm is None else self.fwhm_nm[chosen],
        )

    def rows(self, chosen: npt.NDArray[Any]) -> SpectraTable:
        """Rows by positions, or by a mask (n,)."""
        columns = self.columns.iloc[chosen].reset_index(drop=True)
        places = None if self.places is None else self.places[chosen]
        digests = None if self.read_digests is None else self.read_digests[chosen]
        return replace(
            self,
            spectra=self.spectra[chosen],
            columns=columns,
            places=places,
            read_digests=digests,
        )


def read_spectra(
    source: Path | Sequence[Path] | pd.DataFrame, options: SpectraOptions = SpectraOptions()
) -> SpectraTable:
    """Read a table of spectra, from one file, from several that share their rows, or from a data frame.

    Columns whose header is a number (``1100``, ``X1100``, ``1100.5 nm``, ``9090.9 cm-1``) are the
    spectrum, all others are columns. A table with its wavelengths in rows is turned.

    Parameters
    ----------
    source : a file or folder, or several, see ``files.read_tables``; or a pandas DataFrame.

    Raises
    ------
    OptionError
        When a file cannot be read, rows do not fit together, the axis is unsound, or a spectrum holds
        text or gaps.
    """
    raw = _raw(source, options)
    first = raw[0]
    headers, frame, notes = join_rows(raw, options.id_column)
    try:
        axis = find_axis(headers, options.unit, title=first.title)
    except OptionError as error:  # perhaps because of what was assumed
        raise OptionError(" ".join([str(error), *first.repairs])) from error
    named = [i for i in range(len(headers)) if i not in set(axis.columns.tolist())]
    names = [headers[i] for i in named]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OptionError(
            f"Columns are repeated in {' and '.join(table.title for table in raw)} "
            f"({listed(twice)}); rename them, or join the files by the one that tells rows apart."
        )
    spectra = _spectra(frame, axis.columns, headers, first.title)
    _check_bands(spectra, [headers[i] for i in axis.columns], first.title)
    whole = np.isfinite(spectra).all(axis=1)
    if not whole.all():
        notes.append(_gaps(first.title, frame.index[~whole], len(frame), options.drop_missing))
    columns = frame.loc[whole, named].set_axis(names, axis=1).reset_index(drop=True)
    return SpectraTable(
        first.path.stem,
        axis.wavelengths_nm,
        spectra[whole],
        columns,
        (*axis.repairs, *notes),
        first.comma,
        options.below,
        frame.index.to_numpy()[whole],
        axis.fwhm_nm,
        digests_of(spectra[whole]),
    )


def _raw(source: Path | Sequence[Path] | pd.DataFrame, options: SpectraOptions) -> list[RawTable]:
    if isinstance(source, pd.DataFrame):
        return [RawTable.of_frame(source)]
    files = [source] if isinstance(source, Path) else list(source)
    return upright(read_tables(files, options.sheet), options.unit)


def _spectra(
    frame: Any, columns: npt.NDArray[np.intp], headers: Sequence[str], title: str
) -> npt.NDArray[np.float64]:
    """(n, bands) numbers; NaN where a cell is empty."""
    spectra = np.empty((len(frame), len(columns)))
    for band, position in enumerate(columns):
        column = frame[position]
        spectra[:, band] = numbers_of(column)
        if not np.isnan(spectra[:, band]).any():
            continue
        wrong = np.flatnonzero(is_text(column))
        if wrong.size:
            raise OptionError(
                f"{title} holds the text {str(column.iloc[wrong[0]])!r} in "
                f"{row_label(column.index[wrong[0]])}, column {headers[position]}, where a number is expected; "
                f"correct it, or leave the cell empty."
            )
    return spectra


def _check_bands(spectra: npt.NDArray[np.float64], names: list[str], title: str) -> None:
    """Refuse bands that no spectrum has."""
    without = np.flatnonzero(~np.isfinite(spectra).any(axis=0))
    if without.size and without.size < len(names):
        bands = listed(repr(names[band]) for band in without)
        column, its = ("columns", "them") if without.size > 1 else ("column", "it")
        raise OptionError(
            f"The {column} {bands} of {title} {'have' if without.size > 1 else 'has'} no number in any of "
            f"{counted(len(spectra), 'spectrum')}; delete {its}, or export the spectra again."
        )


def _gaps(title: str, rows: Any, n: int, drop: bool) -> str:
    """Say which rows are left out, or stop."""
    named = listed(row_label(row) for row in rows)
    if not drop:
        raise OptionError(
            f"{title} has gaps in {len(rows)} of {counted(n, 'spectrum')} ({named}); fill or delete them, or leave "
            f"these spectra out with `drop_missing=True`."
        )
    if len(rows) == n:
        raise OptionError(f"Every spectrum of {title} has gaps; check its columns.")
    return f"{title}: {len(rows)} of {counted(n, 'spectrum')} left out because of gaps ({named})."
