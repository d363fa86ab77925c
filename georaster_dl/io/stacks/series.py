"""Interface of a sensor's dated images, which come from files or cubes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import Protocol

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import Band
from georaster_dl.core.raster import Georeference

__all__ = ["Series", "SeriesReader", "fill_invalid"]


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
