"""One rule says whether a raster's pixels are a scene's."""

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.transform import Affine, from_origin

from georaster_dl.io.scenes.grid import is_same_grid

PLACE = from_origin(500_000, 5_000_000, 10, 10)


@pytest.mark.parametrize(
    ("transform", "crs", "same"),
    [
        (PLACE, "EPSG:32631", True),
        (PLACE * Affine.translation(0.009, 0), "EPSG:32631", True),
        (PLACE * Affine.translation(0, 0.011), "EPSG:32631", False),
        (PLACE * Affine.scale(1 + 1e-5), "EPSG:32631", False),
        (PLACE, "EPSG:32632", False),
        (PLACE, None, True),
        (PLACE * Affine.translation(1, 0), None, False),
        (None, None, True),
    ],
)
def test_grids_to_a_hundredth_of_a_pixel(make_tif, transform, crs, same):
    path = make_tif(np.zeros((1, 4, 5), np.uint8), transform=transform, crs=crs)
    with rasterio.open(path) as dataset:
        assert is_same_grid(dataset, GeoBox((4, 5), PLACE, "EPSG:32631")) == same
        assert not is_same_grid(dataset, GeoBox((5, 4), PLACE, "EPSG:32631"))
