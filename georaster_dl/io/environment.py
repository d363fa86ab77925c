"""GDAL's settings for our runs, set for a block of code and never for the whole process."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import rasterio
from rasterio.errors import NotGeoreferencedWarning

__all__ = ["FILE_CACHE", "allow_ungeoreferenced", "gdal_environment"]

FILE_CACHE = 64 << 20  # bytes: as an argument of rasterio's, small numbers are no MiB


def gdal_environment() -> rasterio.Env:
    """GDAL settings for reading and writing scenes, as a context manager.

    The block cache is small on purpose: pixels are read once, in strips, so a cache as large as
    GDAL's default (5 % of the memory) would only hold what is never asked for again. It must hold a
    row of blocks of all bands: else one whose bands lie side by side is decoded anew for each band.
    """
    return rasterio.Env(
        GDAL_CACHEMAX=FILE_CACHE,
        GDAL_NUM_THREADS="ALL_CPUS",
        GDAL_HTTP_CONNECTTIMEOUT=15,
        GDAL_HTTP_LOW_SPEED_TIME=30,
        GDAL_HTTP_LOW_SPEED_LIMIT=1000,
        GDAL_HTTP_MAX_RETRY=3,
        GDAL_HTTP_RETRY_DELAY=1,
        GDAL_HTTP_MERGE_CONSECUTIVE_RANGES=True,
        VSI_CACHE=True,
        VSI_CACHE_SIZE=16 << 20,
    )


class _Placeless:
    """Count of open calls in this process, and the warning filters to restore after the last."""

    lock = threading.Lock()
    inside = 0
    filters = warnings.catch_warnings()


@contextmanager
def allow_ungeoreferenced() -> Iterator[None]:
    """Open rasters without georeferencing and without rasterio's warning.

    ``warnings.catch_warnings`` alone does not do: its filters are those of the process, and one
    thread puts them back while another is still opening.
    """
    with _Placeless.lock:
        if not _Placeless.inside:
            _Placeless.filters = warnings.catch_warnings()
            _Placeless.filters.__enter__()
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
        _Placeless.inside += 1
    try:
        yield
    finally:
        with _Placeless.lock:
            _Placeless.inside -= 1
            if not _Placeless.inside:
                _Placeless.filters.__exit__(None, None, None)
