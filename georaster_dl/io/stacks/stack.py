"""Satellite image time series: the dated images of one sensor or several on one grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import MOST_NAMED, Band, match_bands
from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import Georeference, crs_name, resolution_m
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.scenes.scene import window_slice
from georaster_dl.io.stacks.series import SensorSeries, SeriesReader

if TYPE_CHECKING:
    from xarray import DataArray

__all__ = ["StackReader", "StackSensor", "TimeStack"]


@dataclass(frozen=True)
class StackSensor:
    """One sensor of a stack.

    Attributes
    ----------
    name : by which the stack's reader was given it.
    bands : of every date; derived indices are bands like others.
    dates : sorted, each once.
    """

    name: str
    bands: tuple[Band, ...]
    dates: tuple[date, ...]


@dataclass(frozen=True, repr=False)
class TimeStack:
    """Dated images of one place on one grid, described without reading a pixel.

    Every sensor has bands and dates of its own. A stack that was opened from files can be pickled.

    Attributes
    ----------
    name : what the user calls it.
    series : of each sensor.
    geobox : grid that all are read on.
    mask : how clouds are masked, as the option says it; empty where nothing was asked for.
    remarks : how the sources were understood where they left room for doubt, a sentence each.
    """

    name: str
    series: tuple[SensorSeries, ...]
    geobox: Georeference
    mask: str = ""
    remarks: tuple[str, ...] = ()

    @cached_property
    def sensors(self) -> tuple[StackSensor, ...]:
        """Name, bands and dates of each sensor."""
        return tuple(StackSensor(own.name, own.bands, own.series.dates) for own in self.series)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, cols."""
        rows, cols = self.geobox.shape
        return rows, cols

    @property
    def resolution_m(self) -> float | None:
        """Side of a pixel in metres, None where the CRS does not say."""
        return resolution_m(self.geobox)

    @property
    def block_rows(self) -> int:
        """Rows that the sources decode at once; reads of whole blocks cost least."""
        return self._block(0)

    @property
    def block_cols(self) -> int:
        """Cols that the sources decode at once."""
        return self._block(1)

    def _block(self, axis: int) -> int:
        size = self.shape[axis]
        blocks = (
            round(own.series.block[axis] * size / own.series.geobox.shape[axis])
            for own in self.series
        )
        return int(max(1, *(min(block, size) for block in blocks)))

    @property
    def calibrated(self) -> bool:
        """Whether all sources say that their numbers are physical values."""
        return all(own.series.calibrated for own in self.series)

    def __repr__(self) -> str:
        """Name, size, CRS, and each sensor's dates and bands, in one line."""
        size = f"{self.shape[0]} x {self.shape[1]} pixels, {crs_name(self.geobox.crs)}"
        each = (
            f"{s.name}: {counted(len(s.dates), 'date')} from {s.dates[0]} to {s.dates[-1]}, "
            f"{counted(len(s.bands), 'band')} ({listed([b.name for b in s.bands], MOST_NAMED)})"
            for s in self.sensors
        )
        return f"<TimeStack {self.name}: {size}; {'; '.join(each)}>"

    def select(self, bands: Mapping[str, Sequence[Band]]) -> TimeStack:
        """Take bands that match these, sensor by sensor and in this order.

        Where the stack has one sensor only, all wanted are taken from it, whatever it is called. A spectral
        index that is wanted and not there is derived.

        Parameters
        ----------
        bands : wanted, by the names of sensors; see :func:`georaster_dl.core.bands.match_bands`.

        Raises
        ------
        OptionError
            When the stack has several sensors, and none of a name.
        BandMismatchError
            When a band is missing.
        """
        chosen = []
        for name, wanted in bands.items():
            own = self._sensor(name, bands).with_indices(wanted)
            places = match_bands(wanted, own.bands)
            picks = tuple(own.picks[place] for place in places)
            chosen.append(replace(own, name=name, picks=picks))
        return replace(self, series=tuple(chosen))

    def _sensor(self, name: str, wanted: Iterable[str]) -> SensorSeries:
        if len(self.series) == 1:
            return self.series[0]
        for own in self.series:
            if own.name.casefold() == name.casefold():
                return own
        names = [own.name for own in self.series]
        raise OptionError(
            f"The stack {self.name} has the sensors {listed(names)}, but {name!r} is asked for; name one of them, or call "
            f"them as the model does ({listed(wanted)})."
        )

    def between(self, since: date | None = None, until: date | None = None) -> TimeStack:
        """Take the images from one date to another, both included.

        Raises
        ------
        OptionError
            When a sensor has no image in that time.
        """
        kept = []
        for own in self.series:
            dates = own.series.dates
            places = [
                place
                for place, day in enumerate(dates)
                if (since is None or since <= day) and (until is None or day <= until)
            ]
            if not places:
                raise OptionError(
                    f"The stack {self.name} has no image of {own.name} between {since or 'its first date'} and "
                    f"{until or 'its last'}; its dates are {dates[0]} to {dates[-1]}."
                )
            kept.append(replace(own, series=own.series.take(places)))
        return replace(self, series=tuple(kept))

    def reader(self) -> StackReader:
        """Open a reader of windows, a context manager; open one in each thread."""
        return StackReader(self)

    def read(
        self, rows: slice | None = None, cols: slice | None = None
    ) -> tuple[npt.NDArray[np.float32], ...]:
        """Read physical values (dates, bands, rows, cols) of each sensor; all rows and cols by default.

        NaN in all bands of a date's pixel that is masked, nodata or invalid in any of them.

        Raises
        ------
        OptionError
            When a slice is empty, has a step, or leads out of the stack.
        SceneError
            When a file is damaged or truncated.
        """
        with self.reader() as reader:
            return reader.read(
                window_slice("rows", rows, self.shape[0]), window_slice("cols", cols, self.shape[1])
            )

    def to_xarray(self, sensor: str | None = None) -> DataArray:
        """Give a DataArray of physical values (time, band, y, x) whose windows are read when they are asked for.

        float32, NaN as ``read`` gives it, with the CRS (``.odc``, ``.rio``), dates, and names and wavelengths of
        the bands. ``.chunk(...)`` makes it an array of Dask.

        Parameters
        ----------
        sensor : name of the sensor where the stack has several.

        Raises
        ------
        OptionError
            When xarray is not installed, or there are several sensors and none is named.
        """
        from georaster_dl.io.xarrays import lazy_dataarray

        own = self._sensor(sensor or "", [sensor] if sensor else [])

        def read(
            dates: Sequence[int], bands: Sequence[int], rows: slice, cols: slice
        ) -> npt.NDArray[np.float32]:
            part = replace(own, series=own.series.take(dates))
            # All bands, as each says where the others hold no measurement.
            with replace(self, series=(part,)).reader() as reader:
                return reader.read(rows, cols)[0][:, list(bands)]

        made = lazy_dataarray(read, self.geobox, own.bands, own.series.dates)
        return made.rename(own.name)

    def source_files(self) -> list[str]:
        """List every file that the pixels come from."""
        files = (path for own in self.series for path in own.series.source_files())
        return list(dict.fromkeys(files))


class StackReader:
    """Open handles on the sources of a stack. Not to be shared between threads; open one in each."""

    def __init__(self, stack: TimeStack) -> None:
        self._stack = stack
        self._exit = ExitStack()
        self._readers: list[SeriesReader] = []

    def __enter__(self) -> Self:
        """Open the sources."""
        try:
            self._exit.enter_context(gdal_environment())
            for own in self._stack.series:
                self._readers.append(self._exit.enter_context(own.reader(self._stack.geobox)))
        except BaseException:
            self._exit.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the sources."""
        self._readers.clear()
        self._exit.close()

    def read(self, rows: slice, cols: slice) -> tuple[npt.NDArray[np.float32], ...]:
        """Read a window inside the stack.

        Returns
        -------
        float32 physical values (dates, bands, rows, cols) of each sensor, NaN in all bands of a date's pixel that
        is masked, nodata or invalid in any of them.

        Raises
        ------
        SceneError
            When a file is damaged or truncated.
        """
        return tuple(reader.read(rows, cols) for reader in self._readers)
