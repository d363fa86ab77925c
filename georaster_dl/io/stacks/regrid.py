"""Arrays of images brought to another grid, window by window.

GDAL's warper places pixels by a line through a few exact ones, so that a pixel depends on the window that it is
read in. Here every pixel is placed by itself, once for all images.
"""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.gcp import GCPGeoBox
from pyproj import Transformer

from georaster_dl.core.errors import SceneError
from georaster_dl.core.geography import Georeference

__all__ = ["Regridding"]

Places = npt.NDArray[np.float64]


class Regridding:
    """Resampling of a grid to another.

    Parameters
    ----------
    grid, target : of the images, and of the result.

    Raises
    ------
    SceneError
        When one of the grids has no CRS or no transform.
    """

    def __init__(self, grid: Georeference, target: Georeference) -> None:
        if (
            isinstance(grid, GCPGeoBox)
            or isinstance(target, GCPGeoBox)
            or grid.crs is None
            or target.crs is None
        ):
            raise SceneError(
                f"Grids of {grid.shape[0]} x {grid.shape[1]} and {target.shape[0]} x {target.shape[1]} pixels cannot be "
                f"laid over each other, as one has no CRS or no transform; give images with both."
            )
        self._shape = grid.shape
        self._from_target: Affine = target.affine
        self._to_grid: Affine = ~grid.affine
        self._transformer = (
            None
            if grid.crs == target.crs
            else Transformer.from_crs(target.crs.proj, grid.crs.proj, always_xy=True)
        )

    def window(self, rows: slice, cols: slice) -> Regridded | None:
        """Find the source pixels of a window of the target; None where the images do not reach it."""
        x, y = self._places(rows, cols)
        inside = (x >= 0) & (x < self._shape[1]) & (y >= 0) & (y < self._shape[0])
        if not inside.any():
            return None
        spans = []
        for places, size in ((y, self._shape[0]), (x, self._shape[1])):
            low, high = float(np.nanmin(places)), float(np.nanmax(places))
            first = min(max(0, math.floor(low - 0.5)), size - 1)
            spans.append(slice(first, max(first + 1, min(size, math.floor(high - 0.5) + 2))))
        return Regridded(spans[0], spans[1], y - spans[0].start, x - spans[1].start, inside)

    def _places(self, rows: slice, cols: slice) -> tuple[Places, Places]:
        """Cols and rows of the source, as fractions, of the target's pixels; they broadcast to a window."""
        col = np.arange(cols.start, cols.stop)[None] + 0.5
        row = np.arange(rows.start, rows.stop)[:, None] + 0.5
        there, back = self._from_target, self._to_grid
        x, y = there.a * col + there.b * row + there.c, there.d * col + there.e * row + there.f
        if self._transformer is None:
            # Of grids that are not turned each depends on one axis only.
            turned = any((there.b, there.d, back.b, back.d))
            x, y = (x, y) if turned else (x[:1], y[:, :1])
        else:
            x, y = self._transformer.transform(x, y, errcheck=False)
            x, y = (np.where(np.isfinite(each), each, np.nan) for each in (x, y))
        if back.b or back.d:
            return back.a * x + back.b * y + back.c, back.d * x + back.e * y + back.f
        return back.a * x + back.c, back.e * y + back.f


class Regridded:
    """Source pixels of a window.

    Attributes
    ----------
    rows, cols : window of the source that is to be read.
    """

    def __init__(
        self, rows: slice, cols: slice, y: Places, x: Places, inside: npt.NDArray[np.bool_]
    ) -> None:
        self.rows = rows
        self.cols = cols
        self._y, self._x = y, x
        self._inside = inside

    def nearest(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Take the nearest pixel of images (..., rows, cols); NaN outside of them."""
        row, col = self._whole(self._y, values.shape[-2]), self._whole(self._x, values.shape[-1])
        return np.where(self._inside, values[..., row, col], np.float32(np.nan))

    def bilinear(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Interpolate images (..., rows, cols) between their valid pixels.

        NaN where the nearest pixel is NaN: what is masked does not shrink.
        """
        y, x = self._y - 0.5, self._x - 0.5
        down, right = ((each - np.floor(each)).astype(np.float32) for each in (y, x))
        out = self.nearest(values)
        valid = np.isfinite(out)
        total, weights = np.zeros_like(out), np.zeros_like(out)
        for below, beside in product((0, 1), repeat=2):
            row, col = (
                self._whole(each, size)
                for each, size in ((y + below, values.shape[-2]), (x + beside, values.shape[-1]))
            )
            weight = (down if below else 1 - down) * (right if beside else 1 - right)
            corner = values[..., row, col]
            known = np.isfinite(corner)
            total += np.where(known, corner * weight, np.float32(0))
            weights += known * weight
        np.divide(total, weights, out=out, where=valid)
        return out

    @staticmethod
    def _whole(places: Places, size: int) -> npt.NDArray[np.intp]:
        """Round places down to pixels, and those outside to the border's."""
        return np.clip(np.floor(np.nan_to_num(places)), 0, size - 1).astype(np.intp)
