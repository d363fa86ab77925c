"""``geodl timeseries train``: packages from tables and stacks, curves, and what is printed."""

import numpy as np
import pandas as pd
import pytest

from georaster_dl.models.package.file import read_card
from georaster_dl.testing import write_raster
from tests.timeseries.made import crops
from tests.timeseries.parcels.conftest import DATES, SHAPE, cells, write_parcels

QUICK = ("--architecture", "ltae", "--epochs", "3")


@pytest.fixture
def table(tmp_path):
    samples = crops(60, clouds=0.1)
    (sensor,) = samples.sensors
    rows = pd.DataFrame(
        {
            "id": [i for i in range(60) for _ in range(12)],
            "date": sensor.dates.ravel().astype(str),
            "B04": sensor.values[..., 0].ravel(),
            "B08": sensor.values[..., 1].ravel(),
        }
    )
    known = samples.groups.assign(
        id=range(60), crop=[samples.legend.names[i] for i in samples.labels]
    )
    path = tmp_path / "crops.csv"
    rows.merge(known, on="id").to_csv(path, index=False)
    return path


def test_a_table_becomes_a_package_and_a_curve(geodl, table, tmp_path):
    ended = geodl(
        "timeseries", "train", table, "--class-column", "crop", "--leave-out", "region=east", *QUICK,
        "--accuracy-by-date", "curve.csv", "--season-start", "01-01", "-o", "crops.safetensors",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert (
        lines[0]
        == "26 learnt from, 4 chose the epoch, 30 tested (region east tests, all others teach)"
    )
    assert lines[1].startswith("region east          network        OA ")
    assert lines[2].startswith("region east          random forest  OA ")
    assert lines[-3].startswith("The ")
    assert lines[-2:] == ["crops.safetensors", "curve.csv"]
    card = read_card(tmp_path / "crops.safetensors")
    assert [band.name for band in card.bands] == ["B04", "B08"]
    assert [entry.name for entry in card.classes] == ["barley", "beet", "maize"]
    assert "do not use it on a season that is not over (see --early)" in ended.err
    assert list(pd.read_csv(tmp_path / "curve.csv"))[:2] == ["day", "date"]


@pytest.mark.slow
def test_the_figures_of_each_fold_are_in_the_events(geodl, table):
    ended = geodl(
        "timeseries", "train", table, "--class-column", "crop", "--folds", 2, *QUICK, "-o", "c.safetensors",
        "--progress", "json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    last = ended.events[-1]
    assert [fold["test"] for fold in last["folds"]] == ["fold 1", "fold 2"]
    assert {"accuracy", "macro_f1", "n"} <= set(last["folds"][0]["forest"])
    assert last["metrics"]["OA, test"] == pytest.approx(
        sum(fold["network"]["accuracy"] for fold in last["folds"]) / 2, abs=1e-5
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--sensor-bands", "S1"), "--sensor-bands S1 is no sensor"),
        (("--leave-out", "region=north"), "no value 'north'"),
        (("--accuracy-by-date", "curve.pdf"), "curve.pdf"),
        (("--folds", "1"), "--folds 1 must be 2 or more"),
        (("--until", "soon"), "--until soon is neither a date"),
        (("--labels", "crops.csv"), "--id-column"),
    ],
)
def test_options_that_cannot_work_are_refused(refused, table, options, message):
    assert message in refused(
        "timeseries",
        "train",
        table,
        "--class-column",
        "crop",
        *QUICK,
        "-o",
        "c.safetensors",
        *options,
    )


def test_a_package_is_not_made_of_a_table_without_labels(refused, table):
    said = refused("timeseries", "train", table, *QUICK, "-o", "c.safetensors")
    assert "name their column with --class-column or --target" in said


@pytest.fixture
def scenes(tmp_path):
    """Five dates of 48 x 60 pixels, and 42 fields of 8 x 8 pixels, of a crop that grows and of one that never does."""
    random = np.random.default_rng(0)
    folder = tmp_path / "scenes"
    folder.mkdir()
    for number, date in enumerate(DATES):
        array = random.normal(0.2, 0.02, (2, *SHAPE)).astype(np.float32)
        array[1, 24:] += 0.1 * number
        array[:, random.random(SHAPE) < 0.2] = np.nan
        write_raster(folder / f"s_{date}.tif", array, bands=("B04", "B08"), nodata=np.nan)
    places = [(row, col) for row in range(0, 48, 8) for col in range(0, 56, 8)]
    shapes = [cells((row, row + 8), (col, col + 8)) for row, col in places]
    crops = ["late" if row >= 24 else "never" for row, _ in places]
    write_parcels(tmp_path / "fields.gpkg", shapes, crop=crops)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--architecture", "pse-ltae"), "28 learnt from, 5 chose the epoch, 9 tested"),
        (
            ("--architecture", "ltae", "--sample-unit", "parcel"),
            "28 learnt from, 5 chose the epoch, 9 tested",
        ),
        (("--architecture", "ltae", "--per-class", 50, "--group", "parcel"), " tested (one fifth"),
    ],
)
def test_a_stack_with_labelled_fields_teaches_parcels_and_pixels(geodl, scenes, options, line):
    ended = geodl(
        "timeseries", "train", scenes, "--labels", "fields.gpkg", "--class-field", "crop", "--epochs", 2,
        *options, "-o", "fields.safetensors",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert line in ended.out.splitlines()[0]
    card = read_card(scenes.parent / "fields.safetensors")
    assert card.series.unit == ("pixel" if "--per-class" in options else "parcel")
    assert card.resolution_m == (10, 10)
    assert [entry.name for entry in card.classes] == ["late", "never"]


def test_a_stack_needs_labels(refused, scenes):
    said = refused("timeseries", "train", scenes, *QUICK, "-o", "c.safetensors")
    assert "needs labels; name a vector file or raster with --labels" in said
