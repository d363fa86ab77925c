"""Interface of a sensor's dated images, which come from files or cubes, and indices derived of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import Protocol

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import Band, find_band
from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import Georeference
from georaster_dl.io.formats.indices import INDICES, Index, index_inputs, missing_inputs

__all__ = ["SensorSeries", "Series", "SeriesReader", "fill_invalid"]


class SeriesReader(Protocol):
    """Open handles on the images of a series; one thread at a time."""

    def read(self, rows: slice, cols: slice) -> npt.NDArray[np.float32]:
        """Read physical values (dates, bands, rows, cols), NaN in all bands where any is invalid or masked."""


class Series(Protocol):
    """Images of one sensor, described without reading their pixels."""

    @property
    def bands(self) -> tuple[Band, ...]:
        """Bands of every date."""

    @property
    def dates(self) -> tuple[date, ...]:
        """Dates, sorted, each once."""

    @property
    def geobox(self) -> Georeference:
        """Grid of the finest images."""

    @property
    def geoboxes(self) -> Mapping[str, Georeference]:
        """Every other grid among the images, by the name of an image that has it."""

    @property
    def block(self) -> tuple[int, int]:
        """Rows, cols of that grid that are decoded at once."""

    @property
    def calibrated(self) -> bool:
        """Whether the numbers are known to be physical values."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """How the sources were understood where they left room for doubt, a sentence each."""

    def take(self, dates: Sequence[int]) -> Series:
        """Give the series of some dates, by their places in ascending order."""

    def reader(
        self, indices: Sequence[int], geobox: Georeference
    ) -> AbstractContextManager[SeriesReader]:
        """Open a reader of some bands on a grid."""

    def source_files(self) -> list[str]:
        """List every file that pixels come from."""


def fill_invalid(values: npt.NDArray[np.float32], others: npt.NDArray[np.float32]) -> None:
    """Take the pixels of another image where an image (bands, rows, cols) has none, in place."""
    missing = np.isnan(values[0])
    values[:, missing] = others[:, missing]


@dataclass(frozen=True)
class DerivedBand:
    """A spectral index, and the places of its inputs among a series' bands."""

    index: Index
    inputs: tuple[int, ...]


@dataclass(frozen=True)
class SensorSeries:
    """Series of a sensor, with its name and the bands that are read.

    Attributes
    ----------
    picks : places of bands in the series, or indices derived of them, in the order in which they are read.
    """

    name: str
    series: Series
    picks: tuple[int | DerivedBand, ...]

    @property
    def bands(self) -> tuple[Band, ...]:
        """Bands in the order in which they are read."""
        return tuple(
            self.series.bands[pick] if isinstance(pick, int) else pick.index.band
            for pick in self.picks
        )

    def derives(self, index: Index) -> bool:
        """Whether the bands of an index are there."""
        return index_inputs(index, self.series.bands) is not None

    def with_index(self, index: Index) -> SensorSeries:
        """Derive an index as a further band.

        Raises
        ------
        OptionError
            When its bands are not there, or it is one of reflectances and the numbers are none.
        """
        inputs = index_inputs(index, self.series.bands)
        if inputs is None:
            raise OptionError(
                f"{missing_inputs(index, self.series.bands)} of {self.name}; name the bands, or leave the index out."
            )
        if index.reflectance and not self.series.calibrated:
            raise OptionError(
                f"{index.name} is defined of reflectances from 0 to 1, but {self.name} holds uncalibrated numbers; say what "
                f"they mean with `scale=` and `offset=`."
            )
        if any(band.name == index.name for band in self.bands):
            return self
        return replace(self, picks=(*self.picks, DerivedBand(index, inputs)))

    def with_indices(self, wanted: Sequence[Band]) -> SensorSeries:
        """Derive those of the bands wanted that are indices and not there."""
        sensor = self
        for band in wanted:
            index = INDICES.get(band.name.upper())
            if index is not None and find_band(band, self.bands) is None and self.derives(index):
                sensor = sensor.with_index(index)
        return sensor

    @contextmanager
    def reader(self, geobox: Georeference) -> Iterator[SeriesReader]:
        """Open a reader of the bands on a grid."""
        needed: dict[int, None] = {}
        for pick in self.picks:
            needed |= dict.fromkeys((pick,) if isinstance(pick, int) else pick.inputs)
        with self.series.reader(list(needed), geobox) as reader:
            if all(isinstance(pick, int) for pick in self.picks):
                yield reader
            else:
                yield _DerivingReader(reader, list(needed), self.picks)


class _DerivingReader:
    """Reader that computes indices of the bands that another reads."""

    def __init__(
        self, reader: SeriesReader, read: Sequence[int], picks: Sequence[int | DerivedBand]
    ) -> None:
        self._reader = reader
        self._places = {number: place for place, number in enumerate(read)}
        self._picks = picks

    def read(self, rows: slice, cols: slice) -> npt.NDArray[np.float32]:
        """Read physical values (dates, bands, rows, cols), NaN in all bands where any is invalid or masked."""
        values = self._reader.read(rows, cols)
        out = np.empty((len(values), len(self._picks), *values.shape[2:]), np.float32)
        valid = np.ones((len(values), *values.shape[2:]), bool)
        for place, pick in enumerate(self._picks):
            if isinstance(pick, int):
                out[:, place] = values[:, self._places[pick]]
                continue
            inputs = (values[:, self._places[number]] for number in pick.inputs)
            out[:, place] = pick.index.compute(*inputs)
            valid &= np.isfinite(out[:, place])
        np.copyto(out, np.nan, where=~valid[:, None])
        return out
