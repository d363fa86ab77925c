"""Stacks of dated scenes from Python."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
import rasterio

import georaster_dl as gdl
from georaster_dl.models.package.file import save_model
from georaster_dl.models.registry import create_model
from georaster_dl.testing import write_scene
from tests.series import series_card

DAYS = ("2020-01-11", "2020-02-20", "2020-03-01")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "scenes").mkdir()
    random = np.random.default_rng(0)
    for day in DAYS:
        array = random.integers(3000, 7000, (2, 40, 30)).astype("uint16")
        array[:, 5:7] *= day != DAYS[0]
        write_scene(tmp_path / "scenes" / f"S2_{day}.tif", array, bands=("B04", "B08"))
    return tmp_path / "scenes"


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "crops.safetensors"
    network = create_model("gru", in_bands=2, n_classes=2, sensors=(2,))
    save_model(path, series_card(architecture={"name": "gru"}), network)
    return path


def test_a_stack_is_opened_with_its_options(folder):
    stack = gdl.open_stack(folder, since="2020-02-01", until=dt.date(2020, 2, 28))
    (sensor,) = stack.sensors
    assert [band.name for band in sensor.bands] == ["B04", "B08"]
    assert sensor.dates == (dt.date(2020, 2, 20),)
    with pytest.raises(gdl.OptionError, match="no date; give year, month and day"):
        gdl.open_stack(folder, since="spring")


def test_a_stack_is_mapped_like_a_scene(folder, model, tmp_path):
    stack = gdl.open_stack(folder)
    gdl.segment(stack, model, out=tmp_path / "map.tif")
    raster = gdl.load_model(model).predict(stack)
    with rasterio.open(tmp_path / "map.tif") as dataset:
        assert (dataset.read() == raster.array).all()
    assert raster.array.shape == (1, 40, 30)
    probabilities = gdl.load_model(model).predict(stack, "probabilities")
    np.testing.assert_allclose(probabilities.array.sum(axis=0), 1, atol=1e-5)


def test_options_of_reading_belong_to_the_stack(folder, model, tmp_path):
    stack = gdl.open_stack(folder)
    with pytest.raises(gdl.OptionError, match=r"read as `open_stack\(\)`"):
        gdl.segment(stack, model, out=tmp_path / "map.tif", nodata=5)


def test_a_map_of_a_stack_keeps_a_record(folder, model, tmp_path):
    made = gdl.segment(
        gdl.open_stack(folder), model, out=tmp_path / "a.tif", record=tmp_path / "a.json"
    )
    assert (tmp_path / "a.json").exists()
    assert made.pixels == 1200


def table(tmp_path):
    random = np.random.default_rng(0)
    late = random.integers(0, 2, 60)
    days = [f"2020-{month:02d}-10" for month in range(1, 7)]
    series = random.normal(0.2, 0.02, (60, 6))
    series[np.arange(60), 1 + 3 * late] += 0.4
    frame = pd.DataFrame(series, columns=[f"NDVI_{day}" for day in days])
    frame.assign(crop=np.where(late, "late", "early")).to_csv(tmp_path / "points.csv", index=False)
    return tmp_path / "points.csv"


def test_a_network_is_trained_on_a_table_and_classifies_it(tmp_path):
    points, model = table(tmp_path), tmp_path / "m.safetensors"
    with pytest.warns(gdl.GeoRasterWarning):
        trained = gdl.train_series(
            points, out=model, class_column="crop", architecture="ltae", epochs=2, folds=2
        )
    assert len(trained.folds) == 2
    with pytest.warns(gdl.GeoRasterWarning, match="split by chance"):
        done = gdl.classify_points(points, model, out=tmp_path / "found.csv")
    assert done.samples == 60
    assert sum(done.counts.values()) == 60
    with pytest.raises(gdl.OptionError, match="no keyword 'epoch' here .did you mean 'epochs'"):
        gdl.train_series(points, out=model, epoch=2)
    (tmp_path / "scenes").mkdir()
    write_scene(
        tmp_path / "scenes" / "S2_2020-01-11.tif",
        np.full((2, 8, 8), 5000, "uint16"),
        bands=("B04", "B08"),
    )
    with pytest.raises(gdl.OptionError, match="needs labels"):
        gdl.train_series(tmp_path / "scenes", out=model)


def test_one_index_by_its_name(folder):
    (sensor,) = gdl.open_stack(folder, indices="NDVI").sensors
    assert [band.name for band in sensor.bands] == ["B04", "B08", "NDVI"]


@pytest.mark.parametrize("source", [3, None, np.zeros((3, 2, 4, 4)), [1, 2]])
def test_what_is_no_stack_is_refused_by_its_type(source):
    with pytest.raises(
        gdl.SceneError, match=r"A \w+\.\w+ is no stack of dated scenes; give a folder"
    ):
        gdl.open_stack(source)


def test_files_are_given_by_their_paths(folder, model, tmp_path):
    frame = pd.DataFrame({"id": [1]})
    with pytest.raises(
        gdl.OptionError, match=r"`parcels=` takes the path of a file, but got a pandas"
    ):
        gdl.classify_parcels(folder, frame, model, out=tmp_path / "o.gpkg")
    for wrong in (frame, None, [frame]):
        with pytest.raises(gdl.OptionError, match="`tables=` takes the path"):
            gdl.classify_points(wrong, model, out=tmp_path / "o.csv")
    with pytest.raises(
        gdl.OptionError, match="`out=` takes the path of a file, but got a builtins.NoneType"
    ):
        gdl.classify_points("points.csv", model, out=None)
