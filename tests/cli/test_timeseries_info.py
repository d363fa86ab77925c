"""``geodl timeseries info``: dates, gaps, bands and clear pixels of stacks."""

import json

import numpy as np
import pytest

from georaster_dl.testing import write_raster
from tests.series import day_sums, series_card, write_series_model

__all__ = ["day_sums"]


@pytest.fixture
def folder(tmp_path):
    """Three dates of two bands and SCL: clear, half cloudy, and cloudy."""
    (tmp_path / "scenes").mkdir()
    for day, cloudy in (("20230514", 0), ("20230520", 10), ("20230630", 20)):
        array = np.full((3, 20, 30), 2000, "uint16")
        array[2] = 4
        array[2, :cloudy] = 9
        path = tmp_path / "scenes" / f"s_{day}.tif"
        write_raster(path, array, bands=("B04", "B08", "SCL"), scale=1e-4)
    return tmp_path / "scenes"


def test_facts_of_a_stack(geodl, folder):
    done = geodl("timeseries", "info", folder, "--mask", "SCL", "--json")
    facts = json.loads(done.out)
    assert (facts["rows"], facts["cols"], facts["crs"]) == (20, 30, "EPSG:32631")
    (sensor,) = facts["sensors"]
    assert [band["name"] for band in sensor["bands"]] == ["B04", "B08"]
    assert sensor["dates"] == [
        {"date": "2023-05-14", "clear": 1},
        {"date": "2023-05-20", "clear": 0.5},
        {"date": "2023-06-30", "clear": 0},
    ]
    assert sensor["longest_gap"] == {"days": 41, "after": "2023-05-20"}
    assert facts["clear_dates"] == [1, 2]
    assert facts["mask"] == "SCL"


def test_the_same_as_text(geodl, folder):
    done = geodl("timeseries", "info", folder, "--mask", "SCL", "--until", "2023-06-01")
    lines = done.out.splitlines()
    assert lines[1] == "20 x 30 pixels, EPSG:32631, 10 m"
    assert lines[2] == "images: 2 dates from 2023-05-14 to 2023-05-20, 2 bands (B04, B08)"
    assert "  2023-05-20  50 % clear" in lines
    assert lines[-1] == "a pixel has 1 to 2 clear dates"


def test_several_sensors(geodl, folder):
    done = geodl(
        "timeseries", "info", "--sensor", f"a={folder}", "--sensor", f"b={folder}/*0514.tif"
    )
    assert "a: 3 dates" in done.out
    assert "b: 1 date " in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Give one stack"),
        (["scenes", "--sensor", "a=scenes"], "Give one stack"),
        (["--sensor", "scenes"], "is no sensor"),
        (["scenes", "--since", "2024-01-01"], "no image of images between 2024-01-01"),
        (["scenes", "--date-pattern", "s_(..)"], "--date-pattern"),
    ],
)
def test_what_cannot_be_opened_is_told(geodl, folder, arguments, said):
    done = geodl("timeseries", "info", *arguments)
    assert done.code == 1
    assert said in done.err


def test_a_single_date_has_no_gap(geodl, folder):
    done = geodl("timeseries", "info", folder / "s_20230514.tif")
    assert done.code == 0
    assert "longest gap" not in done.out


@pytest.fixture
def model(tmp_path, day_sums):
    """Model of two bands, trained on the first half of years masked by SCL."""
    card = series_card(series={"days": (100, 200), "dates": (2, 5), "mask": "SCL"})
    return write_series_model(tmp_path / "crops.safetensors", card)


def test_a_model_that_fits(geodl, folder, model):
    done = geodl("timeseries", "info", folder, "--mask", "SCL", "-m", model)
    assert done.code == 0
    assert done.out.splitlines()[-1] == "crops fits, reading images: B04, B08"


def test_what_differs_from_the_training_is_told(geodl, folder, model):
    arguments = ("timeseries", "info", f"{folder}/*0514.tif", "--json", "-m", model)
    facts = json.loads(geodl(*arguments).out)["model"]
    assert facts["sensors"] == {"images": ["B04", "B08"]}
    one, few, masked = facts["warnings"]
    assert "has 1 dates, but crops was trained on 2 to 5" in one
    assert few == "no pixel has more than 1 clear date, but in training each had 2 to 5"
    assert masked == "clouds are masked by nothing, but in training by SCL"


def test_a_model_that_does_not_fit_is_told_after_the_facts(geodl, folder, model):
    done = geodl("timeseries", "info", folder, "--bands", "B04", "-m", model)
    assert done.code == 1
    assert "images: 3 dates" in done.out
    assert "misses B08" in done.err
