"""GDAL's settings, and rasters without georeferencing that warn nobody."""

import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
from rasterio._env import get_gdal_config

from georaster_dl.io.environment import allow_ungeoreferenced, gdal_environment
from georaster_dl.io.scenes.dataset import open_dataset


@pytest.fixture
def ungeoreferenced(tmp_path):
    """A raster that lies nowhere."""
    path = tmp_path / "a.tif"
    with (
        pytest.warns(rasterio.errors.NotGeoreferencedWarning),
        rasterio.open(
            path, "w", driver="GTiff", width=3, height=2, count=1, dtype="uint8"
        ) as dataset,
    ):
        dataset.write(np.ones((1, 2, 3), np.uint8))
    return path


def test_threads_that_open_ungeoreferenced_rasters_warn_nobody(ungeoreferenced):
    """And leave the filters of warnings as they were."""

    def look(_):
        open_dataset(str(ungeoreferenced)).close()

    interval = sys.getswitchinterval()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        try:
            sys.setswitchinterval(1e-6)
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(look, range(400)))
        finally:
            sys.setswitchinterval(interval)
        assert warnings.filters == before
        assert told == []
        with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
            rasterio.open(ungeoreferenced).close()


def test_gdal_keeps_decoded_blocks_within_a_run():
    with gdal_environment():
        assert get_gdal_config("GDAL_CACHEMAX") == 64 * 2**20  # rasterio's unit is the byte


@pytest.mark.parametrize(
    ("side", "interleave", "threads"),
    [(64, "band", 1), (256, "band", None), (64, "pixel", None)],
)
def test_small_blocks_are_decoded_by_one_thread(tmp_path, side, interleave, threads):
    """Handing them to several costs more than decoding them."""
    path = tmp_path / "a.tif"
    numbers = np.arange(8 * 256 * 256, dtype=np.uint16).reshape(8, 256, 256)
    profile = {"driver": "GTiff", "width": 256, "height": 256, "count": 8, "dtype": "uint16"}
    blocks = {"tiled": True, "blockxsize": side, "blockysize": side, "interleave": interleave}
    with allow_ungeoreferenced(), rasterio.open(path, "w", **profile, **blocks) as dataset:
        dataset.write(numbers)

    with open_dataset(str(path)) as dataset:
        assert dataset.options.get("NUM_THREADS") == threads
        np.testing.assert_array_equal(dataset.read(), numbers)
