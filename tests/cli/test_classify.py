"""``geodl classify``, from features and labels to maps, saved classifiers and parcels."""

import sqlite3

import geopandas
import numpy as np
import pytest
import rasterio

from tests.fields import (
    BANDS,
    KINDS,
    SHAPE,
    kinds,
    outline,
    per_pixel,
    values,
    write_features,
    write_zones,
)
from tests.maps import read_band

NODATA = 255


@pytest.fixture
def features(tmp_path):
    array = values(kinds())
    array[:, :8, :16] = np.nan  # two fields
    return write_features(tmp_path / "features.tif", array)


@pytest.fixture
def parcels(tmp_path):
    return write_zones(tmp_path / "parcels.gpkg", kinds(), unlabelled=0.3)


@pytest.fixture
def fewer_trees(monkeypatch):
    monkeypatch.setattr("georaster_dl.pixels.learn.classifier._TREES", 20)


@pytest.mark.usefixtures("fewer_trees")
@pytest.mark.parametrize("method", [pytest.param("svm", marks=pytest.mark.slow), "rf"])
def test_a_map_its_accuracy_and_a_second_map(geodl, features, parcels, tmp_path, method):
    ended = geodl(
        "classify", features, parcels, "--class-field", "kind", "--method", method,
        "-o", "map.tif", "--save", "c.skops",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    mapped, truth = read_band("map.tif"), per_pixel(kinds()) + 1
    assert (mapped[:8, :16] == NODATA).all()
    right = (mapped == truth)[mapped != NODATA].mean()
    assert right > 0.85
    line = next(line for line in ended.out.splitlines() if line.startswith("mIoU, test"))
    told = float(line.split("OA, test: ")[1].split()[0])
    assert abs(told - right) < 0.1
    assert "labelled blocks of" in line
    assert "IoU forest" in ended.out
    again = geodl("classify", features, "-m", "c.skops", "-o", "again.tif")
    assert again.code == 0, again.err
    assert "mIoU" not in again.out
    np.testing.assert_array_equal(read_band("again.tif"), mapped)
    for name in ("map.tif", "again.tif"):
        told = geodl("evaluate", name, parcels, "--class-field", "kind")
        assert "WARNING: The reference parcels.gpkg is what the model of this map was" in told.out
    with rasterio.open("map.tif") as first, rasterio.open("again.tif") as second:
        assert first.tags()["CLASS_NAMES"] == second.tags()["CLASS_NAMES"]
        assert first.colormap(1) == second.colormap(1)
        assert f"GEORASTER_DL_MODEL={method}" in "".join(
            f"{k}={v}" for k, v in first.tags().items()
        )
    assert all(name in (tmp_path / "map.qml").read_text() for name in KINDS)


@pytest.mark.usefixtures("fewer_trees")
def test_no_test_pixel_is_learnt_from(geodl, tmp_path):
    """In noise without any meaning the accuracy is that of guessing; a leak would show."""
    noise = np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float32)
    path = write_features(tmp_path / "noise.tif", noise)
    labels = write_zones(tmp_path / "p.gpkg", kinds())
    ended = geodl(
        "classify", path, labels, "--class-field", "kind", "-o", "m.tif", "--progress", "json",
        "--method", "rf",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert 0.2 < ended.events[-1]["accuracy"]["OA"] < 0.48


@pytest.mark.usefixtures("fewer_trees")
def test_no_parcel_is_measured_with_what_learnt_from_it(geodl, tmp_path):
    noise = np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float32)
    path = write_features(tmp_path / "noise.tif", noise)
    labels = write_zones(tmp_path / "p.gpkg", kinds())
    ended = geodl(
        "classify", path, labels, "--class-field", "kind", "--per-polygon", "-o", "o.gpkg",
        "--progress", "json", "--method", "rf",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert 0.15 < ended.events[-1]["accuracy"]["OA"] < 0.55


def test_a_classifier_of_stored_numbers_gets_them_as_stored(geodl, parcels, tmp_path):
    numbers = (values(kinds()) * 100).astype(np.int16)
    raw = write_features(tmp_path / "raw.tif", numbers)
    learn = ("classify", raw, parcels, "--class-field", "kind", "-o", "a.tif")
    assert geodl(*learn, "--save", "c.skops").code == 0
    tagged = write_features(tmp_path / "tagged.tif", numbers)
    with rasterio.open(tagged, "r+") as dataset:
        dataset.scales = (0.01, 0.01, 0.01)
    assert geodl("classify", tagged, "-m", "c.skops", "-o", "b.tif").code == 0
    np.testing.assert_array_equal(read_band("a.tif"), read_band("b.tif"))


def test_events_tell_what_was_chosen(geodl, features, parcels):
    ended = geodl(
        "classify", features, parcels, "--class-field", "kind", "-o", "m.tif",
        "--progress", "json", "--seed", 4,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    done = ended.events[-1]
    assert done["event"] == "done"
    assert set(done["settings"]) == {"C", "gamma", "trained_on"}
    assert set(done["accuracy"]["IoU"]) == set(KINDS)
    assert sum(done["classes"].values()) == SHAPE[0] * SHAPE[1] - 8 * 16
    with rasterio.open("m.tif") as dataset:
        said = dataset.tags()["GEORASTER_DL_PARAMETERS"]
    assert "seed=4" in said
    assert f"C={done['settings']['C']}" in said


def test_labels_may_be_a_raster_and_the_split_random(geodl, features, make_tif):
    labels = make_tif((per_pixel(kinds()) + 1).astype(np.uint8), "labels.tif", nodata=0)
    ended = geodl(
        "classify", features, labels, "-o", "m.tif", "--split", "random", "--ignore", 3,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert ended.err.count("accuracy leaks") == 1
    assert set(np.unique(read_band("m.tif"))) == {1, 2, NODATA}


def test_another_raster_must_have_the_bands(geodl, features, parcels, refused, tmp_path):
    learn = ("classify", features, parcels, "--class-field", "kind", "-o", "m.tif")
    assert geodl(*learn, "--save", "c.skops").code == 0
    array = values(kinds())
    turned = write_features(tmp_path / "turned.tif", array[::-1], bands=BANDS[::-1])
    assert geodl("classify", turned, "-m", "c.skops", "-o", "t.tif").code == 0
    whole = write_features(tmp_path / "whole.tif", array)
    assert geodl("classify", whole, "-m", "c.skops", "-o", "w.tif").code == 0
    np.testing.assert_array_equal(read_band("t.tif"), read_band("w.tif"))
    other = write_features(tmp_path / "other.tif", array, bands=("a", "feat_02", "feat_01"))
    said = refused("classify", other, "-m", "c.skops", "-o", "o.tif")
    assert "misses feat_03" in said
    assert "a, feat_02, feat_01" in said
    raw = write_features(tmp_path / "raw.tif", (array * 100).astype(np.int16))
    assert "state what they mean" in refused("classify", raw, "-m", "c.skops", "-o", "o.tif")
    scaled = geodl("classify", raw, "-m", "c.skops", "-o", "o.tif", "--scale", 0.01)
    assert scaled.code == 0
    assert (read_band("o.tif") == read_band("w.tif")).mean() > 0.98


def tag_features(path, sha, layer="encoder"):
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(
            GEORASTER_DL_CONTENT="features",
            GEORASTER_DL_MODEL="auto 1",
            GEORASTER_DL_MODEL_SHA256=sha,
            GEORASTER_DL_LAYER=layer,
        )
    return path


def test_features_must_be_those_of_the_same_model(geodl, features, parcels, refused, tmp_path):
    """``feat_01`` of a model that was trained again means something else."""
    tag_features(features, "a" * 64)
    learn = ("classify", features, parcels, "--class-field", "kind", "-o", "m.tif")
    assert geodl(*learn, "--save", "c.skops").code == 0
    array = values(kinds())
    same = tag_features(write_features(tmp_path / "same.tif", array), "a" * 64)
    assert geodl("classify", same, "-m", "c.skops", "-o", "s.tif").code == 0
    for number, (sha, layer) in enumerate([("b" * 64, "encoder"), ("a" * 64, "decoder")]):
        other = tag_features(write_features(tmp_path / f"{number}.tif", array), sha, layer)
        said = refused("classify", other, "-m", "c.skops", "-o", "o.tif")
        assert "make them with the same model and layer" in said
    plain = write_features(tmp_path / "plain.tif", array)
    assert "no features of a model" in refused("classify", plain, "-m", "c.skops", "-o", "o.tif")


@pytest.mark.usefixtures("fewer_trees")
@pytest.mark.parametrize("method", ["svm", "rf"])
def test_every_parcel_gets_a_class(geodl, features, parcels, method):
    ended = geodl(
        "classify", features, parcels, "--per-polygon", "--class-field", "kind",
        "--method", method, "-o", "done.gpkg",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    before = geopandas.read_file(parcels, fid_as_index=True)
    after = geopandas.read_file("done.gpkg", layer="done", fid_as_index=True)
    assert after.crs == before.crs
    assert after.index.equals(before.index)
    assert after.geometry.geom_equals(before.geometry).all()
    for column in ("kind", "owner", "parcel"):
        assert after[column].equals(before[column]), column
    truth = np.array(KINDS)[kinds().ravel()]
    unknown = after["class_predicted"].isna().to_numpy()
    assert np.flatnonzero(unknown).tolist() == [0, 1]
    assert "2 of 120 polygons without a valid pixel" in ended.err
    assert (after["class_predicted"] == truth)[~unknown].mean() > 0.95
    shares = after[[f"p_{name}" for name in KINDS]].to_numpy()
    np.testing.assert_allclose(shares[~unknown].sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(shares[~unknown].max(axis=1), after["probability"][~unknown])
    assert np.isnan(shares[unknown]).all()
    assert "OA, out of fold: 0.9" in ended.out or "OA, out of fold: 1.0" in ended.out
    with sqlite3.connect("done.gpkg") as base:
        types = {row[1]: row[2] for row in base.execute("PRAGMA table_info(done)")}
        style = base.execute("SELECT styleQML FROM layer_styles").fetchone()[0]
    assert types["parcel"] == "INTEGER"
    assert all(name in style for name in ("class_predicted", *KINDS))


@pytest.mark.slow
def test_parcels_once_done_can_be_done_again(geodl, features, parcels):
    learn = ("classify", features, "--per-polygon", "--class-field", "kind", "-o")
    assert geodl(*learn, "one.gpkg", parcels).code == 0
    assert geodl(*learn, "two.gpkg", "one.gpkg").code == 0
    one, two = (geopandas.read_file(f"{n}.gpkg", layer=n) for n in ("one", "two"))
    assert one.columns.equals(two.columns)
    assert one["class_predicted"].equals(two["class_predicted"])


def test_parcels_in_one_place_have_no_accuracy(geodl, features, tmp_path):
    """Polygons with one middle cannot be divided into blocks."""
    shapes = [outline(5, 5, margin=i / 3) for i in range(9)]
    frame = geopandas.GeoDataFrame(
        {"kind": ["a", "b", "a", "b", "a", "b", "a", "b", None]}, geometry=shapes, crs="EPSG:32631"
    )
    frame.to_file(tmp_path / "p.gpkg")
    ended = geodl("classify", features, "p.gpkg", "--per-polygon", "-o", "o.gpkg")
    assert ended.code == 0, ended.err
    assert "accuracy not measured" in ended.out


def test_parcels_where_nothing_was_measured(refused, parcels, tmp_path):
    empty = write_features(tmp_path / "e.tif", np.full((3, *SHAPE), np.nan, np.float32))
    ask = ("--class-field", "kind", "--per-polygon", "-o", "o.gpkg")
    assert "has a valid pixel: " in refused("classify", empty, parcels, *ask)


def test_rare_classes_are_told(geodl, features, tmp_path):
    frame = geopandas.read_file(write_zones(tmp_path / "p.gpkg", kinds()))
    frame.loc[30, "kind"] = "rare"
    frame.to_file(tmp_path / "p.gpkg")
    ended = geodl(
        "classify", features, "p.gpkg", "--class-field", "kind", "--per-polygon", "-o", "o.gpkg"
    )
    assert ended.code == 0, ended.err
    assert "not learnt, because fewer than 2 polygons with a valid pixel have it: rare" in ended.err


PARCELS = ("parcels.gpkg", "--class-field", "kind")


@pytest.mark.usefixtures("parcels")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("features.tif", "-o", "m.tif"), "Got features.tif; give a raster and labels"),
        (("features.tif", *PARCELS, "-o", "m.gpkg"), "-o makes a GeoTIFF"),
        (("features.tif", *PARCELS, "-o", "m.tif", "--per-polygon"), "-o makes a GeoPackage"),
        (("features.tif", *PARCELS, "-o", "m.tif", "--save", "c.pkl"), "end it in .skops"),
        (("features.tif", "-m", "c.skops", "-o", "m.tif"), "c.skops does not exist"),
        (("features.tif", "a.tif", "b.gpkg", "-o", "m.tif"), "a raster and labels, or rasters and -m"),
        (("features.tif", "-m", "c", "-o", "m.tif", "--seed", 1), "--seed has no use with -m"),
        (
            ("features.tif", *PARCELS, "-o", "m.gpkg", "--per-polygon", "--block", 9),
            "--block has no use with --per-polygon",
        ),
        (("features.tif", *PARCELS, "-o", "features.tif", "--overwrite"), "also an input"),
        (("features.tif", *PARCELS, "-o", "parcels.gpkg", "--per-polygon"), "also an input"),
        (("features.tif", "parcels.gpkg", "-o", "m.tif"), "say with --class-field"),
        (("features.tif", "none.gpkg", "-o", "m.tif"), "none.gpkg do not exist"),
        (("none.tif", *PARCELS, "-o", "m.tif"), "none.tif does not exist"),
        (("features.tif", *PARCELS, "-o", "m.tif", "--block", 500), "label more places"),
        (
            ("features.tif", "parcels.gpkg", "-o", "o.gpkg", "--per-polygon", "--class-field", "owner"),
            "Two classes with two polygons each are needed",
        ),
    ],
)  # fmt: skip
def test_what_cannot_work_is_said_in_one_line(refused, features, arguments, said):
    assert features.name == arguments[0] or "none" in arguments[0]
    assert said in refused("classify", *arguments)


def test_a_hostile_classifier_is_refused(refused, features, tmp_path):
    (tmp_path / "c.skops").write_bytes(b"PK not a zip")
    assert "no classifier that" in refused("classify", features, "-m", "c.skops", "-o", "m.tif")


@pytest.mark.usefixtures("fewer_trees")
def test_several_files_of_one_scene(geodl, parcels, tmp_path):
    array = values(kinds())
    whole = write_features(tmp_path / "whole.tif", array, bands=("B02", "B03", "B04"))
    learn = ("classify", whole, parcels, "--class-field", "kind", "--method", "rf")
    assert geodl(*learn, "-o", "a.tif", "--save", "c.skops").code == 0
    files = [
        write_features(tmp_path / f"{name}.tif", array[[i]], bands=(None,))
        for i, name in enumerate(("B02", "B03", "B04"))
    ]
    ended = geodl("classify", *files[::-1], "-m", "c.skops", "-o", "b.tif")
    assert ended.code == 0, ended.err
    np.testing.assert_array_equal(read_band("a.tif"), read_band("b.tif"))
    said = geodl("classify", *files, "-m", "c.skops", "-o", files[1], "--overwrite")
    assert "also an input" in said.err
