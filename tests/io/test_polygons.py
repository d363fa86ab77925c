"""Polygons of a class raster: seamless, complete, named, with true areas."""

import sqlite3
import xml.etree.ElementTree as ET

import geopandas
import numpy as np
import pyogrio
import pyproj
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.features import rasterize

from georaster_dl.core.errors import OutputError
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.objects.options import PolygonOptions
from georaster_dl.objects.run import polygons, write_objects

LEGEND = Legend(
    (MapClass(0, "water", (0, 0, 255)), MapClass(3, 'grass & "low" <veg> é', (0, 200, 10)))
)
UTM = Affine(10, 0, 500000, 0, -10, 5000000)


def raster(path, data, crs="EPSG:32633", transform=UTM, nodata=255):
    options = {} if transform is None else {"transform": transform}
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=data.shape[0],
        width=data.shape[1],
        count=1,
        dtype=data.dtype,
        nodata=nodata,
        crs=crs,
        **options,
    ) as ds:
        ds.write(data, 1)
    return path


def write(path, out, legend=LEGEND):
    return write_objects(path, out, PolygonOptions(), stated=legend.classes, strip_pixels=500)


def run(tmp_path, data, legend=LEGEND, **options):
    out = tmp_path / "map.gpkg"
    count = write(raster(tmp_path / "map.tif", data, **options), out, legend)
    frame = geopandas.read_file(out, layer="map")
    assert len(frame) == count
    return frame


def test_polygons_rasterize_back_to_the_same_map(tmp_path):
    data = np.random.default_rng(0).choice(np.array([0, 3, 255], "uint8"), (40, 61))
    frame = run(tmp_path, data)
    assert len(frame) > 100
    assert list(frame.columns) == [
        "class_id",
        "class_name",
        "area_m2",
        "id",
        "perimeter_m",
        "geometry",
    ]
    assert frame.crs == "EPSG:32633"
    back = rasterize(
        zip(frame.geometry, frame.class_id, strict=True),
        out_shape=data.shape,
        transform=UTM,
        fill=255,
        dtype="uint8",
    )
    np.testing.assert_array_equal(back, data)
    assert frame.area_m2.sum() == pytest.approx(100 * (data != 255).sum())
    assert set(frame.class_name) == set(LEGEND.names)
    assert frame.geometry.is_valid.all()


def test_one_region_is_one_polygon(tmp_path):
    frame = run(tmp_path, np.zeros((1500, 1100), "uint8"))
    assert frame.class_name.tolist() == ["water"]
    assert frame.area_m2.tolist() == pytest.approx([1500 * 1100 * 100])


def test_only_nodata_makes_a_valid_empty_layer(tmp_path):
    frame = run(tmp_path, np.full((5, 5), 255, "uint8"))
    assert frame.empty
    assert frame.crs == "EPSG:32633"
    info = pyogrio.read_info(tmp_path / "map.gpkg", layer="map")
    assert (info["layer_name"], info["geometry_type"]) == ("map", "Polygon")
    assert list(info["fields"]) == ["class_id", "class_name", "area_m2", "id", "perimeter_m"]


def test_two_byte_classes(tmp_path):
    legend = Legend((MapClass(300, "a", (1, 2, 3)), MapClass(60000, "b", (4, 5, 6))))
    data = np.array([[300, 60000, 65535]], "uint16")
    frame = run(tmp_path, data, legend=legend, nodata=65535)
    assert sorted(zip(frame.class_id, frame.class_name, strict=True)) == [(300, "a"), (60000, "b")]


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:4326", Affine(0.01, 0, 10, 0, -0.01, 60)),
        ("EPSG:4326", Affine(0.01, 0, 179.98, 0, -0.01, -70)),
        ("EPSG:3857", Affine(1000, 0, 1e6, 0, -1000, 8.5e6)),
        ("EPSG:3031", Affine(1000, 0, -2000, 0, -1000, -50000)),
    ],
)
def test_areas_where_the_plane_distorts_are_those_on_the_ellipsoid(tmp_path, crs, transform):
    frame = run(tmp_path, np.zeros((4, 5), "uint8"), crs=crs, transform=transform)
    densified = frame.geometry.segmentize(abs(transform.a) / 50)
    to_lonlat = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    lonlat = densified.iloc[0].exterior.coords.xy
    lon, lat = lonlat if crs == "EPSG:4326" else to_lonlat.transform(*lonlat)
    area, _ = pyproj.Geod(ellps="WGS84").polygon_area_perimeter(lon, lat)
    assert frame.area_m2[0] == pytest.approx(abs(area), rel=2e-4)


def test_feet_become_square_metres(tmp_path):
    frame = run(
        tmp_path,
        np.zeros((10, 10), "uint8"),
        crs="EPSG:2263",
        transform=Affine(100, 0, 1e6, 0, -100, 2e5),
    )
    assert frame.area_m2[0] == pytest.approx((1000 * 0.3048006096) ** 2, rel=1e-6)


def test_no_crs_gives_shapes_without_areas(tmp_path):
    frame = run(tmp_path, np.zeros((2, 2), "uint8"), crs=None)
    assert frame.area_m2.isna().all()
    assert frame.geometry.area.tolist() == [400]


def test_ground_control_points_alone_are_refused(tmp_path):
    path = raster(tmp_path / "a.tif", np.zeros((9, 9), "uint8"))
    with rasterio.open(path, "r+") as ds:
        ds.gcps = ([GroundControlPoint(0, 0, 10, 45), GroundControlPoint(9, 9, 11, 44)], ds.crs)
    with pytest.raises(OutputError, match=r"only ground control points.*georeference it first"):
        write(path, tmp_path / "a.gpkg")


def test_no_georeferencing_at_all_is_refused(tmp_path):
    path = raster(tmp_path / "a.tif", np.zeros((9, 9), "uint8"), crs=None, transform=None)
    with pytest.raises(OutputError, match="no georeferencing"):
        write(path, tmp_path / "a.gpkg")


def test_a_folder_that_is_missing_is_named(tmp_path):
    path = raster(tmp_path / "a.tif", np.zeros((9, 9), "uint8"))
    with pytest.raises(OutputError, match=r"no does not exist"):
        polygons(path, tmp_path / "no" / "a.gpkg")


def test_an_old_geopackage_is_replaced(tmp_path):
    run(tmp_path, np.zeros((3, 3), "uint8"))
    assert run(tmp_path, np.full((3, 3), 3, "uint8")).class_id.tolist() == [3]


def test_the_style_is_inside(tmp_path):
    run(tmp_path, np.zeros((3, 3), "uint8"))
    base = sqlite3.connect(tmp_path / "map.gpkg")
    table, column, qml, default = base.execute(
        "SELECT f_table_name, f_geometry_column, styleQML, useAsDefault FROM layer_styles"
    ).fetchone()
    assert (table, column, default) == ("map", "geom", 1)
    columns = base.execute("SELECT column_name FROM gpkg_geometry_columns").fetchall()
    base.close()
    assert columns == [("geom",)]
    root = ET.fromstring(qml)
    assert [c.get("value") for c in root.iter("category")] == LEGEND.names
    assert [p.get("v") for p in root.iter("prop") if p.get("k") == "color"][1] == "0,200,10,255"
