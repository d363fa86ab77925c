"""Numbers of one grid on another, window by window and independent of the windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.overlap import compute_reproject_roi
from odc.geo.roi import roi_is_empty
from rasterio.enums import Resampling
from rasterio.warp import reproject

from georaster_dl.core.geography import full_turn

__all__ = ["Regrid"]

_BLOCK = 256
_SOURCE_SIDE = 4096
_FINER = 1.5
_PADDING = 2

_Numbers = npt.NDArray[np.float32]
Stored = Callable[[slice, slice], _Numbers]


@dataclass(frozen=True)
class Regrid:
    """Resampling from one grid to another; NaN means no number and does not spread.

    Pixels are taken by the first way of ``resamplings``, or by the second where those of the source
    are clearly finer than the target's.

    Attributes
    ----------
    source, target : the two grids, with their CRSs as WKT.
    """

    source: GeoBox
    source_crs: str
    target: GeoBox
    target_crs: str
    resamplings: tuple[Resampling, Resampling]

    @property
    def overlaps(self) -> bool:
        """Whether the grids overlap."""
        return bool(self._sources)

    @cached_property
    def _sources(self) -> tuple[GeoBox, ...]:
        """The source, by all names of its longitudes (-179, 181) by which it overlaps the target."""
        crs = pyproj.CRS(self.source_crs)
        turn = full_turn(crs) if crs.is_geographic else 0.0
        moved = [
            GeoBox(
                self.source.shape, Affine.translation(by, 0) * self.source.affine, self.source.crs
            )
            for by in sorted({0.0, turn, -turn}, key=abs)
        ]
        return tuple(one for one in moved if not _is_apart(one, self.target))

    @cached_property
    def _scale(self) -> float:
        """Source pixels along the side of a target pixel."""
        return float(compute_reproject_roi(self._sources[0], self.target, padding=0).scale)

    def read(self, stored: Stored, rows: slice, cols: slice) -> _Numbers:
        """Numbers of a window of the target.

        Parameters
        ----------
        stored : gives (rows, cols) numbers of a window of the source.
        """
        # GDAL interpolates between exact places along each line that it fills. In fixed blocks it
        # does so in the same way for every window. Small ones also bound what is read of the source.
        side = max(1, min(_BLOCK, int(_SOURCE_SIDE / self._scale)))
        out = np.empty((rows.stop - rows.start, cols.stop - cols.start), np.float32)
        for below in _blocks(rows, side, self.target.shape[0]):
            for beside in _blocks(cols, side, self.target.shape[1]):
                into, of = zip(_common(rows, below), _common(cols, beside), strict=True)
                out[into] = self._block(stored, below, beside)[of]
        return out

    def _block(self, stored: Stored, rows: slice, cols: slice) -> _Numbers:
        here = self.target[rows, cols]
        out = np.full(tuple(here.shape), np.nan, np.float32)
        for source in self._sources:
            numbers = self._from(source, stored, here)
            np.copyto(out, numbers, where=np.isnan(out))
        return out

    def _from(self, source: GeoBox, stored: Stored, here: GeoBox) -> _Numbers:
        """Numbers of a block of the target."""
        out = np.full(tuple(here.shape), np.nan, np.float32)
        found = compute_reproject_roi(source, here, padding=_PADDING).roi_src
        if roi_is_empty(found):
            return out
        below, beside = (slice(side.start, side.stop) for side in found)
        reproject(
            stored(below, beside),
            out,
            src_transform=source.affine * Affine.translation(beside.start, below.start),
            src_crs=self.source_crs,
            src_nodata=np.nan,
            dst_transform=here.affine,
            dst_crs=self.target_crs,
            dst_nodata=np.nan,
            resampling=self.resamplings[self._scale > _FINER],
        )
        return out

    def inside(self, rows: slice, cols: slice) -> npt.NDArray[np.bool_]:
        """(rows, cols) of a window of the target, True where the pixel's centre is in the source."""
        to_source = pyproj.Transformer.from_crs(self.target_crs, self.source_crs, always_xy=True)
        affine: Any = self.target.affine
        height, width = self.source.shape
        right = np.arange(cols.start, cols.stop) + 0.5
        out = np.empty((rows.stop - rows.start, len(right)), bool)
        for row in range(*rows.indices(self.target.shape[0])):  # places need eight times the memory
            places = to_source.transform(*(affine * (right, np.full_like(right, row + 0.5))))
            out[row - rows.start] = False
            for source in self._sources:
                x, y = ~source.affine * places
                out[row - rows.start] |= (x >= 0) & (x < width) & (y >= 0) & (y < height)
        return out


def _is_apart(source: GeoBox, target: GeoBox) -> bool:
    found = compute_reproject_roi(source, target, padding=0)
    return bool(roi_is_empty(found.roi_src) or roi_is_empty(found.roi_dst))


def _blocks(window: slice, side: int, length: int) -> Iterator[slice]:
    """The blocks that a window of a grid's rows or cols touches."""
    for start in range(window.start // side * side, window.stop, side):
        yield slice(start, min(start + side, length))


def _common(window: slice, block: slice) -> tuple[slice, slice]:
    """Intersect a window and a block: slices of the window and of the block."""
    start, stop = max(window.start, block.start), min(window.stop, block.stop)
    return (
        slice(start - window.start, stop - window.start),
        slice(start - block.start, stop - block.start),
    )
