"""Rasters opened with GDAL, after a check of the path and of the size that the header claims."""

from __future__ import annotations

import math
import stat
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Interleaving
from rasterio.errors import RasterioError

from georaster_dl.core.errors import SceneError
from georaster_dl.core.process import available_memory
from georaster_dl.core.text import is_utf8
from georaster_dl.io.environment import allow_ungeoreferenced

__all__ = ["check_openable", "open_dataset"]

_SMALL_BLOCK = 2**15  # bytes; handing a smaller one to a thread costs more than decoding it
_MOST_BANDS, _LONGEST_SIDE, _MOST_PIXELS = 10_000, 100_000_000, 10**12  # that a file may claim


def open_dataset(path: str) -> rasterio.DatasetReader:
    """Open a raster with GDAL; a failure becomes a SceneError that says why."""
    check_openable(path)
    try:
        with allow_ungeoreferenced():
            dataset = rasterio.open(path)
            if _has_small_blocks(dataset):
                dataset.close()
                dataset = rasterio.open(path, driver="GTiff", NUM_THREADS=1)
    except (RasterioError, OSError, IndexError) as error:
        raise SceneError(
            f"{path} cannot be opened as a raster ({str(error).rstrip('.')}). Fetch it again if it is cut short, or give "
            f"a file that GDAL reads (GeoTIFF, JP2, VRT, ENVI, NetCDF, a .SAFE folder or zip, a STAC item)."
        ) from error
    try:
        _check_claims(dataset, path)
    except SceneError:
        dataset.close()
        raise
    return dataset


def _has_small_blocks(dataset: rasterio.DatasetReader) -> bool:
    """Whether GDAL would decode the file in threads, and slower for it."""
    if dataset.driver != "GTiff" or not dataset.count:
        return False
    together = dataset.count if dataset.interleaving == Interleaving.pixel else 1
    size = math.prod(dataset.block_shapes[0]) * _bytes(dataset.dtypes[0]) * together
    return bool(size < _SMALL_BLOCK)


def _check_claims(dataset: rasterio.DatasetReader, path: str) -> None:
    """Check that a file's header claims a size that can be processed."""
    if dataset.count > _MOST_BANDS:
        raise SceneError(f"{path} has {dataset.count} bands, but at most {_MOST_BANDS} are read.")
    if max(dataset.shape) > _LONGEST_SIDE or math.prod(dataset.shape) > _MOST_PIXELS:
        raise SceneError(
            f"{path} has {dataset.height} x {dataset.width} pixels, but sides of at most {_LONGEST_SIDE:,} and "
            f"{_MOST_PIXELS:,} pixels in all are read; cut it (gdal_translate -srcwin), or fetch it again."
        )
    blocks = zip(dataset.block_shapes, dataset.dtypes, strict=True)
    largest = max((rows * cols * _bytes(dtype) for (rows, cols), dtype in blocks), default=0)
    if largest > available_memory():
        raise SceneError(
            f"{path} is stored in blocks of {largest / 2**30:.3g} GiB, which do not fit into the memory; store "
            f"it in tiles (gdal_translate -co TILED=YES) where there is more, or fetch it again."
        )


def _bytes(dtype: str) -> int:
    return (
        4 if dtype == "complex_int16" else np.dtype(dtype).itemsize
    )  # NumPy knows no such numbers


def check_openable(path: str) -> None:
    """Check that a path is a name that GDAL takes, and neither a pipe nor a device."""
    if not is_utf8(path) or "\0" in path:
        raise SceneError(f"{path} has a name that is not UTF-8 text, as GDAL needs it; rename it.")
    try:
        mode = Path(path).stat().st_mode
    except OSError:
        mode = stat.S_IFREG  # an address, or GDAL's name of something
    if path.startswith("/vsistdin") or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise SceneError(f"{path} is a pipe or a device; save what comes from it to a file.")
