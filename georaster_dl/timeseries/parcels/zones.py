"""Parcels on a stack's grid: which pixels belong to which polygon, window by window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import Georeference
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.io.blocks import windows
from georaster_dl.io.labels.read import is_vector
from georaster_dl.io.labels.zones import RasterizedZones, read_zones
from georaster_dl.io.stacks.stack import TimeStack
from georaster_dl.io.vectors.files import check_geometries

__all__ = ["Members", "Parcels", "read_parcels", "stack_windows"]

_WINDOW_BYTES = 64 * 2**20
_ZONES_PIXELS = 2**22

_Ints = npt.NDArray[np.int64]


def read_parcels(path: Path, options: LabelOptions | None = None) -> geopandas.GeoDataFrame:
    """Read polygons with all their attributes, by feature id.

    Raises
    ------
    OptionError
        When the file cannot be read, has no CRS, or holds anything but valid polygons.
    """
    if path.exists() and not is_vector(path):
        raise OptionError(f"{path} is a raster, but parcels are polygons; give a vector file.")
    frame = read_zones(path, options)
    if frame.empty or frame.crs is None:
        what = "no CRS" if len(frame) else "no features"
        raise OptionError(f"{path} has {what}; give polygons with a CRS.")
    check_geometries(frame.geometry, title=str(path))
    return frame


def stack_windows(stack: TimeStack) -> Iterator[tuple[slice, slice]]:
    """Cut a stack into windows (rows, cols) of bounded memory, from top to bottom, whole blocks where possible."""
    planes = sum(len(sensor.dates) * len(sensor.bands) for sensor in stack.sensors)
    pixels = max(1, _WINDOW_BYTES // (4 * planes))
    return windows(stack.shape, pixels, (stack.block_rows, stack.block_cols))


@dataclass(frozen=True, eq=False)
class Members:
    """Pixels of a window that belong to parcels: ``parcel`` is the number, ``rows`` and ``cols`` the place in the window."""

    parcel: _Ints
    rows: _Ints
    cols: _Ints


class Parcels:
    """Polygons on a grid, each called by its place in the file.

    A pixel belongs to the polygon that covers its centre, of several the last. A polygon that has no pixel so,
    because it is small or others lie on top, has all pixels that it touches.

    Parameters
    ----------
    frame : polygons with a CRS.
    title : what a message calls the file.

    Attributes
    ----------
    counts : (n,) pixels of each; 0 of those beside the grid.
    last_rows : (n,) row of the last pixel of each, -1 without one.
    small : (n,) True where a polygon has only pixels that it touches.

    Raises
    ------
    OptionError
        When the grid has no place on Earth or no polygon touches it.
    """

    def __init__(self, frame: geopandas.GeoDataFrame, geobox: Georeference, title: str) -> None:
        self._zones = RasterizedZones(frame, geobox, title)
        n = len(frame)
        self.counts, self.last_rows = np.zeros(n, np.int64), np.full(n, -1, np.int64)
        self.small = np.zeros(n, bool)
        rows, cols = geobox.shape
        every = list(windows((rows, cols), _ZONES_PIXELS, (1, 1)))
        for window in every:
            self._count(self._covered(*window), window[0])
        self.small = self.counts == 0
        for window in every:
            self._count(self._touched(*window), window[0])
        self.small &= self.counts > 0

    def members(self, rows: slice, cols: slice) -> Members:
        """Find the pixels of a window that belong to parcels, a pixel of several small parcels several times."""
        covered, touched = self._covered(rows, cols), self._touched(rows, cols)
        return Members(
            *(
                np.concatenate([getattr(covered, name), getattr(touched, name)])
                for name in ("parcel", "rows", "cols")
            )
        )

    def _covered(self, rows: slice, cols: slice) -> Members:
        numbers = self._zones.read(rows, cols)
        at_rows, at_cols = np.nonzero(numbers >= 0)
        return Members(numbers[at_rows, at_cols].astype(np.int64), at_rows, at_cols)

    def _touched(self, rows: slice, cols: slice) -> Members:
        none = np.empty(0, np.int64)
        found = [(none, none, none)]
        if self.small.any():
            for number, at_rows, at_cols in self._zones.touched(rows, cols, self.small):
                found.append((np.full(len(at_rows), number, np.int64), at_rows, at_cols))
        return Members(*(np.concatenate(part) for part in zip(*found, strict=True)))

    def _count(self, members: Members, rows: slice) -> None:
        self.counts += np.bincount(members.parcel, minlength=len(self.counts))
        np.maximum.at(self.last_rows, members.parcel, members.rows + rows.start)
