"""Small class maps and references, for the tests of evaluation and of its commands."""

import geopandas
import numpy as np
import rasterio
from shapely.geometry import Point

from georaster_dl.testing import NODATA

LEFT, TOP, SIZE = 500_000, 5_000_000, 10
NAMES = {1: "water", 10: "forest", 14: "road"}


def centre(row, col):
    """The middle of a pixel, in the CRS of the maps."""
    return Point(LEFT + SIZE * (col + 0.5), TOP - SIZE * (row + 0.5))


def noisy_pair(shape=(60, 50), seed=0, wrong=0.2):
    """A map with gaps in its values and a corner of nodata, and its truth."""
    generator = np.random.default_rng(seed)
    values = np.array(list(NAMES))
    cells = generator.integers(0, 3, (shape[0] // 10, shape[1] // 10))
    truth = values[np.kron(cells, np.ones((10, 10), int))]
    mapped = np.where(generator.random(shape) < wrong, generator.choice(values, shape), truth)
    mapped[: shape[0] // 4, : shape[1] // 4] = NODATA
    return mapped.astype(np.uint8), truth.astype(np.uint8)


def read_band(path):
    """The first band, (rows, cols)."""
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def read_bands(path):
    with rasterio.open(path) as dataset:
        return dataset.read()


def write_vector(path, geometries, fields, crs="EPSG:32631"):
    """GeoPackage of geometries given in the maps' CRS, written in ``crs``."""
    frame = geopandas.GeoDataFrame(fields, geometry=geometries, crs="EPSG:32631")
    frame.to_crs(crs).to_file(path)
    return path
