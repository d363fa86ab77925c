"""Tables of labelled point series, from CSV, TSV, Excel, Parquet and NumPy archives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend
from georaster_dl.core.wording import listed, nearest_names
from georaster_dl.spectra.table.files import read_raw
from georaster_dl.spectra.table.join import as_name, join_rows
from georaster_dl.spectra.table.raw import RawTable
from georaster_dl.timeseries.samples import SensorSamples, SeriesSamples, number_classes
from georaster_dl.timeseries.tables.archive import archive_sensors
from georaster_dl.timeseries.tables.long import long_sensors
from georaster_dl.timeseries.tables.options import SeriesTableOptions
from georaster_dl.timeseries.tables.wide import cell_numbers, find_columns, wide_sensors

__all__ = ["is_series_table", "read_series"]

_TABLES = (".npz", ".parquet", ".tsv", ".txt", ".xlsx")
_LON, _LAT = ("lon", "longitude", "long"), ("lat", "latitude")


def is_series_table(path: Path) -> bool:
    """Whether a file is a table of series, and no list of scenes (a CSV with a column ``path``)."""
    suffix = path.suffix.lower()
    if suffix != ".csv":
        return suffix in _TABLES
    return path.is_file() and "path" not in read_raw(path).headers


def read_series(
    paths: Path | Sequence[Path], options: SeriesTableOptions | None = None
) -> SeriesSamples:
    """Read a table of point series, with their labels in the same file or in a second one.

    - wide: a row a sample, columns such as ``NDVI_2017-03-01``, ``2017-03-01_NDVI``, ``NDVI_doy_60`` (with a column
      of the year) or ``NDVI_01`` (with ``dates``);
    - long: a row a date, with columns of ids and dates;
    - ``.npz`` as ``archive.archive_sensors`` says.

    Parameters
    ----------
    paths : the table; then, where the labels are in another one, a table whose rows are joined by
        ``id_column``.

    Returns
    -------
    Samples of pixels; all columns but those of the series are their groups.

    Raises
    ------
    OptionError
        When a file cannot be read, or columns are missing or not understood.
    """
    options = options or SeriesTableOptions()
    files = [paths] if isinstance(paths, Path) else list(paths)
    if files[0].suffix.lower() == ".npz":
        sensors, groups = archive_sensors(files[0], options.sensor_bands)
        groups, notes = _joined(groups, files, options)
    else:
        sensors, groups, notes = _of_table(files, options)
    title = files[0].name
    if options.nodata is not None:
        sensors = tuple(_without(sensor, options.nodata) for sensor in sensors)
    for sensor in sensors:
        if not sensor.valid.any():
            raise OptionError(
                f"No date of {title} has values of all bands of {sensor.name} ({listed(b.name for b in sensor.bands)}); name "
                f"bands with dates of their own as sensors with `sensor_bands=`."
            )
    labels, legend = _labels(groups, options, title)
    return SeriesSamples(
        files[0].stem,
        sensors,
        labels,
        groups.reset_index(drop=True),
        legend,
        options.target,
        lonlat=_lonlat(groups),
        quantity=options.quantity,
        remarks=tuple(notes),
    )


def _of_table(
    files: Sequence[Path], options: SeriesTableOptions
) -> tuple[tuple[SensorSamples, ...], Any, list[str]]:
    raw = [read_raw(path) for path in files]
    if len(raw) > 1 and options.id_column is None:
        raise OptionError(
            f"{files[0].name} and {files[1].name} are joined by a column of both; name it with `id_column=`."
        )
    title = files[0].name
    headers, frame, notes = join_rows(raw, options.id_column)
    columns = find_columns(headers, options)
    if not columns:
        sensors, groups = long_sensors(frame, headers, options, title)
        return sensors, groups, notes
    sensors = wide_sensors(frame, headers, columns, options, title)
    taken = {column.position for column in columns}
    rest = [i for i in range(len(headers)) if i not in taken]
    groups = frame[rest].set_axis([headers[i] for i in rest], axis=1)
    return sensors, groups, notes


def _joined(
    groups: Any, files: Sequence[Path], options: SeriesTableOptions
) -> tuple[Any, list[str]]:
    """Join the arrays of an archive and the tables that were given with it."""
    if len(files) == 1:
        return groups, []
    frame = groups.set_axis(range(groups.shape[1]), axis=1)
    archive = RawTable(files[0], tuple(groups), frame, frame)
    headers, frame, notes = join_rows(
        [archive, *(read_raw(path) for path in files[1:])], options.id_column
    )
    return frame.set_axis(headers, axis=1), notes


def _without(sensor: SensorSamples, nodata: float) -> SensorSamples:
    missing = sensor.values == np.float32(nodata)
    return replace(sensor, values=np.where(missing, np.float32(np.nan), sensor.values))


def _labels(
    groups: Any, options: SeriesTableOptions, title: str
) -> tuple[npt.NDArray[Any] | None, Legend | None]:
    name = options.class_column or options.target
    if name is None:
        return None, None
    if name not in groups:
        known = [str(column) for column in groups]
        raise OptionError(
            f"{title} has no column {name!r}{nearest_names(name, known)} that is the same in all rows of a sample; it has "
            f"{listed(known, 16) or 'none'}."
        )
    if options.target is None:
        return number_classes([as_name(value) for value in groups[name]])
    values = cell_numbers(groups[name], name, title)
    if np.isnan(values).all():
        raise OptionError(f"Column {name!r} of {title} is empty; give one with measured values.")
    return values, None


def _lonlat(groups: Any) -> npt.NDArray[np.float64] | None:
    """(N, 2) degrees of columns that are named longitude and latitude."""
    names = {str(name).casefold(): name for name in groups}
    lon, lat = (next((names[n] for n in known if n in names), None) for known in (_LON, _LAT))
    if lon is None or lat is None:
        return None
    degrees = np.stack(
        [pd.to_numeric(groups[name], errors="coerce").to_numpy(float) for name in (lon, lat)], 1
    )
    known = np.isfinite(degrees).all(axis=1)
    return degrees if known.any() and (np.abs(degrees[known]) <= (180, 90)).all() else None
