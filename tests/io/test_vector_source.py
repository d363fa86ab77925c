"""Vector files as people have them: several layers, archives, names that programs take for more."""

import shutil
import sqlite3
import struct
import zipfile
from contextlib import closing
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
from odc.geo.geobox import GeoBox
from shapely import force_3d
from shapely.geometry import GeometryCollection, LineString, Point, Polygon, box

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.io.files.layer_path import file_of
from georaster_dl.io.labels.read import LabelOptions, is_vector, open_class_labels, read_legend
from georaster_dl.io.labels.zones import read_zones, write_zones
from georaster_dl.io.output.staging import Staging
from georaster_dl.io.vectors.aoi import AreaOfInterest
from georaster_dl.io.vectors.points import write_points
from georaster_dl.training.data.sources import find_pairs, read_pairs

GRID = GeoBox.from_bbox((0, 0, 100, 100), "EPSG:32631", shape=(10, 10))
EVERYTHING = slice(0, 10), slice(0, 10)
LEFT, RIGHT = box(0, 0, 50, 100), box(50, 0, 100, 100)
AREA = geopandas.GeoDataFrame({"id": [7]}, geometry=[box(0, 0, 100, 50)], crs=32631)
LABELS = geopandas.GeoDataFrame({"class": ["a", "b"]}, geometry=[LEFT, RIGHT], crs=32631)


def names(path, **options):
    return read_legend([path], LabelOptions(**options)).names


@pytest.fixture
def several(tmp_path):
    """A GeoPackage whose first layer holds no classes."""
    path = tmp_path / "several.gpkg"
    AREA.to_file(path, layer="area")
    LABELS.to_file(path, layer="labels")
    return path


def zipped(archive, *files):
    with zipfile.ZipFile(archive, "w") as opened:
        for file in files:
            opened.write(file, f"some folder/{file.name}")
    return archive


def test_the_layer_with_the_class_field_is_taken(several):
    assert names(several) == ["a", "b"]
    assert names(several, class_field="class") == ["a", "b"]


@pytest.mark.parametrize("name", ["labels", "more labels, ü"])
def test_a_layer_is_named(several, name):
    LABELS.to_file(several, layer=name)
    other = LABELS.assign(**{"class": ["c", "d"]})
    other.to_file(several, layer="other")
    assert names(several, layer=name) == ["a", "b"]
    assert names(Path(f"{several}|layername={name}")) == ["a", "b"]
    assert names(Path(f"{several}|layername=other|geometrytype=Polygon")) == ["c", "d"]


def test_layers_by_number(several):
    assert names(Path(f"{several}|layerid=1")) == ["a", "b"]


@pytest.mark.parametrize(
    ("end", "options", "words"),
    [
        ("", {}, ("3 layers (area, labels, other)", "`layer=`")),
        ("", {"layer": "label"}, ("no layer 'label'", "area, labels, other")),
        ("|layername=nothing", {}, ("no layer 'nothing'", "`layer=`")),
        ('|layername=labels|subset="class" = 1', {}, ("'subset'", "a file of its own")),
    ],
)
def test_a_layer_that_cannot_be_told(several, end, options, words):
    LABELS.to_file(several, layer="other")
    with pytest.raises(OptionError) as error:
        names(Path(f"{several}{end}"), **options)
    assert [word for word in words if word not in str(error.value)] == []


def test_an_area_of_interest_in_a_layer(several):
    area = AreaOfInterest(Path(f"{several}|layername=area"), GRID)
    assert area.mask(*EVERYTHING).sum() == 50
    with pytest.raises(OptionError, match=r"several.gpkg\|layername=NAME"):
        AreaOfInterest(several, GRID)


def test_the_only_layer_of_polygons_is_the_area(tmp_path):
    path = tmp_path / "area.gpkg"
    AREA.assign(geometry=[LineString([(0, 0), (9, 9)])]).to_file(path, layer="roads")
    AREA.to_file(path, layer="area")
    assert AreaOfInterest(path, GRID).mask(*EVERYTHING).sum() == 50


def test_pairs_name_layers(several):
    labels = Path(f"{several}|layername=labels")
    assert find_pairs(["scene.tif"], labels)[0].labels == labels
    rows = several.parent / "list.csv"
    rows.write_text("scene,label\nscene.tif,several.gpkg|layername=labels\n", encoding="utf-8")
    assert names(read_pairs(rows, "split")[0].labels) == ["a", "b"]


def test_the_file_of_a_layer_is_an_input(several):
    stage = Staging(several, overwrite=True, protect=[f"{several}|layername=labels"])
    with pytest.raises(OSError, match="also an input"), stage:
        pass


def test_a_bar_in_a_name_is_a_bar(tmp_path):
    path = tmp_path / "a|layername=b.gpkg"
    LABELS.to_file(path, layer="labels")
    assert file_of(path) == path
    assert names(path) == ["a", "b"]


@pytest.mark.parametrize("suffix", ["shp", "gpkg", "geojson", "gml", "gdb", "sqlite"])
def test_vectors_in_a_zip(tmp_path, suffix):
    made = tmp_path / f"parcels.{suffix}"
    driver = {"gdb": "OpenFileGDB", "sqlite": "SQLite"}.get(suffix)
    LABELS.to_file(made, driver=driver)
    files = [f for f in tmp_path.rglob("*") if f.is_file()]
    archive = tmp_path / "labels.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for file in files:
            opened.write(file, file.relative_to(tmp_path))
    assert is_vector(archive)
    assert names(archive) == ["a", "b"]
    assert names(made) == ["a", "b"]


def test_several_files_in_a_zip(tmp_path):
    AREA.to_file(tmp_path / "area.gpkg", layer="main")
    LABELS.to_file(tmp_path / "labels.gpkg", layer="main")
    archive = zipped(tmp_path / "both.zip", tmp_path / "area.gpkg", tmp_path / "labels.gpkg")
    assert names(archive) == ["a", "b"]
    with pytest.raises(OptionError, match=r"2 layers 'main'; it has area\.gpkg, labels\.gpkg"):
        names(archive, layer="main")
    area = AreaOfInterest(Path(f"{archive}|layername=area.gpkg"), GRID)
    assert area.mask(*EVERYTHING).sum() == 50


def test_a_zip_without_vectors_is_none(tmp_path, make_tif):
    tif = make_tif(np.ones((1, 2, 2), np.uint8))
    assert not is_vector(zipped(tmp_path / "raster.zip", tif))
    assert not is_vector(tmp_path / "absent.zip")


@pytest.mark.parametrize(
    ("folder", "name"),
    [("a!b;c?d", "plain"), ("plain", "a!b"), ("plain", "a;b?c"), ("plain", "ä |#%20{b} [c]&d=e ")],
)
def test_a_path_is_a_path(tmp_path, folder, name):
    place = tmp_path / folder
    place.mkdir()
    other = place / "b.gpkg"  # what a part of the name would be
    other.write_text("precious")
    for suffix in ("shp", "gpkg"):
        LABELS.to_file(tmp_path / f"plain.{suffix}")
    zipped(tmp_path / "plain.zip", *tmp_path.glob("plain.*"))
    for made in list(tmp_path.glob("plain.*")):
        shutil.move(made, place / f"{name}{made.suffix}")
    for suffix in ("shp", "gpkg"):
        assert names(place / f"{name}.{suffix}") == ["a", "b"], suffix
    assert names(place / f"{name}.zip", layer="plain.shp") == ["a", "b"]
    parcels = read_zones(place / f"{name}.gpkg", LabelOptions())
    legend = Legend((MapClass(1, "a", (0, 0, 0)),))
    write_zones(place / f"{name}.gpkg", parcels, {"found": np.array(["a", "a"], object)}, legend)
    assert names(place / f"{name}.gpkg", class_field="found") == ["a"]
    with closing(sqlite3.connect(place / f"{name}.gpkg")) as base:
        assert base.execute("SELECT table_name FROM gpkg_geometry_columns").fetchall() == [(name,)]
    fields = {"class": ["b"]}
    write_points(place / f"p{name}.gpkg", [1.0], [2.0], fields, crs="EPSG:32631", legend=legend)
    assert names(place / f"p{name}.gpkg") == ["b"]
    assert other.read_text() == "precious"


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([3301010101, 3302000000], ["3301010101", "3302000000"]),
        ([7, 70000], ["7", "70000"]),
        ([7.0, 3302000000.0], ["3302000000", "7"]),
        (["007", "07"], ["007", "07"]),
        ([True, False], ["0", "1"]),
        (pd.array([True, None, False], "boolean"), ["0", "1"]),
        ([2**40, None, 2**40 + 1], [str(2**40), str(2**40 + 1)]),
        (["NA", "None"], ["NA", "None"]),
        (["null", "nan", "N/A"], ["N/A", "nan", "null"]),
    ],
)
@pytest.mark.parametrize("suffix", ["gpkg", "geojson"])
def test_codes_and_words(tmp_path, values, found, suffix):
    path = tmp_path / f"labels.{suffix}"
    shapes = [box(0, 100 * i, 10, 100 * i + 10) for i in range(len(values))]
    geopandas.GeoDataFrame({"class": values}, geometry=shapes, crs=32631).to_file(path)
    legend = read_legend([path], LabelOptions())
    assert sorted(legend.names) == sorted(found)
    assert max(legend.values) <= len(values)
    labels = open_class_labels(path, GRID, legend, LabelOptions())
    expected = legend.names.index(
        str(int(values[0])) if not isinstance(values[0], str) else values[0]
    )
    assert labels.read(*EVERYTHING)[9, 0] == expected


def test_codes_that_would_be_rounded_are_refused(tmp_path):
    path = tmp_path / "labels.gpkg"
    LABELS.assign(**{"class": [2**60 + 1.0, None]}).to_file(path)
    with pytest.raises(OptionError, match="more than 15 digits.*text field"):
        names(path)


def test_a_number_below_0_is_no_code(tmp_path):
    path = tmp_path / "labels.gpkg"
    LABELS.assign(**{"class": [-9999, 3301010101]}).to_file(path)
    with pytest.raises(OptionError, match="ignore=-9999"):
        names(path)
    assert names(path, ignore=(-9999,)) == ["3301010101"]


def below(shapes, **options):
    def missed(tmp_path):
        path = tmp_path / "labels.gpkg"
        frame = geopandas.GeoDataFrame({"class": ["a"] * len(shapes)}, geometry=shapes, crs=32631)
        frame.to_file(path)
        settings = LabelOptions(**options)
        return open_class_labels(path, GRID, read_legend([path], settings), settings).missed()

    return missed


TINY, AT_CENTRE, SLIVER = box(6, 6, 9, 9), box(4, 4, 6, 6), box(0, 6, 100, 8)
FAR = box(5006, 6, 5009, 9)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (below([TINY, AT_CENTRE, SLIVER, LEFT]), (2, 4)),
        (below([TINY, SLIVER], all_touched=True), (0, 2)),
        (below([TINY.union(AT_CENTRE), FAR, LEFT]), (0, 2)),
        (below([LineString([(6, 6), (9, 9)])]), (0, 1)),
    ],
)
def test_features_below_a_pixel_are_counted(tmp_path, case, expected):
    assert case(tmp_path) == expected


def test_polygons_of_all_kinds(tmp_path):
    """With heights and measures, in collections, and of several parts."""
    high = force_3d(LEFT, 7)
    both = GeometryCollection([RIGHT, Point(3, 3)])
    path = tmp_path / "labels.gpkg"
    frame = geopandas.GeoDataFrame({"class": ["a", "b"]}, geometry=[high, both], crs=32631)
    frame.to_file(path)
    legend = read_legend([path], LabelOptions())
    found = open_class_labels(path, GRID, legend, LabelOptions()).read(*EVERYTHING)
    assert (found[:-1, :5] == 0).all()
    assert (found[:, 5:] == 1).all()
    assert AreaOfInterest(path, GRID).mask(*EVERYTHING).all()


def test_surfaces_of_triangles_are_told(tmp_path):
    """TIN is nothing that shapely reads: written as the WKB that GDAL would write."""
    path = tmp_path / "labels.gpkg"
    LABELS.to_file(path)
    triangle = Polygon([(0, 0, 1), (9, 0, 1), (9, 9, 1)]).wkb
    tin = struct.pack("<BII", 1, 1016, 1) + struct.pack("<BI", 1, 1017) + triangle[5:]
    header = b"GP\x00\x01" + struct.pack("<i", 32631)
    with closing(sqlite3.connect(path)) as base, base:
        for (name,) in base.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            base.execute(f'DROP TRIGGER "{name}"')
        base.execute("UPDATE labels SET geom = ?", (header + tin,))
    with pytest.raises(OptionError, match="surfaces of triangles.*Convert geometry type"):
        names(path)
