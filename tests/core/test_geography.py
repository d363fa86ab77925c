"""Where rasters lie on Earth, and how large their pixels are there."""

import numpy as np
import pyproj
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import Point, box

from georaster_dl.core.geography import area_measure, footprint, pixel_areas, resolution_m


def areas(crs, affine, shape=(6, 4)):
    return pixel_areas(GeoBox(shape, affine, crs), slice(0, shape[0]))


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


def test_a_row_across_the_pole_has_the_area_of_all_its_pixels():
    found = areas("EPSG:3413", Affine(25_000, 0, -3e6, 0, -25_000, 3e6), (240, 240))
    to_degrees = pyproj.Transformer.from_crs("EPSG:3413", "EPSG:4326", always_xy=True)
    edge = np.linspace(-3e6, 3e6, 2001)
    x = np.concatenate([edge, np.full(2001, 3e6), -edge, np.full(2001, -3e6)])
    y = np.concatenate([np.full(2001, -3e6), edge, np.full(2001, 3e6), -edge])
    around = pyproj.Geod(ellps="WGS84").polygon_area_perimeter(*to_degrees.transform(x, y))[0]
    assert 240 * found.sum() == pytest.approx(abs(around), rel=5e-3)


def test_a_turned_grid_and_feet_make_no_difference():
    turned = Affine(10, 0, 500_000, 0, -10, 5_000_000) * Affine.rotation(30)
    assert areas("EPSG:32631", turned) == pytest.approx(100 / 0.9996**2, rel=1e-6)
    feet = areas("EPSG:2263", Affine(100, 0, 1_000_000, 0, -100, 200_000))
    assert feet == pytest.approx((100 * 0.3048006) ** 2, rel=1e-3)


LOCAL_METRES = 'LOCAL_CS["Local Coordinates (m)",UNIT["metre",1]]'
LOCAL_FEET = 'LOCAL_CS["Site (ft)",UNIT["foot",0.3048]]'
UNKNOWN_UNIT = (
    'ENGCRS["Site",EDATUM["Site"],CS[Cartesian,2],AXIS["x",east,LENGTHUNIT["unknown",1]],'
    'AXIS["y",north,LENGTHUNIT["unknown",1]]]'
)


@pytest.mark.parametrize(("crs", "side"), [(LOCAL_METRES, 0.5), (LOCAL_FEET, 0.5 * 0.3048)])
def test_an_engineering_crs_is_a_plane(crs, side):
    affine = Affine(0.5, 0, -20, 0, -0.5, 10) * Affine.rotation(17)
    assert areas(crs, affine) == pytest.approx(side**2)
    assert resolution_m(GeoBox((6, 4), affine, crs)) == pytest.approx(side)
    measured = area_measure(pyproj.CRS(crs), affine, (6, 4))(np.array([box(0, 0, 0.5, 1)]))
    assert measured == pytest.approx(2 * side**2)


def test_an_unknown_unit_makes_no_metres():
    affine = Affine(0.5, 0, -20, 0, -0.5, 10)
    assert areas(UNKNOWN_UNIT, affine) is None
    assert resolution_m(GeoBox((6, 4), affine, UNKNOWN_UNIT)) is None
    assert np.isnan(
        area_measure(pyproj.CRS(UNKNOWN_UNIT), affine, (6, 4))(np.array([box(0, 0, 1, 1)]))
    )


def test_heights_and_grads_make_no_difference():
    here = Affine(10, 0, 500_000, 0, -10, 5_000_000)
    assert areas(pyproj.CRS("EPSG:32631+5773").to_wkt(), here) == pytest.approx(
        areas("EPSG:32631", here)
    )
    grads, degrees = Affine(0.01, 0, 1, 0, -0.01, 54), Affine(0.009, 0, 1, 0, -0.009, 48.6)
    assert areas("EPSG:4807", grads) == pytest.approx(areas("EPSG:4326", degrees), rel=1e-3)
    sides = [
        resolution_m(GeoBox((6, 4), affine, crs))
        for affine, crs in ((grads, "EPSG:4807"), (degrees, "EPSG:4326"))
    ]
    assert sides[0] == pytest.approx(sides[1])


def test_a_pixel_of_web_mercator_is_smaller_than_its_numbers_far_north():
    x, y = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True).transform(10, 60)
    assert resolution_m(GeoBox((6, 4), Affine(10, 0, x, 0, -10, y), "EPSG:3857")) == pytest.approx(
        5, rel=0.01
    )
    assert resolution_m(GeoBox((6, 4), Affine(10, 0, 5e5, 0, -10, 5e6), "EPSG:32631")) == 10


def test_another_planet_has_areas_but_no_longitudes_here():
    moon = GeoBox((4, 4), Affine(1, 0, 0, 0, -1, 2), "IAU_2015:30100")
    assert pixel_areas(moon, slice(0, 4)) == pytest.approx((1_737_400 * np.pi / 180) ** 2, rel=1e-3)
    assert footprint(moon) is None


def utm(lon, lat, zone, shape=(40, 60), size=10):
    crs = f"EPSG:{zone}"
    x, y = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
    affine = Affine(size, 0, x - size * shape[1] / 2, 0, -size, y + size * shape[0] / 2)
    return GeoBox(shape, affine, crs)


def test_a_footprint_is_what_the_corners_span():
    found = footprint(utm(10, 50, 32632))
    west, south, east, north = found.bbox
    assert (west + east) / 2 == pytest.approx(10, abs=1e-4)
    assert (south + north) / 2 == pytest.approx(50, abs=1e-4)
    assert found.geometry.geom_type == "Polygon"
    assert found.geometry.exterior.is_ccw
    assert found.geometry.bounds == pytest.approx(found.bbox)


@pytest.mark.parametrize("zone", [32660, 32601])
def test_the_180th_meridian_divides_a_footprint(zone):
    found = footprint(utm(180, 65, zone))
    west, _, east, _ = found.bbox
    assert 179.99 < west < 180
    assert -180 < east < -179.99
    assert found.geometry.geom_type == "MultiPolygon"
    assert {part.bounds[2] < 0 for part in found.geometry.geoms} == {True, False}
    assert all(part.exterior.is_ccw for part in found.geometry.geoms)


@pytest.mark.parametrize(("left", "west"), [(179, 179), (-181, 179), (350, -10), (190, -170)])
def test_degrees_beyond_180_are_called_as_geojson_has_them(left, west):
    found = footprint(GeoBox((10, 20), Affine(0.1, 0, left, 0, -0.1, 10), "EPSG:4326"))
    assert found.bbox == pytest.approx((west, 9, west + 2 - 360 * (west + 2 > 180), 10))
    assert found.geometry.area == pytest.approx(2)


def test_the_whole_earth_from_0_to_360():
    found = footprint(GeoBox((180, 360), Affine(1, 0, 0, 0, -1, 90), "EPSG:4326"))
    assert found.bbox == (-180, -90, 180, 90)
    assert found.geometry.area == pytest.approx(360 * 180)


@pytest.mark.parametrize(("crs", "pole"), [("EPSG:3413", 90), ("EPSG:3031", -90)])
def test_a_footprint_around_a_pole_holds_it(crs, pole):
    found = footprint(GeoBox((100, 100), Affine(1e4, 0, -5e5, 0, -1e4, 5e5), crs))
    assert (found.bbox[0], found.bbox[2]) == (-180, 180)
    assert pole in found.bbox
    assert found.geometry.is_valid
    for lon in (-179, -45, 3, 178):
        assert found.geometry.contains(Point(lon, pole * 0.99))
        assert not found.geometry.contains(Point(lon, pole * 0.9))


def test_an_engineering_crs_has_no_footprint():
    assert footprint(GeoBox((4, 4), Affine(1, 0, 0, 0, -1, 0), LOCAL_METRES)) is None
    assert footprint(GeoBox((4, 4), Affine(1, 0, 0, 0, -1, 0), None)) is None


def test_no_crs_no_area():
    assert areas(None, Affine(1, 0, 0, 0, -1, 0)) is None
