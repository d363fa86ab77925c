"""``geodl timeseries classify``: maps of stacks."""

import json

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from click.testing import CliRunner
from geodl_cli.main import geodl

from georaster_dl.core.errors import OptionError
from georaster_dl.models.package.file import save_model
from georaster_dl.models.registry import create_model
from georaster_dl.testing import write_scene
from tests.series import series_card

DAYS = ("2020-01-11", "2020-02-20", "2020-03-01")


@pytest.fixture
def stack(tmp_path):
    folder = tmp_path / "scenes"
    folder.mkdir()
    random = np.random.default_rng(0)
    for day in DAYS:
        array = random.integers(3000, 7000, (2, 70, 60)).astype("uint16")
        array[:, 20:30] *= day != DAYS[1]
        array[:, 50:52, 5:7] = 0
        write_scene(folder / f"S2_{day}.tif", array, bands=("B04", "B08"))
    return folder


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "crops.safetensors"
    network = create_model("ltae", in_bands=2, n_classes=3, sensors=(2,))
    save_model(path, series_card(n_classes=3, architecture={"name": "ltae"}), network)
    return path


def run(*arguments):
    return CliRunner().invoke(geodl, ["timeseries", *map(str, arguments)], catch_exceptions=False)


def test_a_stack_is_mapped_with_all_outputs(stack, model, tmp_path):
    out = tmp_path / "map.tif"
    picture = tmp_path / "map.png"
    extras = ["--confidence", "--probabilities", "--quicklook", picture]
    made = run("classify", stack, "-m", model, "-o", out, *extras, "--progress", "json")
    assert made.exit_code == 0, made.output
    with rasterio.open(out) as dataset:
        classes = dataset.read(1)
    assert (classes[50:52, 5:7] == 255).all()
    assert (classes != 255).sum() == 70 * 60 - 4
    assert picture.stat().st_size > 1000
    finished = json.loads(made.output.splitlines()[-1])
    assert sum(finished["classes"].values()) == 70 * 60 - 4


def test_dates_and_masks_are_chosen(stack, model, tmp_path):
    for name, options in {
        "a": [],
        "b": ["--until", "2020-02-20"],
        "c": ["--mask", "B04>0.5"],
    }.items():
        out = tmp_path / f"{name}.tif"
        run("classify", stack, "-m", model, "-o", out, "--probabilities", "float32", *options)
    a, b, c = (rasterio.open(tmp_path / f"{name}_probabilities.tif").read(1) for name in "abc")
    same = (a == b) | np.isnan(a)
    assert same.mean() < 0.1
    assert np.isnan(a).sum() == 4
    assert np.isnan(c).sum() > 100


@pytest.mark.slow
def test_workers_make_the_same_map(stack, model, tmp_path):
    run("classify", stack, "-m", model, "-o", tmp_path / "one.tif")
    made = run("classify", stack, "-m", model, "-o", tmp_path / "two.tif", "--scheduler", "local:2")
    assert made.exit_code == 0, made.output
    one, two = (rasterio.open(tmp_path / f"{name}.tif").read() for name in ("one", "two"))
    assert (one == two).all()


@pytest.fixture
def parcels(tmp_path, stack):
    with rasterio.open(next(stack.glob("*.tif"))) as scene:
        corners = [scene.xy(row, col, offset="ul") for row, col in ((5, 5), (25, 25), (45, 45))]
        size = 10 * scene.res[0]
        crs = scene.crs
    boxes = [shapely.box(x, y - size, x + size, y) for x, y in corners]
    frame = geopandas.GeoDataFrame({"field": [7, 8, 9]}, geometry=boxes, crs=crs)
    frame.to_file(tmp_path / "fields.gpkg")
    return tmp_path / "fields.gpkg"


def test_parcels_are_classified_as_wholes(stack, model, parcels, tmp_path):
    out = tmp_path / "crops.gpkg"
    made = run(
        "classify", stack, "--parcels", parcels, "-m", model, "-o", out, "--progress", "json"
    )
    assert made.exit_code == 0, made.output
    found = geopandas.read_file(out, layer="crops")
    assert list(found["field"]) == [7, 8, 9]
    assert set(found["class_predicted"]) <= {"crop 1", "crop 2", "crop 3"}
    assert list(found["clear_dates"]) == [3, 3, 3]
    finished = json.loads(made.output.splitlines()[-1])
    assert finished["parcels"] == 3


def test_outputs_of_maps_are_refused_for_parcels(stack, model, parcels, tmp_path):
    with pytest.raises(OptionError, match="leave out the options of maps"):
        run("classify", stack, "--parcels", parcels, "-m", model, "--confidence")


def test_rows_of_a_table_are_classified(model, tmp_path):
    table = tmp_path / "points.csv"
    table.write_text(
        "name,B04_2020-01-11,B08_2020-01-11,B04_2020-03-01,B08_2020-03-01\n"
        "a,0.3,0.4,0.5,0.6\nb,0.3,0.4,,\nc,,,,\n"
    )
    out = tmp_path / "found.csv"
    made = run("classify", table, "-m", model, "-o", out, "--progress", "json")
    assert made.exit_code == 0, made.output
    found = pd.read_csv(out)
    assert list(found["name"]) == ["a", "b", "c"]
    assert list(found["clear_dates"]) == [2, 1, 0]
    assert found["class_predicted"].isna().tolist() == [False, False, True]
    assert json.loads(made.output.splitlines()[-1])["few_dates"] == 3
    with pytest.raises(OptionError, match="is a table, whose rows"):
        run("classify", table, "-m", model, "--confidence")
    with pytest.raises(OptionError, match=r"end it in \.csv"):
        run("classify", table, "-m", model, "-o", tmp_path / "found.parquet")
