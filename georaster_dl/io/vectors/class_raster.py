"""Class maps and rasters of objects' numbers, read and written in strips."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from odc.geo.gcp import GCPGeoBox
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from georaster_dl.core.errors import OptionError
from georaster_dl.io.blocks import strips
from georaster_dl.io.class_maps import check_class_map
from georaster_dl.io.environment import allow_ungeoreferenced
from georaster_dl.io.scenes.dataset import open_dataset
from georaster_dl.io.scenes.grid import is_same_grid

__all__ = ["ClassRaster", "NumberRaster", "Shares"]

_OPTIONS: dict[str, Any] = {"compress": "lzw", "bigtiff": "if_safer", "blockysize": 16}


class ClassRaster:
    """A class map whose pixels are read in strips of rows.

    Parameters
    ----------
    path : raster of one band of whole numbers.

    Attributes
    ----------
    shape : rows, cols.
    nodata : value of pixels without a class; None where the file states none.
    geobox : place of its pixels.

    Raises
    ------
    OptionError
        When it is no map of classes.
    """

    def __init__(self, path: Path) -> None:
        check_class_map(path)
        self.path = path
        self._dataset = open_dataset(str(path))
        dataset = self._dataset
        if dataset.count != 1:
            dataset.close()
            raise OptionError(
                f"{path} has a band of transparency beside its classes; give the classes alone (in QGIS: "
                f"Rearrange bands), with a nodata value."
            )
        self.shape: tuple[int, int] = dataset.shape
        self.nodata = None if dataset.nodata is None else int(dataset.nodata)
        gcps = bool(dataset.gcps[0]) and dataset.transform.is_identity
        self.geobox: Any = (GCPGeoBox if gcps else GeoBox).from_rio(dataset)

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()

    def strips(self, most_pixels: int) -> list[slice]:
        """Rows of strips of about so many pixels."""
        return list(strips(self.shape, most_pixels, self._dataset.block_shapes[0][0]))

    def read(self, rows: slice) -> npt.NDArray[Any]:
        """Read values (rows, cols) of full-width rows."""
        window = Window.from_slices(rows, slice(0, self.shape[1]))
        found: npt.NDArray[Any] = self._dataset.read(1, window=window)
        return found


class Shares:
    """Raster of confidence, or of other numbers between 0 and 1, beside a map, read in windows.

    Parameters
    ----------
    path : raster on the map's grid, whose first band is read.
    beside : the map.
    setting : that names the raster, for messages.

    Raises
    ------
    OptionError
        When it is on another grid.
    """

    def __init__(self, path: Path, beside: ClassRaster, setting: str) -> None:
        self._dataset = open_dataset(str(path))
        if not is_same_grid(self._dataset, beside.geobox):
            self._dataset.close()
            raise OptionError(
                f"`{setting}={path}` has {self._dataset.height} x {self._dataset.width} pixels and is not on the grid of "
                f"{beside.path} ({beside.shape[0]} x {beside.shape[1]} pixels); give the raster of that map."
            )
        self.scale, self.offset = self._dataset.scales[0], self._dataset.offsets[0]

    def stored(self, rows: slice, cols: slice) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Read stored numbers (rows, cols), which are value = number * scale + offset, and which are valid."""
        stored = self._dataset.read(1, window=Window.from_slices(rows, cols), masked=True)
        valid = ~np.ma.getmaskarray(stored) & np.isfinite(stored.data)
        return stored.data, valid

    def read(self, rows: slice, cols: slice) -> npt.NDArray[np.float32]:
        """Read values (rows, cols), NaN where there are none."""
        stored, valid = self.stored(rows, cols)
        values = np.where(valid, stored * self.scale + self.offset, np.nan)
        return values.astype(np.float32)

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()


class NumberRaster:
    """A raster of the numbers of objects, without transform, that is read and written in windows.

    Parameters
    ----------
    path : GeoTIFF of whole numbers.
    shape : rows, cols of a file to make; None opens one.
    """

    def __init__(self, path: Path, shape: tuple[int, int] | None = None) -> None:
        self._stack = ExitStack()
        self._stack.enter_context(allow_ungeoreferenced())
        if shape is None:
            dataset = rasterio.open(path, "r+")
        else:
            profile = {"driver": "GTiff", "count": 1, "dtype": "int32"}
            dataset = rasterio.open(
                path, "w", height=shape[0], width=shape[1], **profile, **_OPTIONS
            )
        self._dataset = self._stack.enter_context(dataset)

    def __enter__(self) -> NumberRaster:
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, cols."""
        return self._dataset.height, self._dataset.width

    def strips(self, most_pixels: int) -> list[slice]:
        """Rows of strips of about so many pixels."""
        return list(strips(self.shape, most_pixels, _OPTIONS["blockysize"]))

    def read(self, rows: slice, cols: slice | None = None) -> npt.NDArray[np.int32]:
        """Read numbers (rows, cols); without ``cols`` of full-width rows."""
        found: npt.NDArray[np.int32] = self._dataset.read(1, window=self._window(rows, cols))
        return found

    def write(self, numbers: npt.NDArray[np.int32], rows: slice, cols: slice | None = None) -> None:
        """Write numbers (rows, cols)."""
        self._dataset.write(numbers, 1, window=self._window(rows, cols))

    def _window(self, rows: slice, cols: slice | None) -> Window:
        return Window.from_slices(rows, cols or slice(0, self.shape[1]))
