"""Ground area of pixels."""

import numpy as np
import pyproj
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from georaster_dl.evaluate.ground import row_areas


def areas(crs, affine, shape=(6, 4)):
    return row_areas(GeoBox(shape, affine, crs), slice(0, shape[0]))


def test_degrees_are_measured_on_the_ellipsoid():
    found = areas("EPSG:4326", Affine(0.5, 0, 10, 0, -0.5, 60))
    geod = pyproj.Geod(ellps="WGS84")
    for row, area in enumerate(found):
        top = 60 - 0.5 * row
        cell = box(10, top - 0.5, 10.5, top).segmentize(0.001)  # parallels are no geodesics
        assert area == pytest.approx(abs(geod.geometry_area_perimeter(cell)[0]), rel=1e-6)


def test_the_whole_earth_has_its_area():
    found = areas("EPSG:4326", Affine(1, 0, -180, 0, -1, 90), (180, 360))
    assert 360 * found.sum() == pytest.approx(5.10065622e14, rel=1e-7)


@pytest.mark.parametrize("left", [179.5, -180.5, -0.5])
def test_the_date_line_tears_nothing(left):
    assert np.allclose(
        areas("EPSG:4326", Affine(0.25, 0, left, 0, -0.25, 10)),
        areas("EPSG:4326", Affine(0.25, 0, 20, 0, -0.25, 10)),
    )


def test_utm_is_nearly_planar_and_mercator_is_not():
    assert areas("EPSG:32631", Affine(10, 0, 500_000, 0, -10, 5_000_000)) == pytest.approx(
        100 / 0.9996**2, rel=1e-6
    )
    x, y = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True).transform(10, 60)
    assert areas("EPSG:3857", Affine(10, 0, x, 0, -10, y)) == pytest.approx(25, rel=0.01)


def test_a_turned_grid_and_feet_make_no_difference():
    turned = Affine(10, 0, 500_000, 0, -10, 5_000_000) * Affine.rotation(30)
    assert areas("EPSG:32631", turned) == pytest.approx(100 / 0.9996**2, rel=1e-6)
    feet = areas("EPSG:2263", Affine(100, 0, 1_000_000, 0, -100, 200_000))
    assert feet == pytest.approx((100 * 0.3048006) ** 2, rel=1e-3)


def test_no_crs_no_area():
    assert areas(None, Affine(1, 0, 0, 0, -1, 0)) is None
