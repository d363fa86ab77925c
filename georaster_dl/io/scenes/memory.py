"""Arrays in memory (NumPy, xarray, Dask behind it) that are read as raster files are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.gcp import GCPGeoBox
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window

from georaster_dl.core.geography import Georeference
from georaster_dl.io.scenes.grid import rasterio_crs
from georaster_dl.io.scenes.planes import Plane

__all__ = ["ArrayDataset", "ArrayPixels", "PixelSource", "PlaneSource", "SourceGroup"]

_VALID = 255


class PixelSource(Protocol):
    """Pixels of a scene that are no raster file by themselves."""

    @property
    def path(self) -> str:
        """Name by which messages and planes call them."""

    @property
    def files(self) -> tuple[str, ...]:
        """Files that the pixels come from."""

    @property
    def settings(self) -> str:
        """How they are read, beyond the files, as text; a record of a run holds it."""

    def opened(self) -> AbstractContextManager[Any]:
        """Open them: as a dataset of rasterio, or as a PlaneSource."""


@runtime_checkable
class PlaneSource(Protocol):
    """Open pixels with a rule of their own for which of them are valid, where a dataset's would not do."""

    def read_planes(
        self,
        positions: Sequence[int],
        window: Window,
        out: npt.NDArray[Any],
        valid: npt.NDArray[np.bool_],
    ) -> None:
        """Read planes, by their places in the scene, of a window into ``out``, and clear ``valid``."""


@dataclass(frozen=True, eq=False)
class SourceGroup:
    """Planes of a scene that are read together by a source with a rule of its own for valid pixels."""

    source: PlaneSource
    planes: Sequence[Plane]

    def overviews(self) -> set[int]:
        """No overviews."""
        return set()

    def read(self, window: Window, out: npt.NDArray[Any], valid: npt.NDArray[np.bool_]) -> None:
        """Read the window into ``out`` and clear ``valid`` where the source says so."""
        self.source.read_planes([plane.index - 1 for plane in self.planes], window, out, valid)


@dataclass(frozen=True, eq=False)
class ArrayPixels:
    """Pixels of a scene in memory.

    Attributes
    ----------
    path : what messages call them.
    window : reads bands (counted from 0), rows and cols as an array (bands, rows, cols); of a lazy array
        it computes no more than that.
    geobox : of all pixels.
    n_bands : number of bands.
    valid : (rows, cols) True where there is a measurement; None where only the values tell.
    files, settings : none.
    """

    path: str
    window: Callable[[Sequence[int], slice, slice], npt.NDArray[Any]]
    geobox: Georeference
    n_bands: int
    valid: npt.NDArray[np.bool_] | None = None
    files: tuple[str, ...] = ()
    settings: str = ""

    def opened(self) -> ArrayDataset:
        """Give the pixels as a reader takes an open file."""
        return ArrayDataset(self)


class ArrayDataset(AbstractContextManager["ArrayDataset"]):
    """Pixels in memory with as much of rasterio's DatasetReader as reading a scene needs."""

    def __init__(self, pixels: ArrayPixels) -> None:
        self._pixels = pixels
        self.name = pixels.path
        self.files: tuple[str, ...] = ()
        rows, cols = pixels.geobox.shape
        self.shape = (rows, cols)
        grid = pixels.geobox
        has_points = isinstance(grid, GCPGeoBox)
        self.crs: CRS | None = None if has_points else rasterio_crs(grid)
        self.transform = Affine.identity() if isinstance(grid, GCPGeoBox) else grid.affine
        self.colorinterp: tuple[ColorInterp, ...] = ()  # none is transparency
        flag = MaskFlags.all_valid if pixels.valid is None else MaskFlags.per_dataset
        self.mask_flag_enums = ([flag],) * pixels.n_bands

    def __exit__(self, *_error: object) -> None:
        """Do nothing: the memory is the caller's."""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def tags(self) -> dict[str, str]:
        """No tags."""
        return {}

    def overviews(self, _index: int) -> list[int]:
        """No overviews."""
        return []

    def read(
        self,
        indexes: Sequence[int],
        *,
        window: Window,
        out: npt.NDArray[Any] | None = None,
        out_shape: tuple[int, ...] | None = None,
    ) -> npt.NDArray[Any]:
        """Read bands, counted from 1, of a window; another shape takes the nearest pixels."""
        values = self._pixels.window([index - 1 for index in indexes], *_slices(window))
        shape = out_shape if out is None else out.shape
        if shape is not None and shape[-2:] != values.shape[-2:]:
            values = _nearest(values, shape[-2:])
        if out is None:
            return values
        out[:] = values
        return out

    def read_masks(
        self, _index: int, *, window: Window, out_shape: tuple[int, ...]
    ) -> npt.NDArray[np.uint8]:
        """Read the mask (rows, cols) of a window, 255 where there is a measurement."""
        rows, cols = _slices(window)
        valid = self._pixels.valid
        if valid is None:
            return np.full(out_shape, _VALID, np.uint8)
        return _nearest(valid[rows, cols], out_shape[-2:]).astype(np.uint8) * np.uint8(_VALID)


def _slices(window: Window) -> tuple[slice, slice]:
    rows, cols = int(window.row_off), int(window.col_off)
    return slice(rows, rows + int(window.height)), slice(cols, cols + int(window.width))


def _nearest(values: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Take the pixels nearest to those of another shape, as GDAL does."""
    rows, cols = (
        np.minimum(((np.arange(n) + 0.5) * size / n).astype(int), size - 1)
        for n, size in zip(shape, values.shape[-2:], strict=True)
    )
    return values[..., rows[:, None], cols]
