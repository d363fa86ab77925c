"""Wide tables of series: a row a sample, a column for each band at each date."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import named_bands
from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.stacks.dates import date_in_path, parse_date, without_dates
from georaster_dl.spectra.table.cells import is_text, numbers_of
from georaster_dl.timeseries.samples import SensorSamples
from georaster_dl.timeseries.tables.options import SeriesTableOptions, bands_by_sensor

__all__ = ["SeriesColumn", "find_columns", "wide_sensors"]

_DOY = re.compile(r"(?P<band>.+?)[_.-]doy[_.-]?(?P<doy>\d{1,3})", re.IGNORECASE)
_NUMBERED = re.compile(r"(?P<band>.+?)[_.-]t?(?P<number>\d{1,4})", re.IGNORECASE)
_KEYS = ("date", "doy", "number")


@dataclass(frozen=True)
class SeriesColumn:
    """A column of a series.

    Attributes
    ----------
    position : in the table.
    band : name of the band.
    when : date, or day of the year where ``of_year``.
    """

    position: int
    band: str
    when: np.datetime64 | int
    of_year: bool = False


def find_columns(headers: Sequence[str], options: SeriesTableOptions) -> list[SeriesColumn]:
    """Find the columns that hold series, by dates, days of the year or numbers in their headers.

    Returns
    -------
    The columns; none where no header says so.

    Raises
    ------
    OptionError
        When the pattern cannot work, or the numbers are not as many as the dates.
    """
    if options.column_pattern is not None:
        return _by_pattern(headers, options.column_pattern, options)
    dated = [
        SeriesColumn(i, without_dates(header).strip("_.- ") or "value", np.datetime64(day, "D"))
        for i, header in enumerate(headers)
        if (day := date_in_path(header)) is not None
    ]
    if dated:
        return dated
    of_year = _matched(headers, _DOY, options)
    return of_year or (_matched(headers, _NUMBERED, options) if options.dates else [])


def _by_pattern(
    headers: Sequence[str], pattern: str, options: SeriesTableOptions
) -> list[SeriesColumn]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise OptionError(
            f"`column_pattern='{pattern}'` is no regular expression: {error}."
        ) from error
    groups = set(compiled.groupindex)
    if "band" not in groups or len(groups & set(_KEYS)) != 1:
        raise OptionError(
            f"`column_pattern='{pattern}'` must have the group (?P<band>...) and one of (?P<date>...), (?P<doy>...) and "
            f"(?P<number>...)."
        )
    found = _matched(headers, compiled, options)
    if not found:
        raise OptionError(
            f"`column_pattern='{pattern}'` fits none of the columns ({listed(headers)})."
        )
    return found


def _matched(
    headers: Sequence[str], pattern: re.Pattern[str], options: SeriesTableOptions
) -> list[SeriesColumn]:
    matches = [
        (i, match) for i, header in enumerate(headers) if (match := pattern.fullmatch(header))
    ]
    key = next(key for key in _KEYS if key in pattern.groupindex)
    if key == "date":
        return [
            SeriesColumn(i, m["band"], np.datetime64(parse_date(m["date"], f"in {m[0]}"), "D"))
            for i, m in matches
        ]
    if key == "doy":
        return [SeriesColumn(i, m["band"], int(m["doy"]), of_year=True) for i, m in matches]
    dates = [np.datetime64(parse_date(day, "of `dates=`"), "D") for day in options.dates]
    numbers = sorted({int(m["number"]) for _, m in matches})
    if len(numbers) != len(dates):
        raise OptionError(
            f"`dates=` has {counted(len(dates), 'date')}, but the columns are numbered {listed(numbers)} "
            f"({len(numbers)} in all); give a date for each number."
        )
    of_number = dict(zip(numbers, dates, strict=True))
    return [SeriesColumn(i, m["band"], of_number[int(m["number"])]) for i, m in matches]


def wide_sensors(
    frame: Any,
    headers: Sequence[str],
    columns: Sequence[SeriesColumn],
    options: SeriesTableOptions,
    title: str,
) -> tuple[SensorSamples, ...]:
    """Gather the series of a wide table.

    Parameters
    ----------
    frame : columns by position, a row a sample.
    title : the table's name, for messages.

    Raises
    ------
    OptionError
        When a cell holds text, a column occurs twice, or there is no year for days of the year.
    """
    bands = bands_by_sensor(
        list(dict.fromkeys(column.band for column in columns)), options.sensor_bands, title
    )
    years = _years(frame, headers, options, title) if columns[0].of_year else None
    return tuple(
        _sensor(name, own, [c for c in columns if c.band in own], frame, headers, years, title)
        for name, own in bands.items()
    )


def _sensor(
    name: str,
    bands: Sequence[str],
    columns: Sequence[SeriesColumn],
    frame: Any,
    headers: Sequence[str],
    years: npt.NDArray[np.datetime64] | None,
    title: str,
) -> SensorSamples:
    whens = sorted({column.when for column in columns})
    values = np.full((len(frame), len(whens), len(bands)), np.nan, np.float32)
    filled: set[tuple[int, int]] = set()
    for column in columns:
        place = whens.index(column.when), bands.index(column.band)
        if place in filled:
            raise OptionError(
                f"{title} has two columns of {column.band} at {column.when} ({headers[column.position]} is one); keep "
                f"one of them."
            )
        filled.add(place)
        values[:, place[0], place[1]] = cell_numbers(
            frame[column.position], headers[column.position], title
        )
    if years is None:
        dates = np.array(whens, "datetime64[D]")
    else:
        dates = years[:, None] + (np.array(whens) - 1)
    return SensorSamples(name, named_bands(bands), values, dates)


def cell_numbers(column: Any, header: str, title: str) -> npt.NDArray[np.float64]:
    """Numbers of a column, NaN where a cell is empty or says so.

    Raises
    ------
    OptionError
        When a cell holds text.
    """
    wrong = np.flatnonzero(is_text(column))
    if wrong.size:
        raise OptionError(
            f"{title} holds the text {str(column.iloc[wrong[0]])!r} in row {column.index[wrong[0]]}, column {header}, where "
            f"a number is expected; correct it, or leave the cell empty."
        )
    return numbers_of(column)


def _years(
    frame: Any, headers: Sequence[str], options: SeriesTableOptions, title: str
) -> npt.NDArray[np.datetime64]:
    """(N,) first of January of each sample's year."""
    if options.year_column not in headers:
        raise OptionError(
            f"The columns of {title} are days of the year, but it has no column {options.year_column!r} with the year; name "
            f"it with `year_column=`."
        )
    numbers = numbers_of(frame[headers.index(options.year_column)])
    if not (np.isfinite(numbers) & (numbers >= 1900) & (numbers <= 2100)).all():
        raise OptionError(
            f"Column {options.year_column!r} of {title} must hold a year such as 2017 in every row."
        )
    return (numbers.astype(np.int64) - 1970).astype("datetime64[Y]").astype("datetime64[D]")
