"""Labels of every kind on a scene's grid."""

import json
import pickle
import warnings
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo import xy_
from odc.geo.gcp import GCPGeoBox, GCPMapping
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds
from shapely.geometry import LineString, MultiPoint, MultiPolygon, Point, Polygon, box

from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.io.labels.erosion import Erosion
from georaster_dl.io.labels.read import (
    LabelOptions,
    is_vector,
    open_class_labels,
    open_number_labels,
    read_features,
    read_legend,
)
from georaster_dl.render.palette import palette

SAMPLES = Path(__file__).parents[2] / "sample_tiles"
ROWS, COLS = 40, 60
X, Y = 500_000, 5_000_000
AFFINE = Affine(10, 0, X, 0, -10, Y)
GRID = GeoBox((ROWS, COLS), AFFINE, "EPSG:32631")
NOWHERE = GeoBox((ROWS, COLS), AFFINE, None)
CORNERS = [(0, 0), (COLS, 0), (0, ROWS), (COLS, ROWS)]
BY_POINTS = GCPGeoBox(
    (ROWS, COLS),
    GCPMapping([xy_(*c) for c in CORNERS], [xy_(*(AFFINE * c)) for c in CORNERS], "EPSG:32631"),
)
EVERYTHING = slice(0, ROWS), slice(0, COLS)
BOWTIE = Polygon([(X, Y), (X + 100, Y - 100), (X + 100, Y), (X, Y - 100)])
LEFT, RIGHT = box(X, Y - 400, X + 300, Y), box(X + 300, Y - 400, X + 600, Y)


def pixels(rows, cols):
    """The square of these pixels on the ground."""
    return box(X + 10 * cols[0], Y - 10 * rows[1], X + 10 * cols[1], Y - 10 * rows[0])


@pytest.fixture
def vector(tmp_path):
    """Factory of vector files in the scene's CRS or another."""

    def make(shapes, name="labels.gpkg", crs="EPSG:32631", **fields):
        path = tmp_path / name
        frame = geopandas.GeoDataFrame(fields, geometry=shapes, crs="EPSG:32631")
        frame = frame.to_crs(crs) if crs else frame.set_crs(None, allow_override=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a missing CRS is the point of one test
            frame.to_file(path)
        return path

    return make


@pytest.fixture
def listed(tmp_path):
    """Factory of class lists."""

    def make(text):
        path = tmp_path / "classes.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return make


def read(path, options=None, *, geobox=GRID, where=None):
    """Values of the classes on the whole grid, -1 unlabelled; and the legend."""
    options = options or LabelOptions()
    legend = read_legend([path], options)
    with open_class_labels(path, geobox, legend, options, where=where) as labels:
        indexes = labels.read(*EVERYTHING)
    assert indexes.dtype == np.int16
    return np.append(legend.values, -1)[indexes], legend


def refusal(call, *args, **kwargs):
    with pytest.raises(OptionError) as caught:
        call(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    return message


def said(message, *words):
    assert [word for word in words if word not in message] == [], message


def checkerboard(values=(1, 10, 14), side=8):
    rows, cols = np.indices((ROWS, COLS)) // side
    return np.array(values)[(rows + cols) % len(values)]


def agreement(found, truth):
    """Share of the labelled pixels that are right; some labels are needed."""
    labelled = found >= 0
    assert labelled.mean() > 0.8
    return (found == truth)[labelled].mean()


# --- rasters


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_values_with_gaps_come_back(make_tif, dtype):
    truth = checkerboard()
    found, legend = read(make_tif(truth.astype(dtype)))
    assert np.array_equal(found, truth)
    assert legend.names == ["1", "10", "14"]
    assert legend.values == [1, 10, 14]


def test_nodata_mask_and_ignored_numbers_are_unlabelled(make_tif):
    truth = checkerboard()
    truth[:8] = 255
    truth[8:16, :8] = 99
    truth[20, 20] = 98
    mask = np.full((ROWS, COLS), 255, np.uint8)
    mask[30:] = 0
    expected = np.where((truth > 90) | (mask == 0), -1, truth)
    path = make_tif(truth.astype("uint8"), nodata=255, mask=mask)
    found, legend = read(path, LabelOptions(ignore=(99, 98)))
    assert np.array_equal(found, expected)
    assert legend.values == [1, 10, 14]


@pytest.mark.parametrize("fill", [np.nan, 3.4e38])
def test_nan_and_undeclared_fills_are_unlabelled(make_tif, fill):
    truth = checkerboard().astype("float32")
    truth[5:9] = fill
    found, _ = read(make_tif(truth, nodata=np.nan if np.isnan(fill) else None))
    assert (found[5:9] == -1).all()
    assert (np.delete(found, np.s_[5:9], axis=0) >= 0).all()


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:32632"])
def test_labels_in_another_crs(make_tif, crs):
    """Large squares come back but for their borders, where the nearest pixel is a coarse thing."""
    west, south, east, north = transform_bounds("EPSG:32631", crs, *GRID.boundingbox)
    step = (east - west) / COLS
    rows, cols = int((north - south) / step) + 8, COLS + 8
    affine = from_origin(west - 4 * step, north + 4 * step, step, step)
    truth = checkerboard(side=20)
    xs, ys = np.meshgrid(np.arange(cols) + 0.5, np.arange(rows) + 0.5)
    x, y = affine * (xs, ys)
    x, y = rasterio.warp.transform(crs, "EPSG:32631", x.ravel(), y.ravel())
    col, row = ~AFFINE * (np.array(x), np.array(y))
    inside = (row >= 0) & (row < ROWS) & (col >= 0) & (col < COLS)
    labels = np.zeros(rows * cols, "uint8")
    labels[inside] = truth[row[inside].astype(int), col[inside].astype(int)]
    path = make_tif(labels.reshape(rows, cols), crs=crs, transform=affine, nodata=0)
    found, legend = read(path)
    assert agreement(found, truth) > 0.9
    assert legend.values == [1, 10, 14]


def test_outside_of_the_labels_is_unlabelled(make_tif):
    path = make_tif(
        np.repeat([[1, 2]], 10, axis=0).repeat(10, axis=1).astype("uint8"),
        transform=from_origin(X + 100, Y - 100, 10, 10),
    )
    found, _ = read(path)
    expected = np.full((ROWS, COLS), -1)
    expected[10:20, 10:20], expected[10:20, 20:30] = 1, 2
    assert np.array_equal(found, expected)


def test_finer_labels_give_the_most_frequent_class(make_tif):
    """Of 3 x 3 label pixels five are 7; ignored and nodata ones have no vote."""
    cell = np.array([[7, 3, 7], [3, 7, 3], [7, 3, 7]], "uint8")
    labels = np.tile(cell, (ROWS, COLS))
    labels[:30] = np.tile([[9, 9, 9], [9, 0, 0], [0, 0, 3]], (10, COLS))
    labels[30:33, :3] = 9
    path = make_tif(labels, transform=from_origin(X, Y, 10 / 3, 10 / 3), nodata=0)
    found, _ = read(path, LabelOptions(ignore=(9,)))
    assert (found[:10] == 3).all()
    assert found[10, 0] == -1
    assert (found[11:] == 7).all()


def test_coarser_labels_are_repeated(make_tif):
    coarse = checkerboard()[:4, :6].astype("uint8") + np.arange(6, dtype="uint8")
    found, _ = read(make_tif(coarse, transform=from_origin(X, Y, 100, 100)))
    assert np.array_equal(found, coarse.repeat(10, axis=0).repeat(10, axis=1))


@pytest.mark.parametrize("geobox", [GRID, NOWHERE, BY_POINTS])
def test_without_a_place_the_shape_decides(make_tif, geobox):
    truth = checkerboard()
    path = make_tif(truth.astype("uint8"), crs=None, transform=Affine.identity())
    assert np.array_equal(read(path, geobox=geobox)[0], truth)
    small = make_tif(truth[:20].astype("uint8"), "s.tif", crs=None, transform=Affine.identity())
    said(refusal(read, small, geobox=geobox), "no CRS", "40 x 60", "20 x 60", "georeference")


def test_a_scene_without_a_place_takes_placed_labels_of_its_shape(make_tif):
    truth = checkerboard().astype("uint8")
    assert np.array_equal(read(make_tif(truth), geobox=BY_POINTS)[0], truth)
    small = make_tif(truth[:20], "small.tif")
    said(refusal(read, small, geobox=NOWHERE), "scene has no CRS", "40 x 60", "20 x 60")


def test_a_place_without_a_crs_must_be_the_scenes(make_tif):
    truth = checkerboard().astype("uint8")
    assert (read(make_tif(truth, crs=None))[0] == truth).all()
    moved = make_tif(truth, "moved.tif", crs=None, transform=from_origin(X + 300, Y, 10, 10))
    said(refusal(read, moved), "no CRS", "georeference")


def test_names_and_colors_of_the_file(make_tif):
    path = make_tif(checkerboard().astype("uint8"))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(CLASS_NAMES='{"1": "water", "14": "ice", "77": "absent"}')
        dataset.write_colormap(1, {1: (0, 0, 255), 10: (9, 9, 9), 14: (250, 250, 250)})
    assert read(path)[1].classes == (
        MapClass(1, "water", (0, 0, 255)),
        MapClass(10, "10", (9, 9, 9)),
        MapClass(14, "ice", (250, 250, 250)),
    )


def test_a_color_table_that_shows_classes_alike_is_not_used(make_tif):
    path = make_tif(checkerboard().astype("uint8"))
    with rasterio.open(path, "r+") as dataset:
        dataset.write_colormap(1, {1: (0, 0, 255)})  # every other entry is black
    assert [c.color for c in read(path)[1].classes] == palette(3)


def test_another_programs_tag_of_that_name_is_ignored(make_tif):
    path = make_tif(checkerboard().astype("uint8"))
    for text in ("water,ice", "[1, 2]", '{"a": "b"}'):
        with rasterio.open(path, "r+") as dataset:
            dataset.update_tags(CLASS_NAMES=text)
        assert read(path)[1].names == ["1", "10", "14"]


@pytest.mark.parametrize(
    ("values", "dtype", "options", "words"),
    [
        ((1.5, 2, 3), "float32", {}, ["1.5", "whole numbers", "task='regression'"]),
        ((-1, 2, 3), "int16", {}, ["class -1", "ignore=-1"]),
        ((1, 2, 70_000), "int32", {}, ["class 70000", "0..65534"]),
        ((5, 6, 6), "uint8", {"ignore": (5, 6)}, ["no class", "ignored"]),
        ((1, 2, 3), "uint8", {"priority": ("2", "x")}, ["priority=` names 'x'", "1, 2, 3"]),
    ],
)
def test_rasters_that_are_no_class_labels(make_tif, values, dtype, options, words):
    path = make_tif(checkerboard(values).astype(dtype))
    said(refusal(read_legend, [path], LabelOptions(**options)), *words)


def test_rasters_that_cannot_be_used(make_tif, tmp_path):
    options = LabelOptions()
    three = make_tif(np.ones((3, ROWS, COLS), "uint8"), "three.tif")
    said(refusal(read_legend, [three], options), "three.tif", "3 bands", "one band")
    said(refusal(read_legend, [tmp_path / "no.tif"], options), "no.tif", "do not exist")
    said(refusal(read_legend, [], options), "No label file")
    (tmp_path / "text.tif").write_text("no raster")
    with pytest.raises(SceneError, match="cannot be opened"):
        read_legend([tmp_path / "text.tif"], options)
    far = make_tif(checkerboard().astype("uint8"), "far.tif", transform=from_origin(0, 0, 10, 10))
    said(refusal(read, far), "does not overlap", "(0, -400) to (600, 0)", "(500000, 4.9996e+06)")
    good = make_tif(checkerboard().astype("uint8"), "good.tif")
    said(refusal(read, good, where=("split", "train")), "is a raster", "'split'")


def test_a_cut_file_is_told(make_tif):
    noise = np.random.default_rng(0).integers(1, 5, (400, 600)).astype("uint8")
    path = make_tif(noise)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(SceneError, match=r"Rows \d+ to \d+ of the labels .* damaged"):
        read_legend([path], LabelOptions())


# --- vectors


@pytest.mark.parametrize("name", ["labels.gpkg", "labels.geojson", "labels.shp"])
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:32631"])
def test_polygons_of_text(vector, name, crs):
    shapes = [pixels((5, 15), (5, 15)), MultiPolygon([pixels((20, 30), (30, 50))])]
    found, legend = read(vector(shapes, name, crs, **{"class": ["wood", "field"]}))
    assert [(c.value, c.name) for c in legend.classes] == [(1, "field"), (2, "wood")]
    expected = np.full((ROWS, COLS), -1)
    expected[5:15, 5:15], expected[20:30, 30:50] = 2, 1
    assert np.array_equal(found, expected)


def test_integers_keep_their_values(vector):
    path = vector([LEFT, RIGHT, LEFT], code=[14, 1, 14], note=["a", "b", "c"])
    found, legend = read(path, LabelOptions(class_field="code"))
    assert legend.values == [1, 14]
    assert legend.names == ["1", "14"]
    assert (found[:, :30] == 14).all()
    assert (found[:, 30:] == 1).all()


def test_integers_with_gaps_as_pandas_writes_them(vector):
    """A null makes floats of integers, and its feature has no label."""
    path = vector([LEFT, RIGHT, pixels((0, 5), (0, 5))], code=[3.0, 4.0, np.nan])
    found, legend = read(path)
    assert legend.values == [3, 4]
    assert (found[:, :30] == 3).all()
    features = read_features(path, LabelOptions())
    assert features["label"].isna().tolist() == [False, False, True]
    assert features["label"].iloc[0] == 3


def test_the_field_is_found(vector):
    assert read(vector([LEFT, RIGHT], kind=["a", "b"]))[1].names == ["a", "b"]
    several = {"id": [7, 8], "Class": ["a", "b"]}
    assert read(vector([LEFT, RIGHT], **several))[1].names == ["a", "b"]


def test_features_keep_their_columns(vector):
    path = vector([LEFT, RIGHT], crs="EPSG:4326", kind=[" a", "b "], split=["train", "test"])
    features = read_features(path, LabelOptions(class_field="kind"))
    assert features["label"].tolist() == ["a", "b"]
    assert features["split"].tolist() == ["train", "test"]
    assert features.crs == "EPSG:4326"


def test_is_vector(tmp_path):
    assert all(is_vector(tmp_path / f"a.{s}") for s in ("gpkg", "GeoJSON", "shp", "json", "fgb"))
    assert not any(is_vector(tmp_path / f"a.{s}") for s in ("tif", "vrt", "jp2", "img"))


def test_centre_or_touch(vector):
    small = pixels((10.2, 11.4), (10.2, 11.4))  # over the centre of (10, 10) alone
    path = vector([small, RIGHT], kind=["a", "b"])
    assert np.argwhere(read(path)[0] == 1).tolist() == [[10, 10]]
    touched = np.argwhere(read(path, LabelOptions(all_touched=True))[0] == 1).tolist()
    assert touched == [[10, 10], [10, 11], [11, 10], [11, 11]]


def test_who_lies_on_top(vector):
    path = vector([LEFT, LEFT, LEFT, RIGHT], kind=["a", "b", "c", "b"])
    first = lambda *names: read(path, LabelOptions(priority=names))[0][0, 0]  # noqa: E731
    assert (first(), first("a"), first("b", "a"), first("b")) == (3, 1, 2, 2)


@pytest.mark.parametrize("crs", ["EPSG:32631", "EPSG:4326"])
def test_lines_have_a_width(vector, crs):
    shapes = [LineString([(X - 100, Y - 205), (X + 700, Y - 205)]), pixels((0, 2), (0, 2))]
    path = vector(shapes, crs=crs, kind=["road", "field"])
    thin = read(path)[0] == 2
    assert thin[20].all()
    assert thin.sum() == COLS
    wide = read(path, LabelOptions(width_m=50))[0] == 2
    assert wide[18:23].all()
    assert wide.sum() == 5 * COLS


def test_the_width_is_in_metres_whatever_the_unit(vector):
    """A grid in US survey feet, and one in degrees."""
    line = LineString([(-74.02, 40.7), (-73.98, 40.7)])
    for crs, affine in (
        ("EPSG:2263", Affine(32.808333, 0, 982_000, 0, -32.808333, 195_000)),
        ("EPSG:4326", Affine(9e-5, 0, -74.0, 0, -9e-5, 40.7018)),
    ):
        geobox = GeoBox((ROWS, COLS), affine, crs)
        frame = geopandas.GeoSeries([line], crs="EPSG:4326").to_crs("EPSG:32631")
        path = vector([frame.iloc[0], frame.iloc[0].buffer(1e-3)], kind=["road", "field"])
        options = LabelOptions(width_m=60, priority=("road",))
        found, _ = read(path, options, geobox=geobox)
        assert (found == 2).sum(axis=0).mean() == pytest.approx(6, abs=0.3)


def test_points_and_their_width(vector):
    shapes = [Point(X + 105, Y - 105), MultiPoint([(X + 305, Y - 205), (X + 405, Y - 305)])]
    path = vector(shapes, kind=["a", "b"])
    assert np.argwhere(read(path)[0] > 0).tolist() == [[10, 10], [20, 30], [30, 40]]
    wide, _ = read(path, LabelOptions(width_m=58))
    assert (wide == 1).sum() == 21 + 4  # centres within 29 m: a disk
    assert (wide == 2).sum() == 2 * (wide == 1).sum()


def test_where_chooses_features(vector):
    inner = pixels((10, 20), (10, 20))
    path = vector([LEFT, inner, RIGHT], kind=["a", "b", "a"], part=["x", "y", "y"])
    found, _ = read(path, LabelOptions(class_field="kind"), where=("part", "x"))
    assert (found[:, :30] == 1).all()
    assert (found[:, 30:] == -1).all()
    numbers = vector([LEFT, RIGHT], "n.gpkg", kind=["a", "b"], part=[1, 2])
    found, _ = read(numbers, LabelOptions(class_field="kind"), where=("part", "2"))
    assert (found == np.repeat([-1, 2], 30)).all()
    message = refusal(read, path, LabelOptions(class_field="kind"), where=("prt", "x"))
    said(message, "no field 'prt'", "did you mean 'part'?")


def test_mixed_types_are_told(tmp_path):
    path = tmp_path / "mixed.geojson"
    point = {"type": "Point", "coordinates": [3, 45]}
    features = [
        {"type": "Feature", "properties": {"class": label}, "geometry": point}
        for label in ("wood", 7, None)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    said(
        refusal(read_features, path, LabelOptions()),
        *["mixes text ('wood', fid 0)", "numbers (7, fid 1)", "'class'", "all text"],
    )


@pytest.mark.parametrize(
    ("shapes", "fields", "options", "words"),
    [
        (
            [LEFT, RIGHT],
            {"a": [1, 2], "b": [1, 2]},
            {},
            ["several fields (a, b)", "class_field=", "class_name="],
        ),
        ([LEFT, RIGHT], {}, {}, ["no attributes"]),
        (
            [LEFT, RIGHT],
            {"kind": [1, 2]},
            {"class_field": "knd"},
            ["no field 'knd'", "it has kind", "did you mean 'kind'?"],
        ),
        ([LEFT, RIGHT], {"kind": [1.0, 1.5]}, {}, ["1.5 (fid 2)", "'kind'", "task='regression'"]),
        ([LEFT, RIGHT], {"kind": [None, ""]}, {}, ["no label", "'kind'", "all 2 features"]),
        ([LEFT, RIGHT], {"kind": [1, 2]}, {"ignore": (1, 2)}, ["no label", "ignored"]),
        ([LEFT, RIGHT], {"kind": [-5, 1]}, {}, ["class -5", "ignore=-5"]),
        ([LEFT, BOWTIE], {"kind": [1, 2]}, {}, ["invalid", "1 of 2", "(fid 2)", "Self-inter"]),
        (
            [BOWTIE] * 7,
            {"kind": [1] * 7},
            {},
            ["7 of 7", "fid 1, 2, 3, 4, 5 and 2 more", "Fix geom"],
        ),
        ([LEFT, None], {"kind": [1, 2]}, {}, ["no geometry in 1 of 2", "(fid 2)", "delete"]),
        ([LEFT, Polygon()], {"kind": [1, 2]}, {}, ["no geometry in 1 of 2", "(fid 2)", "delete"]),
        ([], {"kind": []}, {}, ["no features"]),
        ([LEFT, RIGHT], {"kind": ["a", "b"]}, {"priority": ("c",)}, ["priority=", "'c'", "a, b"]),
    ],
)
def test_vectors_that_are_no_labels(vector, shapes, fields, options, words):
    path = vector(shapes, **fields)
    said(refusal(read_legend, [path], LabelOptions(**options)), *words)


def test_vectors_that_cannot_be_laid_over_the_scene(vector, tmp_path):
    options = LabelOptions()
    said(refusal(read, vector([LEFT, RIGHT], "a.gpkg", None, kind=[1, 2])), "no CRS")
    far = vector([pixels((900, 910), (0, 9))] * 2, "far.gpkg", kind=[1, 2])
    said(
        refusal(read, far),
        *["does not touch", "(500000, 4.9909e+06)", "(500000, 4.9996e+06)", "CRS and place"],
    )
    disk = "+proj=ortho +lat_0=-40 +lon_0=-140"  # the half of the Earth that the scene is not on
    other_side = tmp_path / "disk.gpkg"
    geopandas.GeoDataFrame({"kind": [1, 2]}, geometry=[box(0, 0, 9, 9)] * 2, crs=disk).to_file(
        other_side
    )
    said(refusal(read, other_side), "does not touch", "CRS and place")
    good = vector([LEFT, RIGHT], kind=[1, 2])
    legend = read_legend([good], options)
    for geobox in (NOWHERE, BY_POINTS):
        said(refusal(open_class_labels, good, geobox, legend, options), "without a CRS", "gdalwarp")
    (tmp_path / "text.gpkg").write_text("no table")
    said(refusal(read_legend, [tmp_path / "text.gpkg"], options), "cannot be read", "GeoPackage")


# --- background


def test_background_of_vectors_is_everywhere_else(vector):
    options = LabelOptions(background="other")
    found, legend = read(vector([pixels((5, 9), (5, 9))], kind=["a"]), options)
    assert [(c.value, c.name) for c in legend.classes] == [(1, "a"), (0, "other")]
    assert (found[5:9, 5:9] == 1).all()
    assert (found == 0).sum() == ROWS * COLS - 16


def test_features_of_other_parts_are_no_background(vector):
    inner, null = pixels((10, 20), (10, 20)), pixels((30, 35), (40, 50))
    shapes = [LEFT, inner, null]
    path = vector(shapes, kind=["a", "b", None], part=["x", "y", "y"])
    options = LabelOptions(class_field="kind", background="other")
    found, _ = read(path, options, where=("part", "y"))
    expected = np.zeros((ROWS, COLS), int)
    expected[:, :30] = -1
    expected[30:35, 40:50] = -1
    expected[10:20, 10:20] = 2
    assert np.array_equal(found, expected)


def test_background_of_rasters_ends_where_they_end(make_tif):
    labels = np.zeros((10, 10), "uint8")
    labels[2:4] = 5
    path = make_tif(labels, transform=from_origin(X + 100, Y - 100, 10, 10), nodata=0)
    found, legend = read(path, LabelOptions(background="other"))
    assert legend.values == [5, 0]
    expected = np.full((ROWS, COLS), -1)
    expected[10:20, 10:20] = 0
    expected[12:14, 10:20] = 5
    assert np.array_equal(found, expected)
    aligned = make_tif(np.where(checkerboard() == 1, 0, checkerboard()), "all.tif", nodata=10)
    found, legend = read(aligned, LabelOptions(background="other"))
    assert legend.values == [0, 14, 1]
    assert np.array_equal(found, checkerboard((0, 1, 14)))


def test_background_may_be_a_class_that_is_there(make_tif, listed):
    path = make_tif(checkerboard().astype("uint8"), nodata=1)
    options = LabelOptions(classes=listed("value,name\n10,a\n14,rest\n"), background="rest")
    found, legend = read(path, options)
    assert legend.names == ["a", "rest"]
    assert np.array_equal(found == 14, checkerboard() != 10)
    named = LabelOptions(
        classes=listed("value,name,color\n10,a,\n14,b,\n99,rest,#010203\n"), background="rest"
    )
    assert read_legend([path], named).classes[-1] == MapClass(99, "rest", (1, 2, 3))


def test_background_must_be_in_the_legend(make_tif):
    path = make_tif(checkerboard().astype("uint8"))
    legend = read_legend([path], LabelOptions())
    message = refusal(open_class_labels, path, GRID, legend, LabelOptions(background="other"))
    said(message, "background='other'", "1, 10, 14")


# --- the class list


def test_a_list_names_and_colors_what_occurs(make_tif, listed):
    text = "\ufeffvalue;name;color\n14;ice;#FFFFFF\n1;water;\n\n10;wood;00ff00\n77;absent;\n"
    legend = read(make_tif(checkerboard().astype("uint8")), LabelOptions(classes=listed(text)))[1]
    assert [(c.value, c.name) for c in legend.classes] == [(1, "water"), (10, "wood"), (14, "ice")]
    assert [c.color for c in legend.classes] == [(33, 102, 172), (0, 255, 0), (255, 255, 255)]


def test_a_list_gives_texts_their_values(vector, listed):
    path = vector([LEFT, RIGHT], kind=["wood", "field"])
    found, legend = read(path, LabelOptions(classes=listed("value,name\n30,wood\n7,field\n")))
    assert legend.values == [7, 30]
    assert (found == np.repeat([30, 7], 30)).all()
    counted = read(path, LabelOptions(classes=listed("name\nwood\nice\nfield\n")))[1]
    assert [(c.value, c.name) for c in counted.classes] == [(1, "wood"), (3, "field")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("value,name\n1,a\n10,b\n", ["lacks 14", "ignore="]),
        ("value,name\n1,a\n2.5,b\n", ["line 3", "'2.5'", "whole number"]),
        ("value,name\n1,a\n\n70000,b\n", ["line 4", "'70000'", "0..65534"]),
        ("value,name\n1,a\n,b\n", ["line 3", "value is ''"]),
        ("value,name,color\n1,a,red\n", ["line 2", "'red'", "#rrggbb"]),
        ("value,name,color\n1,a,#1234567890\n", ["line 2", "#rrggbb"]),
        ("value,name\n1,\n", ["line 2", "no name"]),
        ("value,name\n1,a\n1,b\n", ["line 3", "repeats", "unique"]),
        ("value,name\n1,a\n2,a\n", ["line 3", "repeats", "unique"]),
        ("value,label\n1,a\n", ["no column 'name'"]),
        ("value,name\n", ["no class"]),
        ("name\na\nb\nc\n", ["no values", "add a column value"]),
    ],
)
def test_lists_that_do_not_do(make_tif, listed, text, words):
    path = make_tif(checkerboard().astype("uint8"))
    said(refusal(read_legend, [path], LabelOptions(classes=listed(text))), "classes=", *words)


def test_a_list_that_cannot_be_read(make_tif, tmp_path):
    path = make_tif(checkerboard().astype("uint8"))
    (tmp_path / "binary.csv").write_bytes(b"\x00\x01\x81\x8d" * 9)
    for name, word in (("binary.csv", "save it as UTF-8"), ("absent.csv", "No such file")):
        options = LabelOptions(classes=tmp_path / name)
        said(refusal(read_legend, [path], options), name, "cannot be read", word)


# --- several files


def test_the_classes_of_all_files(make_tif, vector):
    one = make_tif(checkerboard((1, 2)).astype("uint8"), "one.tif")
    two = make_tif(checkerboard((2, 7)).astype("uint8"), "two.tif")
    assert read_legend([one, two], LabelOptions()).values == [1, 2, 7]
    north = vector([LEFT, RIGHT], "north.gpkg", kind=["c", "a"])
    south = vector([LEFT, RIGHT], "south.gpkg", kind=["b", "a"])
    assert read_legend([north, south], LabelOptions()).names == ["a", "b", "c"]


def test_files_that_contradict_each_other(make_tif, vector, listed):
    one = make_tif(checkerboard((1, 2)).astype("uint8"), "one.tif")
    two = make_tif(checkerboard((2, 1)).astype("uint8"), "two.tif")
    for path, name in ((one, "wood"), (two, "ice")):
        with rasterio.open(path, "r+") as dataset:
            dataset.update_tags(CLASS_NAMES=f'{{"2": "{name}"}}')
    message = refusal(read_legend, [one, two], LabelOptions())
    said(message, "class 2", "'wood'", "one.tif", "'ice'", "two.tif", "classes=")
    texts = vector([LEFT, RIGHT], kind=["wood", "x"])
    message = refusal(read_legend, [one, texts], LabelOptions())
    said(message, "labels.gpkg names", "one.tif numbers", "classes=")
    options = LabelOptions(classes=listed("value,name\n1,x\n2,wood\n"))
    assert read_legend([one, texts], options).names == ["x", "wood"]


def test_two_classes_of_one_name(make_tif):
    path = make_tif(checkerboard((1, 2)).astype("uint8"))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(CLASS_NAMES='{"1": "wood", "2": "wood"}')
    said(refusal(read_legend, [path], LabelOptions()), "two classes", "'wood'", "classes=")


# --- numbers


def numbers(path, options=None, **kwargs):
    with open_number_labels(path, GRID, options or LabelOptions(), **kwargs) as labels:
        found = labels.read(*EVERYTHING)
        assert found.dtype == np.float32
        return found, labels.name


def test_numbers_of_rasters(make_tif):
    stored = np.arange(ROWS * COLS, dtype="int16").reshape(ROWS, COLS)
    path = make_tif(stored, "height.tif", scales=[0.5], offsets=[10], nodata=7)
    found, name = numbers(path, LabelOptions(ignore=(8,)))
    assert name == "height"
    expected = np.where((stored == 7) | (stored == 8), np.nan, stored * 0.5 + 10)
    assert np.array_equal(found, expected.astype("float32"), equal_nan=True)


def test_finer_numbers_are_averaged_without_the_ignored(make_tif):
    fine = np.tile(np.array([[1, 2], [3, -99]], "float32"), (ROWS, COLS))
    fine[:2, :2] = -99
    path = make_tif(fine, transform=from_origin(X, Y, 5, 5), descriptions=["biomass"])
    found, name = numbers(path, LabelOptions(ignore=(-99,)))
    assert name == "biomass"
    assert np.isnan(found[0, 0])
    assert np.allclose(found.ravel()[1:], 2)


def test_coarser_numbers_are_bilinear(make_tif):
    plane = np.add.outer(np.arange(22.0), np.arange(32.0)).astype("float32")
    found, _ = numbers(make_tif(plane, transform=from_origin(X - 20, Y + 20, 20, 20)))
    rows, cols = np.indices((ROWS, COLS))
    assert np.allclose(found, (rows + cols + 1) / 2 + 1, atol=1e-4)


def test_numbers_of_vectors(vector):
    path = vector([LEFT, RIGHT, pixels((0, 5), (0, 5))], height=[1.5, -2.0, np.nan], id=[1, 2, 3])
    options = LabelOptions(class_field="height")
    found, name = numbers(path, options)
    assert name == "height"
    assert (found == np.repeat([1.5, -2], 30)).all()
    part, _ = numbers(path, options, where=("id", "2"))
    assert np.isnan(part[:, :30]).all()
    features = read_features(path, options, numbers=True)
    assert features["label"].tolist()[:2] == [1.5, -2]
    text = vector([LEFT, RIGHT], "text.gpkg", kind=["tall", "low"])
    said(refusal(numbers, text), "no numbers", "'kind'", "'tall'", "class_field=")


# --- windows, processes, memory


WINDOW_OPTIONS = (
    LabelOptions(background="other"),
    LabelOptions(width_m=30),
    LabelOptions(all_touched=True),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Labels of several kinds with their whole reads."""
    folder = tmp_path_factory.mktemp("windows")
    rng = np.random.default_rng(1)
    kinds = []
    for name, crs, step in (("fine", "EPSG:3857", 3.1), ("coarse", "EPSG:32632", 23.0)):
        west, south, east, north = transform_bounds("EPSG:32631", crs, *GRID.boundingbox)
        shape = int((north - south) / step), int((east - west) / step)
        path = folder / f"{name}.tif"
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=shape[0],
            width=shape[1],
            count=1,
            dtype="uint8",
            crs=crs,
            transform=from_origin(west, north, step, step),
            nodata=0,
        ) as dataset:
            dataset.write(rng.integers(0, 5, shape).astype("uint8"), 1)
        kinds.append(path)
    points = rng.uniform((X - 50, Y - 450), (X + 650, Y + 50), (60, 2, 2))
    shapes = [box(*np.sort(p, axis=0).ravel()).buffer(3) for p in points[:20]]
    shapes += [LineString(p) for p in points[20:50]] + [Point(p[0]) for p in points[50:]]
    kinds.append(folder / "shapes.gpkg")
    frame = geopandas.GeoDataFrame({"kind": np.arange(60) % 5 + 1}, geometry=shapes)
    frame.set_crs("EPSG:32631").to_crs("EPSG:4326").to_file(kinds[-1])
    opened = []
    for path in kinds:
        for options in WINDOW_OPTIONS:
            legend = read_legend([path], options)
            labels = open_class_labels(path, GRID, legend, options)
            opened.append((labels, labels.read(*EVERYTHING)))
    yield opened
    for labels, _ in opened:
        labels.close()


def test_large_windows_are_no_other(make_tif):
    """Over lines this long GDAL takes places that are only nearly right."""
    noise = np.random.default_rng(0).integers(1, 200, (1200, 1800)).astype("uint8")
    path = make_tif(noise, crs="EPSG:4326", transform=from_origin(4, 51.5, 1e-4, 1e-4))
    geobox = GeoBox((900, 1200), Affine(10, 0, 570_000, 0, -10, 5_705_000), "EPSG:32631")
    legend = read_legend([path], LabelOptions())
    with open_class_labels(path, geobox, legend, LabelOptions()) as labels:
        whole = labels.read(slice(0, 900), slice(0, 1200))
        for top, left in ((0, 0), (3, 700), (555, 101)):
            window = slice(top, top + 300), slice(left, left + 400)
            assert np.array_equal(labels.read(*window), whole[window])
    assert (whole >= 0).mean() > 0.5


@given(data=st.data())
def test_a_window_is_a_part_of_the_whole(whole, data):
    labels, expected = data.draw(st.sampled_from(whole))
    top, left = data.draw(st.integers(0, ROWS - 1)), data.draw(st.integers(0, COLS - 1))
    rows = slice(top, data.draw(st.integers(top + 1, ROWS)))
    cols = slice(left, data.draw(st.integers(left + 1, COLS)))
    assert np.array_equal(labels.read(rows, cols), expected[rows, cols])


def test_the_whole_is_labelled(whole):
    assert all(len(np.unique(expected)) >= 4 for _, expected in whole)


def test_labels_travel_to_other_processes(make_tif, vector):
    for path in (make_tif(checkerboard().astype("uint8")), vector([LEFT, RIGHT], kind=[1, 2])):
        legend = read_legend([path], LabelOptions())
        labels = open_class_labels(path, GRID, legend, LabelOptions())
        fresh = pickle.loads(pickle.dumps(labels))
        expected = labels.read(*EVERYTHING)
        used = pickle.loads(pickle.dumps(labels))
        labels.close()
        for other in (fresh, used, labels):  # a closed one opens again
            assert np.array_equal(other.read(*EVERYTHING), expected)
            other.close()


def test_very_fine_labels_are_read_in_pieces(make_tif, monkeypatch):
    fine = checkerboard().astype("uint8").repeat(7, axis=0).repeat(7, axis=1)
    path = make_tif(fine, transform=from_origin(X, Y, 10 / 7, 10 / 7))
    monkeypatch.setattr("georaster_dl.io.labels.regrid._SOURCE_SIDE", 30)
    monkeypatch.setattr("georaster_dl.io.labels.raster._WINDOW_PIXELS", 1000)
    assert np.array_equal(read(path)[0], checkerboard())


def test_classes_that_the_legend_lacks_are_unlabelled(make_tif):
    path = make_tif(checkerboard().astype("uint8"))
    legend = Legend((MapClass(14, "ice", (0, 0, 0)), MapClass(1, "water", (0, 0, 1))))
    found = open_class_labels(path, GRID, legend, LabelOptions()).read(*EVERYTHING)
    assert np.array_equal(found, np.choose(checkerboard((0, 1, 2)), (1, -1, 0)))


# --- real data


@pytest.mark.realdata
def test_enmap_labels_are_floats(real_data):
    folder = real_data / "enmap_potsdam" / "labels"
    path = folder / "enmap_potsdam_tile_128_0.tif"
    options = LabelOptions(ignore=(0,))
    legend = read_legend(sorted(folder.glob("*.tif")), options)
    assert legend.values == [1, 2, 3, 4, 5, 6]
    with rasterio.open(path) as dataset:
        stored, geobox = dataset.read(1), GeoBox.from_rio(dataset)
    found = open_class_labels(path, geobox, legend, options).read(slice(0, 32), slice(0, 32))
    assert np.array_equal(found, stored.astype(int) - 1)


@pytest.mark.realdata
def test_classes_of_slovenia_on_another_grid(real_data):
    """Land cover of 10 m on a grid of 30 m: the most frequent class of nine."""
    path = real_data / "s2_slovenia" / "lulc.tif"
    with rasterio.open(path) as dataset:
        stored, affine, crs = dataset.read(1), dataset.transform, dataset.crs.to_wkt()
    geobox = GeoBox((30, 30), affine * Affine.scale(3), crs)
    options = LabelOptions(ignore=(0,))
    legend = read_legend([path], options)
    found = open_class_labels(path, geobox, legend, options).read(slice(0, 30), slice(0, 30))
    cells = stored[:90, :90].reshape(30, 3, 30, 3).swapaxes(1, 2).reshape(30, 30, 9)
    votes = np.stack([(cells == value).sum(axis=2) for value in legend.values])
    labelled = found >= 0
    assert labelled.sum() > 100
    rows, cols = labelled.nonzero()
    assert (votes[found[labelled], rows, cols] == votes.max(axis=0)[labelled]).all()


def test_the_sample_labels_agree_with_their_truth():
    path, options = SAMPLES / "s2_west_labels.gpkg", LabelOptions(class_field="class_id")
    with rasterio.open(SAMPLES / "s2_west_truth.tif") as dataset:
        truth, geobox = dataset.read(1), GeoBox.from_rio(dataset)
    legend = read_legend([path], options)
    with open_class_labels(path, geobox, legend, options) as labels:
        found = labels.read(slice(0, 512), slice(0, 512))
    compared = (found >= 0) & (truth != 255)
    assert compared.mean() > 0.2
    assert (np.array(legend.values)[found] == truth)[compared].all()


@given(
    side=st.integers(1, 3),
    row=st.integers(0, ROWS - 4),
    col=st.integers(0, COLS - 4),
    seed=st.integers(0, 99),
)
def test_erosion_keeps_labels_whose_neighbours_are_all_alike_in_any_window(side, row, col, seed):
    rng = np.random.default_rng(seed)
    classes = np.kron(rng.integers(-1, 2, (5, 6)), np.ones((8, 10), int)).astype(np.int16)
    erosion = Erosion(side, (ROWS, COLS))
    rows, cols = slice(row, row + 4), slice(col, col + 4)
    kept = erosion.apply(classes[erosion.around(rows, cols)], rows, cols)
    for down in range(4):
        for across in range(4):
            r, c = row + down, col + across
            near = classes[max(r - side, 0) : r + side + 1, max(c - side, 0) : c + side + 1]
            assert kept[down, across] == (classes[r, c] if len(np.unique(near)) == 1 else -1)


def test_erosion_of_polygons_and_rasters_is_the_same(vector, tmp_path):
    path = vector([LEFT, RIGHT], **{"class": ["a", "b"]})
    options = LabelOptions()
    legend = read_legend([path], options)
    burnt = open_class_labels(path, GRID, legend, options).read(*EVERYTHING)
    eroded = open_class_labels(path, GRID, legend, options, erode=2).read(*EVERYTHING)
    assert (eroded[:, 28:32] == -1).all()
    assert (eroded[:38, :28] == burnt[:38, :28]).all()
    raster = tmp_path / "classes.tif"
    profile = {"driver": "GTiff", "count": 1, "dtype": "int16", "width": COLS, "height": ROWS}
    with rasterio.open(
        raster, "w", crs="EPSG:32631", transform=AFFINE, nodata=-1, **profile
    ) as out:
        out.write(np.array([*legend.values, -1], np.int16)[burnt], 1)
    of_raster = open_class_labels(raster, GRID, legend, options, erode=2)
    assert (of_raster.read(*EVERYTHING) == eroded).all()


class TestOneClassOfAll:
    def test_features_of_any_attributes_are_that_class_and_the_rest_is_unlabelled(self, vector):
        path = vector([LEFT], a=[1], b=[None])
        options = LabelOptions(class_name="building")
        legend = read_legend([path], options)
        assert legend.names == ["building"]
        with open_class_labels(path, GRID, legend, options) as labels:
            got = labels.read(*EVERYTHING)
        assert (got[:, :30] == 0).all()
        assert (got[:, 30:] == -1).all()

    def test_pixels_of_a_mask_that_are_not_0_are_that_class(self, make_tif):
        mask = np.zeros((ROWS, COLS), np.uint8)
        mask[:5], mask[5:10] = 255, 7
        path = make_tif(mask, "mask.tif", transform=AFFINE)
        options = LabelOptions(class_name="building", background="other")
        legend = read_legend([path], options)
        with open_class_labels(path, GRID, legend, options) as labels:
            got = labels.read(*EVERYTHING)
        assert (got[:10] == legend.names.index("building")).all()
        assert (got[10:] == legend.names.index("other")).all()

    def test_finer_masks_give_the_more_frequent_of_building_and_none(self, make_tif):
        mask = np.zeros((2 * ROWS, 2 * COLS), np.uint8)
        mask[0, 0] = 255  # a quarter of a pixel
        mask[2:4, 2:4] = 255
        path = make_tif(mask, "mask.tif", transform=Affine(5, 0, X, 0, -5, Y))
        options = LabelOptions(class_name="building")
        with open_class_labels(path, GRID, read_legend([path], options), options) as labels:
            got = labels.read(*EVERYTHING)
        assert (got[0, 0], got[1, 1]) == (-1, 0)

    def test_a_field_that_holds_it_among_others_is_refused(self, vector):
        path = vector([LEFT, LEFT], kind=["Building", "shed"])
        with pytest.raises(
            OptionError, match=r"all 2 features .* 'kind' holds other classes, too \(shed\)"
        ):
            read_legend([path], LabelOptions(class_name="building"))

    def test_a_field_beside_it_is_refused(self):
        with pytest.raises(OptionError, match="leave out"):
            LabelOptions(class_name="building", class_field="kind")

    def test_numbers_are_no_class(self, vector):
        with pytest.raises(OptionError, match="names a class"):
            open_number_labels(vector([LEFT], a=[1]), GRID, LabelOptions(class_name="building"))
