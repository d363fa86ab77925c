"""Features and rasters laid over scenes: local coordinates, and both sides of the 180th meridian."""

import geopandas
import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import Point, box

from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.evaluation.compare import evaluate
from georaster_dl.io.labels.read import LabelOptions, open_class_labels, read_legend
from georaster_dl.io.labels.vector import _widened
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.io.vectors.files import near_scene
from georaster_dl.testing import write_labels

SHAPE = (40, 60)
LOCAL = 'LOCAL_CS["Site (m)",UNIT["metre",1]]'
OTHER_NAME = (
    'ENGCRS["Unknown",EDATUM["Unknown"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],'
    'LENGTHUNIT["metre",1]]'
)


def utm(zone="EPSG:32660", lon=180.0, lat=65.0):
    """A scene of 600 m around a place."""
    x, y = pyproj.Transformer.from_crs("EPSG:4326", zone, always_xy=True).transform(lon, lat)
    return GeoBox(SHAPE, Affine(10, 0, x - 300, 0, -10, y + 200), zone)


def degrees(left, top=65.002):
    return GeoBox(SHAPE, Affine(2e-4, 0, left, 0, -1e-4, top), "EPSG:4326")


SCENES = {
    "zone 60": utm(),
    "zone 1": utm("EPSG:32601"),
    "179.994": degrees(179.994),
    "-180.006": degrees(-180.006),
    "190": degrees(190),
    "0 to 360": GeoBox(SHAPE, Affine(6, 0, 0, 0, -4, 80), "EPSG:4326"),
    "pole": GeoBox(SHAPE, Affine(1000, 0, -30_000, 0, -1000, 20_000), "EPSG:3413"),
    "grads": GeoBox(SHAPE, Affine(1e-4, 0, 1, 0, -1e-4, 54), "EPSG:4807"),
}


def burnt(shapes, geobox, crs="EPSG:4326"):
    """(rows, cols) True where the features lie, as labels and areas of interest are burnt."""
    from rasterio.features import geometry_mask

    frame = geopandas.GeoDataFrame(geometry=list(shapes), crs=crs)
    near, affine = near_scene(frame, geobox, title="labels", kind="polygons")
    return geometry_mask(near.geometry, tuple(geobox.shape), affine, invert=True)


@pytest.mark.parametrize("name", SCENES)
def test_the_whole_earth_covers_every_scene(name):
    assert burnt([box(-180, -90, 180, 90)], SCENES[name]).all()


@pytest.mark.parametrize("name", ["zone 60", "zone 1", "179.994", "-180.006"])
def test_polygons_on_both_sides_of_the_180th_meridian(name):
    geobox = SCENES[name]
    west, east = box(179, 64, 180, 66), box(-180, 64, -179, 66)
    assert burnt([west, east], geobox).all()
    found = burnt([west], geobox)
    assert found[:, :25].all()
    assert not found[:, 35:].any()
    assert np.array_equal(burnt([east], geobox), ~found)
    assert burnt([box(179, 64, 181, 66)], geobox).all()


@pytest.mark.parametrize("name", ["zone 60", "179.994", "-180.006"])
def test_polygons_of_another_zone(name):
    zone_1 = utm("EPSG:32601").extent.geom.buffer(1000)
    assert burnt([zone_1], SCENES[name], "EPSG:32601").all()
    left, _, right, _ = zone_1.bounds
    half = zone_1.intersection(box(left, 0, (left + right) / 2, 1e8))
    assert burnt([half], SCENES[name], "EPSG:32601").mean() == pytest.approx(0.5, abs=0.06)


def test_features_are_called_by_the_scenes_longitudes():
    assert burnt([box(-170, 64, -169.9, 66)], SCENES["190"]).all()
    assert burnt([box(-10, 0, 10, 70)], SCENES["0 to 360"])[10, [0, 59]].tolist() == [True, True]


def test_another_datum_changes_no_turn():
    bessel = geopandas.GeoSeries([box(181, 64, 182, 66)], crs="EPSG:4314")
    assert burnt(bessel, degrees(181.2), "EPSG:4314").all()


def test_local_coordinates_fit_by_their_unit():
    geobox = GeoBox(SHAPE, Affine(0.1, 0, 0, 0, -0.1, 4), LOCAL)
    shapes = [box(0, 0, 3, 4)]
    for crs in (LOCAL, OTHER_NAME):
        found = burnt(shapes, geobox, crs)
        assert found[:, :30].all()
        assert not found[:, 31:].any()
    for crs in ("EPSG:4326", LOCAL.replace("metre", "foot").replace(",1]", ",0.3048]")):
        with pytest.raises(OptionError, match="nothing leads from one to the other"):
            burnt(shapes, geobox, crs)
    with pytest.raises(OptionError, match="does not touch the scene"):
        burnt([box(50, 50, 51, 51)], geobox, LOCAL)
    with pytest.raises(OptionError, match="nothing leads from one to the other"):
        burnt(shapes, utm(), LOCAL)


@pytest.fixture
def make_map(tmp_path):
    def make(geobox, name="map.tif", array=None):
        if array is None:
            array = np.where(np.arange(60) < 30, 1, 10).astype(np.uint8) * np.ones(
                (40, 1), np.uint8
            )
        place = {"crs": geobox.crs.to_wkt(), "transform": geobox.affine}
        return write_labels(tmp_path / name, array, names={1: "a", 10: "b"}, **place)

    return make


@pytest.mark.parametrize("name", ["zone 60", "179.994", "-180.006", "190", "grads"])
def test_points_as_a_reference(make_map, tmp_path, name):
    geobox = SCENES[name]
    cols, rows = np.meshgrid(np.arange(5, 60, 10), np.arange(5, 40, 10))
    x, y = geobox.affine * (cols.ravel() + 0.5, rows.ravel() + 0.5)
    points = geopandas.GeoDataFrame(
        {"class": np.where(cols.ravel() < 30, 1, 10)},
        geometry=[Point(*at) for at in zip(x, y, strict=True)],
        crs=geobox.crs.to_wkt(),
    ).to_crs("EPSG:4326")
    points.geometry = [Point((p.x + 180) % 360 - 180, p.y) for p in points.geometry]
    points.to_file(tmp_path / "points.gpkg")
    found = evaluate(make_map(geobox), tmp_path / "points.gpkg")
    assert (found.coverage.compared, found.coverage.outside) == (24, 0)
    assert found.confusion.overall_accuracy == 1


@pytest.mark.parametrize("left", [179.98, -180.02])
@pytest.mark.parametrize("name", ["zone 60", "zone 1", "179.994", "-180.006"])
def test_a_label_raster_across_the_180th_meridian(make_map, tmp_path, name, left):
    mapped = make_map(SCENES[name])
    place = GeoBox((200, 400), Affine(1e-4, 0, left, 0, -1e-4, 65.01), "EPSG:4326")
    truth = np.where(np.arange(400) < 200, 1, 10).astype(np.uint8) * np.ones((200, 1), np.uint8)
    labels = write_labels(
        tmp_path / "truth.tif",
        truth,
        crs="EPSG:4326",
        transform=place.affine,
        names={1: "a", 10: "b"},
    )
    found = evaluate(mapped, labels)
    assert found.coverage.compared == 40 * 60
    assert found.confusion.overall_accuracy > 0.95


def test_a_raster_in_other_local_coordinates_is_refused(make_map):
    local = GeoBox(SHAPE, Affine(10, 0, 0, 0, -10, 400), LOCAL)
    mapped = make_map(local)
    assert evaluate(mapped, mapped).confusion.overall_accuracy == 1
    finer = make_map(
        local.zoom_out(0.5), "finer.tif", np.repeat([[1] * 60 + [10] * 60], 80, axis=0).astype("u1")
    )
    assert evaluate(mapped, finer).confusion.overall_accuracy == 1
    with pytest.raises(OptionError, match=r"'Site \(m\)'.*nothing leads from one to the other"):
        evaluate(mapped, make_map(degrees(3), "degrees.tif"))
    with pytest.raises(SceneError, match="nothing leads from one to the other"):
        open_scene([mapped, make_map(utm(), "utm.tif")]).read()


@pytest.mark.parametrize("name", ["zone 60", "179.994", "-180.006", "grads"])
def test_lines_get_their_width(tmp_path, name):
    geobox = SCENES[name]
    (x0, y0), (x1, y1) = (geobox.affine * (30.5, row) for row in (0, 40))
    line = geopandas.GeoDataFrame(
        {"class": ["road"]},
        geometry=[shapely.LineString([(x0, y0), (x1, y1)])],
        crs=geobox.crs.to_wkt(),
    )
    line.to_file(tmp_path / "road.gpkg")
    options = LabelOptions(width_m=50, class_field="class")
    path = tmp_path / "road.gpkg"
    labels = open_class_labels(path, geobox, read_legend([path], options), options)
    wide = (labels.read(slice(0, 40), slice(0, 60)) == 0).sum(axis=1)
    side = 10 if name == "zone 60" else pyproj.Geod(ellps="WGS84").inv(
        *(np.array([x0, y0, x0 + geobox.affine.a, y0]) * (0.9 if name == "grads" else 1))
    )[2]  # fmt: skip
    assert wide[20] == pytest.approx(50 / side, abs=1.01)


def test_lines_in_a_crs_of_unknown_unit():
    crs = OTHER_NAME.replace('LENGTHUNIT["metre",1]', 'LENGTHUNIT["unknown",1]')
    geobox = GeoBox(SHAPE, Affine(1, 0, 0, 0, -1, 40), crs)
    frame = geopandas.GeoDataFrame(
        {"class": ["road"]}, geometry=[shapely.LineString([(0, 0), (40, 40)])], crs=crs
    )
    with pytest.raises(OptionError, match="width_m=5` cannot be drawn"):
        _widened(frame.geometry, 5, geobox)
