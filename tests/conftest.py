"""Fixtures shared by all tests."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import settings
from rasterio.transform import from_origin

if "PYTEST_XDIST_WORKER" in os.environ:
    # Before torch is imported: as many processes as cores, each with as many threads, stand still.
    os.environ["OMP_NUM_THREADS"] = "1"

# Modules are compiled once, not by each of the many processes that tests start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

settings.register_profile("ci", max_examples=200, deadline=None)
settings.register_profile("quick", max_examples=50, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "quick")

REAL_DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items):
    """Tests on the real data sets skip where those are absent."""
    if not REAL_DATA.is_dir():
        skip = pytest.mark.skip(reason="the real data sets are not here")
        for item in items:
            if "realdata" in item.keywords:
                item.add_marker(skip)


@pytest.fixture
def real_data():
    return REAL_DATA


@pytest.fixture
def make_tif(tmp_path):
    """Factory of small GeoTIFFs; returns the path. ``array`` is (bands, rows, cols)."""

    def make(
        array,
        name="scene.tif",
        *,
        descriptions=None,
        scales=None,
        offsets=None,
        mask=None,
        **profile,
    ):
        array = np.atleast_3d(array) if np.ndim(array) == 3 else np.asarray(array)[None]
        defaults = {
            "driver": "GTiff",
            "crs": "EPSG:32631",
            "transform": from_origin(500_000, 5_000_000, 10, 10),
        }
        count, height, width = array.shape
        path = tmp_path / name
        profile = {**defaults, **profile}
        with rasterio.open(
            path, "w", count=count, height=height, width=width, dtype=array.dtype, **profile
        ) as dataset:
            dataset.write(array)
            if descriptions:
                dataset.descriptions = descriptions
            if scales:
                dataset.scales = scales
            if offsets:
                dataset.offsets = offsets
            if mask is not None:
                dataset.write_mask(mask)
        return path

    return make
