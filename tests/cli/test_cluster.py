"""``geodl cluster``, from rasters to styled maps of clusters."""

import json

import numpy as np
import pytest
import rasterio

from tests.fields import KINDS, SHAPE, kinds, per_pixel, values, write_features
from tests.maps import read_band

NODATA = 255


@pytest.fixture
def features(tmp_path):
    array = values(kinds(), noise=0.05)
    array[:, :10, :10] = np.nan
    array[1, 50, 50] = np.nan
    return write_features(tmp_path / "features.tif", array)


def agreement(found, truth):
    """Share of the pixels whose cluster's commonest kind is theirs."""
    right = [np.bincount(truth[found == value]).max() for value in np.unique(found)]
    return sum(right) / found.size


@pytest.mark.parametrize("method", ["kmeans", "gmm"])
def test_kinds_of_fields_are_clusters(geodl, features, tmp_path, method):
    ended = geodl("cluster", features, "-k", 3, "--method", method, "--distance", "d.tif")
    assert ended.code == 0, ended.err
    assert "clusters found in 7,579 pixels" in ended.out
    found, truth = read_band(tmp_path / "features_clusters.tif"), per_pixel(kinds())
    valid = np.ones(SHAPE, bool)
    valid[:10, :10] = valid[50, 50] = False
    assert (found[~valid] == NODATA).all()
    assert set(np.unique(found[valid])) == {1, 2, 3}
    assert agreement(found[valid], truth[valid]) > 0.99
    sizes = [(found == value).sum() for value in (1, 2, 3)]
    assert sizes == sorted(sizes, reverse=True)
    for number, size in enumerate(sizes, 1):
        assert f"cluster {number} {100 * size / valid.sum():.1f} %" in ended.out
    with rasterio.open("d.tif") as dataset:
        distance = dataset.read(1)
        assert dataset.dtypes == ("float32",)
    np.testing.assert_array_equal(np.isfinite(distance), valid)
    assert (distance[valid] >= 0).all()
    assert (tmp_path / "d.qml").exists()


def test_the_map_says_what_it_is(geodl, features, tmp_path):
    assert geodl("cluster", features, "-k", 3, "-o", "c.tif", "--seed", 5).code == 0
    with rasterio.open("c.tif") as dataset, rasterio.open(features) as scene:
        assert (dataset.crs, dataset.transform) == (scene.crs, scene.transform)
        assert dataset.nodata == NODATA
        tags = dataset.tags()
        assert dataset.colormap(1)[1][:3] == (0, 114, 178)
    assert json.loads(tags["CLASS_NAMES"]) == {str(i): f"cluster {i}" for i in (1, 2, 3)}
    assert tags["GEORASTER_DL_PARAMETERS"] == "method=kmeans k=3 seed=5"
    assert tags["GEORASTER_DL_INPUT_BANDS"] == "feat_01,feat_02,feat_03"
    assert "cluster 3" in (tmp_path / "c.qml").read_text()
    assert "cluster 3" in (tmp_path / "c.tif.aux.xml").read_text()


def test_the_number_of_clusters_is_chosen_and_told(geodl, features, monkeypatch):
    monkeypatch.setattr("georaster_dl.pixels.learn.clustering._JUDGED", 800)
    ended = geodl("cluster", features)
    assert ended.code == 0, ended.err
    assert "silhouette by number of clusters: 2: 0." in ended.out
    assert ended.out.splitlines()[0].endswith(f"took {len(KINDS)}")


def test_progress_as_json(geodl, features):
    ended = geodl("cluster", features, "-k", 4, "--progress", "json")
    assert [event["event"] for event in ended.events] == [
        "start", *["progress"] * (len(ended.events) - 2), "done",
    ]  # fmt: skip
    assert ended.events[-2]["done"] == ended.events[-2]["total"] == 2 * SHAPE[0] * SHAPE[1]
    assert sum(ended.events[-1]["classes"].values()) == 7579
    assert ended.err == ""


def test_the_same_seed_gives_the_same_map(geodl, features, tmp_path):
    for name in ("a.tif", "b.tif"):
        assert geodl("cluster", features, "-k", 5, "--seed", 3, "-o", name, "--quiet").code == 0
    np.testing.assert_array_equal(read_band(tmp_path / "a.tif"), read_band(tmp_path / "b.tif"))


def test_packed_features_give_the_same_clusters(geodl, features, tmp_path):
    """int16 with a scale and offset for each band, as features may be stored."""
    with rasterio.open(features) as dataset:
        array = dataset.read()
    scales, offsets = np.array([0.001, 0.002, 0.0005]), np.array([0.5, 0.0, -1.0])
    packed = (array - offsets[:, None, None]) / scales[:, None, None]
    packed = np.where(np.isfinite(array), packed.round(), -32768).astype(np.int16)
    path = write_features(tmp_path / "packed.tif", packed, nodata=-32768)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = scales, offsets
    for name, source in (("a.tif", features), ("b.tif", path)):
        assert geodl("cluster", source, "-k", 3, "-o", name).code == 0
    assert (read_band(tmp_path / "a.tif") == read_band(tmp_path / "b.tif")).mean() > 0.999


def test_a_dead_band_is_told_and_does_not_matter(geodl, features, tmp_path):
    with rasterio.open(features) as dataset:
        array = dataset.read()
    dead = np.where(np.isfinite(array[:1]), np.float32(7), np.float32(np.nan))
    more = np.concatenate([array, dead])
    path = write_features(tmp_path / "more.tif", more, bands=("a", "b", "c", "dead"))
    ended = geodl("cluster", path, "-k", 3, "-o", "more_c.tif", "--overwrite")
    assert ended.code == 0
    assert "left out, because all pixels have one value there: dead" in ended.err
    assert geodl("cluster", features, "-k", 3, "-o", "c.tif").code == 0
    np.testing.assert_array_equal(read_band(tmp_path / "c.tif"), read_band(tmp_path / "more_c.tif"))


def test_a_raster_without_a_place_on_earth(geodl, tmp_path):
    array = values(kinds(), noise=0.05)
    with rasterio.open(
        tmp_path / "plain.tif", "w", driver="GTiff", count=3, height=SHAPE[0], width=SHAPE[1],
        dtype="float32",
    ) as dataset:  # fmt: skip
        dataset.write(array)
    assert geodl("cluster", "plain.tif", "-k", 3).code == 0
    assert agreement(read_band("plain_clusters.tif"), per_pixel(kinds())) > 0.99


def test_bands_that_the_file_calls_bad_are_not_read(geodl, features, tmp_path):
    with rasterio.open(features, "r+") as dataset:
        dataset.update_tags(2, bbl="0")
    assert geodl("cluster", features, "-k", 3, "-o", "c.tif").code == 0
    with rasterio.open("c.tif") as dataset:
        assert dataset.tags()["GEORASTER_DL_INPUT_BANDS"] == "feat_01,feat_03"


def test_a_picture_to_look_at(geodl, features, tmp_path):
    assert geodl("cluster", features, "-k", 3, "--quicklook", "c.png").code == 0
    assert (tmp_path / "c.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-k", 1), "-k is 1, but a map of clusters has 2 to 254"),
        (("-k", -3), "-k is -3"),
        (("-k", 255), "2 to 254"),
        (("-k", "many"), "-k must be a number of clusters or auto, not 'many'"),
        (("-o", "map.png"), "-o makes a GeoTIFF"),
        (("--distance", "d.png"), "--distance makes a GeoTIFF"),
        (("-k", 3, "-o", "c.tif", "--distance", "c.tif"), "same path"),
        (("-k", 3, "-o", "features.tif", "--overwrite"), "also an input"),
        (("-k", 3, "--bands", "x,y"), "--bands"),
    ],
)
def test_options_that_cannot_work(refused, features, options, said):
    assert said in refused("cluster", features, *options)


def test_rasters_that_cannot_be_clustered(refused, tmp_path):
    flat = write_features(tmp_path / "flat.tif", np.ones((3, 20, 20), np.float32))
    assert "Every valid pixel has the same values" in refused("cluster", flat, "-k", 2)
    assert "Every valid pixel has the same values" in refused("cluster", flat)
    empty = write_features(tmp_path / "empty.tif", np.full((3, 20, 20), np.nan, np.float32))
    assert "has no valid pixel" in refused("cluster", empty, "-k", 2)
    few = np.ones((3, 20, 20), np.float32)
    few[:, 3:] = np.nan
    few[0, 0, :5] = range(5)
    few = write_features(tmp_path / "few.tif", few)
    assert "only 5 different valid pixels" in refused("cluster", few, "-k", 9)
    assert "does not exist" in refused("cluster", "none.tif", "-k", 3)
