"""A mosaic with pixels of its own: block by block, in memory that does not depend on its size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.windows import Window

from georaster_dl.io.blocks import windows
from georaster_dl.io.output.writer import RasterSpec, RasterWriter
from georaster_dl.io.scenes.dataset import open_dataset
from georaster_dl.io.scenes.grid import warped
from georaster_dl.mosaics.grid import Layout, Placed
from georaster_dl.mosaics.maps import damaged
from georaster_dl.mosaics.order import confidence_of

__all__ = ["write_tif"]

_BLOCK = 512
_WINDOW_BYTES = 32 * 2**20
_TOLERANCE = (
    1e-3  # of a pixel: GDAL's approximation, which depends on the window, is not to be seen
)
_UNWANTED = -0.5  # below every score of a pixel that is wanted, above that of none


def write_tif(
    path: Path,
    layout: Layout,
    spec: RasterSpec,
    *,
    by_confidence: bool,
    fill_classes: Sequence[int] = (),
    progress: Callable[[int], None],
) -> None:
    """Write a mosaic as a Cloud Optimized GeoTIFF.

    Maps of another grid are resampled to the nearest pixel: classes have no values between them,
    and measured ones stay as a model gave them.

    Parameters
    ----------
    by_confidence : whether the most confident map is taken, else the first that holds data.
    fill_classes : classes that are taken only where no map holds another.
    progress : called with the pixels that were done.

    Raises
    ------
    SceneError
        When a map cannot be read.
    OutputError
        When the mosaic cannot be written.
    """
    rows, cols = layout.geobox.shape
    bytes_per_pixel = len(spec.names) * np.dtype(spec.dtype).itemsize + 8
    with ExitStack() as stack:
        sources = [_Source(placed, layout, by_confidence) for placed in layout.placed]
        for source in sources:
            stack.callback(source.close)
        writer = stack.enter_context(RasterWriter(path, layout.geobox, spec=spec))
        for window in windows((rows, cols), _WINDOW_BYTES // bytes_per_pixel, (_BLOCK, _BLOCK)):
            for source in sources:
                source.close_if_above(window[0].start)
            block = _merged(sources, window, spec, fill_classes)
            if block is not None:
                writer.write(*window, block)
            progress((window[0].stop - window[0].start) * (window[1].stop - window[1].start))


def _merged(
    sources: list[_Source],
    window: tuple[slice, slice],
    spec: RasterSpec,
    fill_classes: Sequence[int],
) -> npt.NDArray[Any] | None:
    """(bands, rows, cols) of a window; None where no map reaches."""
    touching = [source for source in sources if source.common(window) is not None]
    if not touching:
        return None
    shape = tuple(side.stop - side.start for side in window)
    block = np.full((len(spec.names), *shape), spec.nodata, spec.dtype)
    best = np.full(shape, -1.0, np.float32)
    for source in touching:
        rows, cols = source.common(window) or window
        here = slice(rows.start - window[0].start, rows.stop - window[0].start)
        there = slice(cols.start - window[1].start, cols.stop - window[1].start)
        rank = best[here, there]
        if not source.ranked and rank.min() >= 0:
            continue  # nothing of it can be seen
        pixels = source.read(rows, cols)
        score = source.scores(rows, cols)
        score[np.isin(pixels[0], fill_classes)] = _UNWANTED
        taken = _is_data(pixels, spec.nodata) & (score > rank)
        rank[taken] = score[taken]
        block[:, here, there][:, taken] = pixels[:, taken]
    return block


def _is_data(pixels: npt.NDArray[Any], nodata: float | None) -> npt.NDArray[np.bool_]:
    """(rows, cols) where any band holds something."""
    known = ~np.isnan(pixels) if pixels.dtype.kind == "f" else pixels != nodata
    found: npt.NDArray[np.bool_] = known.any(axis=0)
    return found


class _Source:
    """A map, and its confidence where wanted, on the mosaic's grid; open only while it is read."""

    def __init__(self, placed: Placed, layout: Layout, by_confidence: bool) -> None:
        self._placed = placed
        self._geobox: Any = layout.geobox[placed.rows, placed.cols]
        self.ranked = by_confidence
        self._stack = ExitStack()
        self._map: Any = None
        self._confidence: Any = None

    def common(self, window: tuple[slice, slice]) -> tuple[slice, slice] | None:
        """Rows and cols of the mosaic that the map and a window share."""
        shared = [
            slice(max(ours.start, asked.start), min(ours.stop, asked.stop))
            for ours, asked in zip((self._placed.rows, self._placed.cols), window, strict=True)
        ]
        return None if any(s.start >= s.stop for s in shared) else (shared[0], shared[1])

    def read(self, rows: slice, cols: slice) -> npt.NDArray[Any]:
        """(bands, rows, cols) of a window inside the map, given in the mosaic's rows and cols."""
        self._open()
        return self._window(self._map, rows, cols)

    def scores(self, rows: slice, cols: slice) -> npt.NDArray[np.float32]:
        """(rows, cols) confidence from 0 to 1, 0 where unknown; 0 everywhere where it has no say."""
        if not self.ranked:
            return np.zeros((rows.stop - rows.start, cols.stop - cols.start), np.float32)
        self._open()
        numbers = self._window(self._confidence, rows, cols)[0]
        values = numbers * np.float32(self._confidence.scales[0])
        unknown = np.isnan(values) | (numbers == self._confidence.nodata)
        return np.where(unknown, 0, values).astype(np.float32)

    def close_if_above(self, row: int) -> None:
        """Close the files when all rows of the map are above this row."""
        if self._placed.rows.stop <= row:
            self.close()

    def close(self) -> None:
        """Close the files."""
        self._stack.close()
        self._map = self._confidence = None

    def _open(self) -> None:
        if self._map is None:
            self._map = self._opened(self._placed.map.path)
            if self.ranked:
                self._confidence = self._opened(confidence_of(self._placed.map))

    def _opened(self, path: Path) -> Any:
        dataset = self._stack.enter_context(open_dataset(str(path)))
        if self._placed.same_grid:
            return dataset
        affine = self._geobox.affine
        if dataset.crs.is_geographic:  # whose longitudes GDAL takes as they are
            affine = Affine.translation(-self._placed.moved, 0) * affine
        view = warped(
            dataset,
            GeoBox(self._geobox.shape, affine, self._geobox.crs),
            Resampling.nearest,
            src_nodata=dataset.nodata,
            nodata=dataset.nodata,
            tolerance=_TOLERANCE,
        )
        return self._stack.enter_context(view)

    def _window(self, dataset: Any, rows: slice, cols: slice) -> npt.NDArray[Any]:
        top, left = self._placed.rows.start, self._placed.cols.start
        window = Window(
            cols.start - left, rows.start - top, cols.stop - cols.start, rows.stop - rows.start
        )
        try:
            pixels: npt.NDArray[Any] = dataset.read(window=window)
        except RasterioError as error:
            raise damaged(self._placed.map, error) from error
        return pixels
