"""GDAL's settings for our runs, set for a block of code and never for the whole process."""

from __future__ import annotations

import rasterio

__all__ = ["gdal_environment"]


def gdal_environment(cache_mib: int = 64) -> rasterio.Env:
    """GDAL settings for reading and writing scenes, as a context manager.

    The block cache is small on purpose: pixels are read once, in strips, so a cache as large as
    GDAL's default (5 % of the memory) would only hold what is never asked for again.
    """
    return rasterio.Env(
        GDAL_CACHEMAX=cache_mib,
        GDAL_HTTP_CONNECTTIMEOUT=15,
        GDAL_HTTP_LOW_SPEED_TIME=30,
        GDAL_HTTP_LOW_SPEED_LIMIT=1000,
        GDAL_HTTP_MAX_RETRY=3,
        GDAL_HTTP_RETRY_DELAY=1,
        GDAL_HTTP_MERGE_CONSECUTIVE_RANGES=True,
        VSI_CACHE=True,
        VSI_CACHE_SIZE=16 << 20,
    )
