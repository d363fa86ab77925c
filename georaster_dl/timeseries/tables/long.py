"""Long tables of series: a row for each date of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.bands import named_bands
from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.core.wording import listed, nearest_names
from georaster_dl.io.stacks.dates import parse_date
from georaster_dl.spectra.table.cells import is_text, numbers_of
from georaster_dl.spectra.table.join import as_name
from georaster_dl.timeseries.samples import SensorSamples
from georaster_dl.timeseries.tables.options import SeriesTableOptions, bands_by_sensor
from georaster_dl.timeseries.tables.wide import cell_numbers

__all__ = ["long_sensors"]

_ID = "id"


def long_sensors(
    frame: Any, headers: Sequence[str], options: SeriesTableOptions, title: str
) -> tuple[tuple[SensorSamples, ...], Any]:
    """Gather the series of a long table.

    Bands are the columns of numbers that change within a sample, unless ``sensors`` names them. A row
    counts for the sensors of which it has a value.

    Parameters
    ----------
    frame : columns by position, a row a date of a sample.
    title : the table's name, for messages.

    Returns
    -------
    The sensors, and a DataFrame of all columns that are the same in all rows of a sample, a row a sample.

    Raises
    ------
    OptionError
        When a column is missing, a cell is no date or no number, or there is no band.
    """
    frame = frame.set_axis(list(headers), axis=1)
    id_column = options.id_column or _ID
    for column, setting in ((id_column, "id_column"), (options.date_column, "date_column")):
        if column not in headers:
            raise OptionError(
                f"{title} has neither columns with dates in their headers nor, as a long table, a column {column!r}"
                f"{nearest_names(column, headers)}; name it with `{setting}=`, or give `dates=` for numbered columns."
            )
    ids = frame[id_column].map(as_name)
    if ids.isna().any():
        raise OptionError(
            f"Column {id_column!r} of {title} is empty in row {ids.index[ids.isna()][0]}."
        )
    sample, names = pd.factorize(ids)
    dates = _dates(frame[options.date_column], title)
    rest = [name for name in headers if name not in (id_column, options.date_column)]
    # Nothing that changes within a sample can describe it.
    first = ~pd.Series(sample).duplicated().to_numpy()
    labels = (options.class_column, options.target)
    varied = [name for name in rest if _varies(frame[name], sample)]
    constant = frame.loc[first, [name for name in rest if name not in varied]]
    constant.insert(0, id_column, names)
    present = [name for name in varied if name not in labels and not is_text(frame[name]).any()]
    present += [
        b
        for bands in options.sensor_bands.values()
        for b in bands
        if b in rest and b not in present
    ]
    sensors = bands_by_sensor(present, options.sensor_bands, title)
    if not all(sensors.values()):
        raise OptionError(
            f"No column of {title} holds numbers that change within a sample, so there is no series; its columns are "
            f"{listed(headers, 16)}."
        )
    named = [band for bands in sensors.values() for band in bands]
    return tuple(
        _sensor(name, bands, frame, sample, dates, title) for name, bands in sensors.items()
    ), constant.drop(columns=[name for name in named if name in constant])


def _sensor(
    name: str,
    bands: Sequence[str],
    frame: Any,
    sample: npt.NDArray[np.intp],
    dates: npt.NDArray[np.datetime64],
    title: str,
) -> SensorSamples:
    """Series (N, T, B), each in the order of time."""
    numbers = np.stack([cell_numbers(frame[band], band, title) for band in bands], axis=1)
    rows = np.flatnonzero(np.isfinite(numbers).any(axis=1))
    rows = rows[np.lexsort((dates[rows], sample[rows]))]
    n = int(sample.max()) + 1
    counts = np.bincount(sample[rows], minlength=n)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    values = np.full((n, max(int(counts.max(initial=0)), 1), len(bands)), np.nan, np.float32)
    values[sample[rows], place] = numbers[rows]
    of_date = np.full(values.shape[:2], "NaT", "datetime64[D]")
    of_date[sample[rows], place] = dates[rows]
    return SensorSamples(name, named_bands(bands), values, of_date)


def _varies(column: Any, sample: npt.NDArray[np.intp]) -> bool:
    """Whether a column has two values within a sample, or in some of its rows only."""
    if not is_text(column).any():
        column = pd.Series(numbers_of(column))
    return bool((column.reset_index(drop=True).groupby(sample).nunique(dropna=False) > 1).any())


def _dates(column: Any, title: str) -> npt.NDArray[np.datetime64]:
    if pd.api.types.is_datetime64_any_dtype(column):
        return column.to_numpy("datetime64[D]")  # type: ignore[no-any-return]
    known: dict[str, np.datetime64] = {}
    for text in column.map(as_name).unique():
        try:
            known[text] = np.datetime64(parse_date(text or "", f"a date of {title}"), "D")
        except SceneError as error:
            raise OptionError(str(error)) from None
    return np.array([known[text] for text in column.map(as_name)], "datetime64[D]")
