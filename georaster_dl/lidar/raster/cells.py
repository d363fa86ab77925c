"""Sums over the points of each cell, and the bands that follow from them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from georaster_dl.lidar.raster.ground import filtered_ground, levels_of, spread
from georaster_dl.lidar.tiles import GROUND, UNITS_PER_METRE

__all__ = ["BANDS", "UNITS", "CellSums"]

BANDS = (
    "dsm",
    "dtm",
    "ndsm",
    "intensity",
    "return_ratio",
    "multi_share",
    "density",
    "roughness",
    "above_2m",
)
UNITS = ("m", "m", "m", "1", "1", "1", "1/m2", "m", "1")
_ABOVE_M = 2.0
_PARTS = 360_360
"""Least common multiple of 1 to 15, the returns that a pulse can have: shares of them are whole numbers."""
_NONE_LOWEST = np.iinfo(np.int64).max
_NONE_HIGHEST = np.iinfo(np.int64).min

_Counts = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]


class CellSums:
    """Whole-number sums of the points of each cell, so the order of points and files changes no bit.

    Parameters
    ----------
    shape : rows and cols, halo included.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        size = shape[0] * shape[1]
        self._count, self._first, self._multiple, self._ground_count = (
            np.zeros(size, np.int32) for _ in range(4)
        )
        self._z, self._z_squares, self._intensity, self._parts, self._ground = (
            np.zeros(size, np.int64) for _ in range(5)
        )
        self._highest = np.full(size, _NONE_HIGHEST)
        self._lowest = np.full(size, _NONE_LOWEST)

    def add(self, points: npt.NDArray[Any]) -> None:
        """Add records of a spill."""
        cells, z = points["cell"], points["z"].astype(np.int64)
        number, returns = points["number"].astype(np.int64), points["returns"].astype(np.int64)
        np.add.at(self._count, cells, np.int32(1))
        np.add.at(self._z, cells, z)
        np.add.at(self._z_squares, cells, z * z)
        np.minimum.at(self._lowest, cells, z)
        np.add.at(self._parts, cells, number * _PARTS // returns)
        np.add.at(self._multiple, cells[returns > 1], np.int32(1))
        first = number == 1
        np.add.at(self._first, cells[first], np.int32(1))
        np.maximum.at(self._highest, cells[first], z[first])
        np.add.at(self._intensity, cells[first], points["intensity"][first].astype(np.int64))
        ground = points["klass"] == GROUND
        np.add.at(self._ground_count, cells[ground], np.int32(1))
        np.add.at(self._ground, cells[ground], z[ground])

    def terrain(self, side_m: float, *, filtered: bool) -> _Floats:
        """Compute the terrain in metres as (rows, cols); NaN far from all points of it."""
        if filtered:
            lowest = np.where(self._count > 0, self._lowest / UNITS_PER_METRE, np.nan)
            return filtered_ground(lowest.reshape(self._shape), side_m)
        total = (self._ground / UNITS_PER_METRE).reshape(self._shape)
        return spread(
            total, self._ground_count.reshape(self._shape).astype(np.float64), levels_of(side_m)
        )

    def bands(
        self, dtm: _Floats, side_m: float, chunks: Iterable[npt.NDArray[Any]], fill: int
    ) -> npt.NDArray[np.float32]:
        """Compute the bands.

        Parameters
        ----------
        dtm : of ``terrain``.
        chunks : the same points once more, for the share above the terrain.
        fill : cells over which gaps of dsm and dtm are filled.

        Returns
        -------
        (bands, rows, cols) in the order of ``BANDS``; NaN where a cell has no points, or none that a band is of.
        """
        count, first = self._count.astype(np.float64), self._first.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            some = np.where(count > 0, 1.0, np.nan)
            dsm = np.where(first > 0, self._highest / UNITS_PER_METRE, np.nan).reshape(self._shape)
            terrain = np.where(self._count.reshape(self._shape) > 0, dtm, np.nan)
            if fill:
                dsm, terrain = _filled(dsm, fill), _filled(terrain, fill)
            above = self._above(dtm.ravel(), chunks) / count + 0 * dtm.ravel()
            flat = [
                self._intensity / first,
                self._parts / (count * _PARTS),
                self._multiple / count,
                some * count / side_m**2,
                some * self._deviation() / UNITS_PER_METRE,
                above,
            ]
        rest = [each.reshape(self._shape) for each in flat]
        return np.stack([dsm, terrain, np.maximum(dsm - terrain, 0.0), *rest]).astype(np.float32)

    def _deviation(self) -> _Floats:
        """Standard deviation of z; computed from whole numbers around the mean, where nothing cancels."""
        n = np.maximum(self._count.astype(np.int64), 1)
        middle = self._z // n
        left = self._z - n * middle
        # The squares may have run over: whole numbers do so evenly, and what remains is small.
        around = self._z_squares - 2 * middle * self._z + n * middle * middle
        deviation: _Floats = np.sqrt(np.maximum(around - left * left / n, 0) / n)
        return deviation

    def _above(self, dtm: _Floats, chunks: Iterable[npt.NDArray[Any]]) -> _Counts:
        above = np.zeros(len(dtm), np.int64)
        for points in chunks:
            cells = points["cell"]
            high = points["z"] / UNITS_PER_METRE - dtm[cells] > _ABOVE_M
            np.add.at(above, cells[high], 1)
        return above


def _filled(values: _Floats, cells: int) -> _Floats:
    """Fill gaps by the inverse distance to known cells within a number of cells."""
    offsets = np.arange(-cells, cells + 1)
    distance = np.hypot(offsets[:, None], offsets[None, :])
    kernel = np.where((distance > 0) & (distance <= cells), 1 / np.maximum(distance, 1), 0.0)
    known = np.isfinite(values)
    total = ndimage.correlate(np.where(known, values, 0.0), kernel, mode="constant")
    weight = ndimage.correlate(known.astype(np.float64), kernel, mode="constant")
    return np.where(known | (weight == 0), values, total / np.maximum(weight, 1e-300))
