"""Classes of points: from a forest and from a map, written into a copy of the file."""

import laspy
import numpy as np
import pytest
import rasterio
from geodl_cli.main import geodl

from georaster_dl.core.errors import ModelPackageError, OptionError
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.lidar.classify import squares
from georaster_dl.lidar.classify.codes import codes_of
from georaster_dl.lidar.classify.copy import check_codes
from georaster_dl.lidar.classify.run import (
    ClassifyOptions,
    classify_points_of_tile,
    with_heights,
)
from georaster_dl.lidar.classify.train import train_points
from georaster_dl.lidar.options import RasterOptions
from georaster_dl.lidar.raster.run import lidar_raster
from georaster_dl.models.package.file import save_model
from georaster_dl.models.package.values import InputBand
from georaster_dl.predict.options import Outputs, SegmentOptions
from georaster_dl.predict.segment import segment
from georaster_dl.testing import random_network, small_card
from tests.lidar.clouds import subset, village, write_cloud

CLASSES = {"ground": [2], "building": [6], "tree": [5]}


@pytest.fixture(scope="module")
def forest(tmp_path_factory):
    """A forest of points and its result."""
    folder = tmp_path_factory.mktemp("forest")
    clouds = [
        village(seed, side=100.0, origin=(650_000.0 + 100 * seed, 6_860_000.0)) for seed in range(2)
    ]
    paths = [write_cloud(folder / f"{n}.las", **cloud) for n, cloud in enumerate(clouds)]
    made = train_points(paths, folder / "points.skops", classes=CLASSES, seed=4)
    return folder / "points.skops", made


def test_a_forest_learns_what_heights_and_returns_tell(forest):
    _, made = forest
    assert made.mean_iou > 0.9
    assert set(made.iou) == set(CLASSES)
    assert made.training > made.test > 500


def test_classes_of_too_few_points_are_not_learnt_and_that_is_said(tmp_path):
    clouds = [village(seed, origin=(650_000.0 + 100 * seed, 6_860_000.0)) for seed in range(2)]
    clouds[0]["classes"][:30] = 9
    paths, said = (
        [write_cloud(tmp_path / f"{n}.las", **cloud) for n, cloud in enumerate(clouds)],
        [],
    )
    made = train_points(paths, tmp_path / "points.skops", seed=4, report=said.append)
    assert set(made.classes) == {"ground", "building", "high vegetation"}
    assert any("water is not learnt" in getattr(event, "message", "") for event in said)


def everything_but_classes(path):
    las = laspy.read(path)
    record = las.points.array.copy()
    if "raw_classification" in record.dtype.names:
        record["raw_classification"] &= 0b11100000
    else:
        record["classification"] = 0
    return record


@pytest.mark.parametrize(("kind", "ending"), [(1, "las"), (1, "laz"), (7, "laz")])
def test_only_the_classes_of_the_copy_differ(tmp_path, forest, kind, ending):
    cloud = village(9)
    path = write_cloud(
        tmp_path / f"in.{ending}",
        **{**cloud, "classes": 0},
        point_format=kind,
        user_data=7,
        gps_time=3.5,
    )
    las = laspy.read(path)
    las.add_extra_dim(laspy.ExtraBytesParams("amplitude", np.float32))
    las.amplitude = np.arange(len(las.X))
    las.vlrs.append(laspy.VLR("geodl", 7, "test", b"kept"))
    if kind >= 6:
        las.evlrs = laspy.vlrs.vlrlist.VLRList([laspy.VLR("geodl", 8, "test", b"kept, too")])
    noise = np.arange(len(las.X)) % 100 == 0
    las.classification[noise] = 7
    las.write(path)

    output = tmp_path / f"out.{ending}"
    made = classify_points_of_tile(path, forest[0], output)
    np.testing.assert_array_equal(everything_but_classes(path), everything_but_classes(output))
    before, after = laspy.read(path), laspy.read(output)
    assert after.header.point_count == before.header.point_count
    np.testing.assert_array_equal(after.header.mins, before.header.mins)
    np.testing.assert_array_equal(after.header.maxs, before.header.maxs)
    assert after.header.parse_crs() == before.header.parse_crs()
    assert [v.record_data for v in after.vlrs if v.user_id == "geodl"] == [b"kept"]
    if kind >= 6:
        assert [v.record_data for v in after.evlrs] == [b"kept, too"]
    found = np.asarray(after.classification)
    assert (found[noise] == 7).all()
    assert made.kept == noise.sum()
    assert np.mean(found[~noise] == cloud["classes"][~noise]) > 0.95


def test_classes_do_not_depend_on_the_squares_that_points_are_sorted_into(
    tmp_path, forest, monkeypatch
):
    path = write_cloud(tmp_path / "in.las", **village(11))
    whole, parts = tmp_path / "whole.las", tmp_path / "parts.las"
    classify_points_of_tile(path, forest[0], whole)
    monkeypatch.setattr(squares.Squares.__init__, "__defaults__", (1.0, 0, 500))
    classify_points_of_tile(path, forest[0], parts)
    np.testing.assert_array_equal(
        laspy.read(whole).classification, laspy.read(parts).classification
    )


def test_codes_that_an_old_format_cannot_hold_are_refused(tmp_path):
    cloud = subset(village(3), slice(100))
    check_codes(write_cloud(tmp_path / "new.las", **cloud, point_format=6), {2, 67})
    old = write_cloud(tmp_path / "old.las", **cloud, point_format=1)
    check_codes(old, {2, 31})
    with pytest.raises(
        OptionError, match="format 1, whose classes end at 31, but the model gives 67"
    ):
        check_codes(old, {2, 67})


def test_a_classifier_of_pixels_is_no_forest_of_points(tmp_path):
    other = tmp_path / "other.skops"
    other.write_bytes(b"nothing")
    path = write_cloud(tmp_path / "in.las", **subset(village(), slice(100)))
    with pytest.raises(ModelPackageError):
        classify_points_of_tile(path, other, tmp_path / "out.las")


def test_heights_correct_the_classes_of_cells():
    codes = np.array([6, 6, 5, 5, 2, 2, 9, 1], np.int16)
    height = np.array([0.4, 3.0, 0.1, 4.0, 0.2, 5.0, 0.1, 0.0])
    np.testing.assert_array_equal(with_heights(codes, height), [2, 6, 2, 5, 2, 1, 9, 1])


def test_codes_follow_from_names_or_are_given():
    legend = Legend(
        tuple(
            MapClass(n, name, (n, 0, 0))
            for n, name in enumerate(["bare soil", "Low vegetation", "kiosk"])
        )
    )
    assert codes_of(legend, {"kiosk": 6}) == {0: 2, 1: 3, 2: 6}
    with pytest.raises(OptionError, match="No code of points is known for kiosk"):
        codes_of(legend, {})
    with pytest.raises(OptionError, match="names 'shop'"):
        codes_of(legend, {"kiosk": 6, "shop": 6})


def test_the_command_trains_a_forest_where_the_output_is_one(tmp_path, forest):
    path = write_cloud(tmp_path / "in.las", **village(5))
    output = tmp_path / "forest.skops"
    with pytest.raises(OptionError, match="has no `epochs="):
        geodl.main(
            ["train", "--task", "lidar", str(path), "-o", str(output), "--epochs", "3"],
            standalone_mode=False,
        )
    copy = tmp_path / "out.las"
    geodl.main(
        ["lidar", "classify", str(path), "-m", str(forest[0]), "-o", str(copy), "--quiet"],
        standalone_mode=False,
    )
    assert set(np.unique(laspy.read(copy).classification)) == {2, 5, 6}


@pytest.mark.slow
def test_points_get_the_class_of_their_cell_corrected_by_their_height(tmp_path):
    names = ["bare soil", "roof", "kiosk"]
    legend = [MapClass(n, name, (n, 0, 0)) for n, name in enumerate(names, 1)]
    moments = {"ndsm": (2, 3), "intensity": (600, 200), "multi_share": (0.2, 0.3)}
    card = small_card(bands=tuple(moments), n_classes=3, classes=legend, resolution_m=(1, 1))
    inputs = [InputBand.of(band, *moments[band.name]) for band in card.bands]
    model = tmp_path / "model.safetensors"
    save_model(model, card.model_copy(update={"bands": tuple(inputs)}), random_network(3, 3))
    cloud = village(13)
    path, output = write_cloud(tmp_path / "in.laz", **cloud), tmp_path / "out.laz"
    classify_points_of_tile(path, model, output, ClassifyOptions({"kiosk": 4}, device="cpu"))

    bands, mapped = tmp_path / "bands.tif", tmp_path / "map.tif"
    lidar_raster([path], bands, RasterOptions(cell=1.0, ground="filter"))
    segment(bands, model, Outputs(mapped), SegmentOptions(device="cpu"))
    at = list(zip(cloud["x"], cloud["y"], strict=True))
    with rasterio.open(mapped) as dataset:
        values = np.array(list(dataset.sample(at)))[:, 0]
    with rasterio.open(bands) as dataset:
        terrain = np.array(list(dataset.sample(at, 2)))[:, 0]
    codes = np.array([1, 2, 6, 4])[np.where(values > 3, 0, values)]
    height = cloud["z"] - terrain
    expected = np.where((codes > 2) & (height <= 0.5), 2, codes)
    expected[(codes == 2) & (height > 0.5)] = 1
    between = (cloud["x"] % 1 > 0.005) & (cloud["y"] % 1 > 0.005) & (abs(height - 0.5) > 1e-3)
    found = np.asarray(laspy.read(output).classification)
    assert set(np.unique(found)) == {1, 2, 4, 6}
    np.testing.assert_array_equal(found[between], expected[between])
