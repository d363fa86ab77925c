"""Stacks with random values and clouds, and parcels on them."""

import geopandas
import numpy as np
import pytest
from shapely.geometry import box

from georaster_dl.io.stacks.open import open_stack
from georaster_dl.testing import write_raster

LEFT, TOP, SIZE = 500_000, 5_000_000, 10
SHAPE = (48, 60)
DATES = ("2022-03-01", "2022-04-15", "2022-05-20", "2022-07-01", "2022-08-30")


def cells(rows, cols):
    """Rectangle of whole pixels, rows and cols as (first, behind the last)."""
    return box(
        LEFT + SIZE * cols[0], TOP - SIZE * rows[1], LEFT + SIZE * cols[1], TOP - SIZE * rows[0]
    )


def write_parcels(path, shapes, crs="EPSG:32631", layer=None, **fields):
    """GeoPackage of polygons that are given in the stack's CRS."""
    frame = geopandas.GeoDataFrame(fields, geometry=list(shapes), crs="EPSG:32631")
    frame.to_crs(crs).to_file(path, layer=layer)
    return path


@pytest.fixture
def values():
    """(dates, bands, rows, cols), a quarter of the pixels of each date cloudy."""
    rng = np.random.default_rng(0)
    drawn = rng.uniform(0.05, 0.6, (len(DATES), 2, *SHAPE)).astype(np.float32)
    cloudy = rng.random((len(DATES), 1, *SHAPE)) < 0.25
    return np.where(cloudy, np.nan, drawn).astype(np.float32)


@pytest.fixture
def stack(values, tmp_path):
    folder = tmp_path / "stack"
    folder.mkdir()
    for date, array in zip(DATES, values, strict=True):
        write_raster(folder / f"s_{date}.tif", array, bands=("B04", "B08"), nodata=np.nan)
    return open_stack(folder)
