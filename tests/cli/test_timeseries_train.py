"""``geodl timeseries train``: a package and a curve from a table, and what is printed."""

import pandas as pd
import pytest

from georaster_dl.models.package.file import read_card
from tests.timeseries.made import crops

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
