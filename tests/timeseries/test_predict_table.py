"""Tables classified by a model: what is said of their values, columns and the model."""

import pandas as pd
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Warned
from georaster_dl.models.package.file import save_model
from georaster_dl.models.registry import create_model
from georaster_dl.timeseries.predict import predict_series, predict_table
from tests.series import series_card
from tests.timeseries.made import crops


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "crops.safetensors"
    network = create_model("gru", in_bands=2, n_classes=2, sensors=(2,))
    figures = {"IoU crop 1, test": 0.1, "IoU crop 2, test": 0.1}
    fields = {"limitations": "Only of flat land.", "metrics": figures, "mean": 0.3}
    save_model(path, series_card(architecture={"name": "gru"}, **fields), network)
    return path


def classified(tmp_path, model, factor=1.0, **columns):
    days = ("2020-01-11", "2020-02-20", "2020-03-01")
    values = {
        f"{band}_{day}": [factor * (0.2 + 0.03 * i + 0.01 * row) for row in range(8)]
        for i, day in enumerate(days)
        for band in ("B04", "B08")
    }
    pd.DataFrame(columns | values).to_csv(tmp_path / "points.csv", index=False)
    said = []
    predict_table([tmp_path / "points.csv"], model, tmp_path / "o.csv", report=said.append)
    return [event.message for event in said if isinstance(event, Warned)]


def test_values_of_another_size_than_in_training_are_warned_of(tmp_path, model):
    (told,) = [m for m in classified(tmp_path, model, 1e4) if "values around" in m]
    assert "points has values around" in told
    assert "trained on values around 0.3" in told


def test_limitations_of_the_model_are_repeated(tmp_path, model):
    first, second = classified(tmp_path, model)
    assert first == "crops: Only of flat land."
    assert "did badly in its own test" in second


def test_columns_are_not_replaced_in_any_case(tmp_path, model):
    with pytest.raises(OptionError, match=r"columns already .*\(Class_Predicted\)"):
        classified(tmp_path, model, Class_Predicted=list("abcdefgh"))


def test_samples_from_python_are_judged_alike(model):
    said = []
    predict_series(model, crops(60), report=said.append)
    assert [e.message for e in said if "values around" in e.message] == []
    samples = crops(60)
    object.__setattr__(samples.sensors[0], "values", samples.sensors[0].values * 1e4)
    predict_series(model, samples, report=said.append)
    assert [e.message for e in said if "values around" in e.message]


def test_dates_outside_the_season_of_the_training_are_warned_of(tmp_path):
    path = tmp_path / "june.safetensors"
    card = series_card(architecture={"name": "gru"}, mean=0.3, series={"days": (0, 20)})
    save_model(path, card, create_model("gru", in_bands=2, n_classes=2, sensors=(2,)))
    (told,) = [m for m in classified(tmp_path, path) if "outside the season" in m]
    assert told.startswith("8 samples of 8 have dates outside the season")
