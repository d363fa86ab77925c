"""Parcels classified from a stack: as the network sees all their pixels at once."""

import sqlite3
from contextlib import closing
from datetime import date

import geopandas
import numpy as np
import pytest
import torch

from georaster_dl.core.errors import GeoRasterError, OptionError
from georaster_dl.core.events import Warned
from georaster_dl.core.legend import MapClass
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.io.stacks.open import open_stack
from georaster_dl.models.contract import Dated
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import load_model, save_model
from georaster_dl.models.registry import create_model
from georaster_dl.models.zoo.series.shapes import SHAPE_NAMES
from georaster_dl.testing import small_card, write_raster
from georaster_dl.timeseries.parcels import zones
from georaster_dl.timeseries.parcels.classify import ParcelOptions, classify_parcels
from georaster_dl.timeseries.parcels.samples import SampleOptions, samples_of_parcels
from georaster_dl.timeseries.predict import TablePredictionOptions
from tests.timeseries.parcels.conftest import DATES, cells, write_parcels

NAMES = ("wheat", "maize", "grass")
DAYS = torch.tensor([[59.0, 104, 139, 181, 241]])
SHAPES = [cells((2, 12), (3, 23)), cells((20, 41), (10, 14)), cells((44, 48), (50, 60))]


def write_series_model(path, name="pse-ltae", **fields):
    """A network of random weights, with statistics that are not those of a new one."""
    torch.manual_seed(4)
    network = create_model(name, in_bands=2, n_classes=3, sensors=(2,), **fields.pop("options", {}))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_(std=0.2)
            module.running_var.uniform_(0.5, 2)
    if name.startswith("pse"):
        for encoder in network.sets:
            if encoder.shapes is not None:
                encoder.shapes.running_mean = torch.tensor([6.0, 5, 0.7, 0.05])
    card = small_card(
        bands=("B04", "B08"),
        architecture={
            "name": name,
            "options": network.options if hasattr(network, "options") else {},
        },
        classes=[MapClass(i + 1, text, (40 * i, 200, 0)) for i, text in enumerate(NAMES)],
        stride=1,
        halo={"default": 0, "exact": 0},
    )
    series = {
        "sensors": [{"name": "images", "bands": 2}],
        "unit": "parcel",
        "season_start": "01-01",
        "days": (0, 365),
        "dates": (3, 5),
    }
    card = Card(
        **card.model_dump() | {"series": series, "calibration": {"temperature": 1.5}} | fields
    )
    save_model(path, card, network.eval())
    return path


def at_once(model, stack, parcels):
    """Probabilities of parcels by the network itself, given all pixels together."""
    _card, network = load_model(model)
    samples = samples_of_parcels(
        stack, parcels, SampleOptions(LabelOptions(class_field="crop"), pixels=1000)
    )
    values = torch.from_numpy(samples.sensors[0].values)
    valid = torch.from_numpy(samples.sensors[0].valid)
    scaled = ((values - 0.2) / 0.1).where(valid[:, :, None], 0)
    with torch.inference_mode():
        if network.series == "set":
            sensors = [Dated(scaled, DAYS.expand(len(values), -1), valid)]
        else:
            count = valid.sum(2)
            mean = scaled.sum(3) / count.clamp(min=1)[..., None]
            sensors = [Dated(mean, DAYS.expand(len(values), -1), count > 0)]
        geometry = torch.from_numpy(samples.geometry)
        logits = network(sensors, geometry)
        attention = network.attention(sensors, geometry) if hasattr(network, "attention") else None
    return torch.softmax(logits / 1.5, 1).numpy(), attention


@pytest.fixture
def parcels(tmp_path):
    return write_parcels(tmp_path / "p.gpkg", SHAPES, crop=["a", "b", "c"], owner=[7, 8, 9])


def classified(stack, parcels, model, name="out.gpkg", **more):
    out = parcels.with_name(name)
    result = classify_parcels(stack, parcels, model, out, **more)
    return geopandas.read_file(out, layer=out.stem), result


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pse-ltae", "pse-tae", "ltae", "gru"])
def test_all_pixels_by_running_sums_are_all_pixels_at_once(stack, parcels, tmp_path, name):
    model = write_series_model(tmp_path / "m.safetensors", name)
    expected, attention = at_once(model, stack, parcels)
    frame, result = classified(stack, parcels, model)
    found = frame[[f"p_{text}" for text in NAMES]].to_numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert frame["class_predicted"].tolist() == [NAMES[i] for i in expected.argmax(axis=1)]
    np.testing.assert_allclose(frame["confidence"], expected.max(axis=1), atol=1e-5)
    entropy = -(expected * np.log(expected)).sum(axis=1) / np.log(3)
    np.testing.assert_allclose(frame["uncertainty"], entropy, atol=1e-5)
    assert sum(result.counts.values()) == 3
    if attention is not None:
        decisive = np.array(DATES)[attention[0].mean(1).argmax(1).numpy()]
        assert frame["decisive_date"].tolist() == decisive.tolist()
    else:
        assert "decisive_date" not in frame


@pytest.mark.slow
@pytest.mark.parametrize("size", [4 * 10 * 5, 4 * 10 * 60 * 3, 4 * 10 * 700])
def test_windows_change_nothing(stack, parcels, tmp_path, monkeypatch, size):
    model = write_series_model(tmp_path / "m.safetensors")
    whole, _ = classified(stack, parcels, model)
    monkeypatch.setattr(zones, "_WINDOW_BYTES", size)
    monkeypatch.setattr("georaster_dl.timeseries.parcels.network._CHUNK", 7)
    pieces, _ = classified(stack, parcels, model, "again.gpkg")
    for column in ("confidence", "uncertainty", "p_wheat"):
        np.testing.assert_allclose(pieces[column], whole[column], atol=1e-5)
    assert pieces["clear_dates"].tolist() == whole["clear_dates"].tolist()


def test_parcels_leave_the_memory_when_their_last_row_has_passed(stack, tmp_path, monkeypatch):
    from georaster_dl.timeseries.parcels.network import ParcelNetwork

    rows = [cells((row, row + 2), (0, 60)) for row in range(0, 48, 2)]
    parcels = write_parcels(tmp_path / "p.gpkg", rows, crop=["a"] * len(rows))
    model = write_series_model(tmp_path / "m.safetensors")
    monkeypatch.setattr(zones, "_WINDOW_BYTES", 4 * 10 * 60 * 4)
    most, add = [], ParcelNetwork.add

    def watched(self, *given):
        add(self, *given)
        most.append(self.open)

    monkeypatch.setattr(ParcelNetwork, "add", watched)
    frame, _ = classified(stack, parcels, model)
    assert len(frame) == 24
    assert max(most) <= 4


def test_attributes_ids_and_style_are_kept(stack, parcels, tmp_path):
    model = write_series_model(tmp_path / "m.safetensors")
    frame, _ = classified(stack, parcels, model)
    assert frame["crop"].tolist() == ["a", "b", "c"]
    assert frame["owner"].tolist() == [7, 8, 9]
    assert frame.crs.to_epsg() == 32631
    assert frame["n_pixels"].tolist() == [200, 84, 40]
    with closing(sqlite3.connect(parcels.with_name("out.gpkg"))) as base:
        ((style,),) = base.execute("SELECT styleQML FROM layer_styles").fetchall()
    assert 'attr="class_predicted"' in style
    assert all(f'value="{name}"' in style for name in NAMES)


def test_clear_dates_and_too_few_of_them(values, stack, tmp_path):
    values[:3, :, 2:12, 3:23] = np.nan
    values[:, :, 20:41, 10:14] = np.nan
    folder = tmp_path / "cloudy"
    folder.mkdir()
    for day, array in zip(DATES, values, strict=True):
        write_raster(folder / f"s_{day}.tif", array, bands=("B04", "B08"), nodata=np.nan)
    shapes = [*SHAPES, cells((200, 210), (0, 5)), cells((30.1, 30.3), (40.1, 40.2))]
    parcels = write_parcels(tmp_path / "p.gpkg", shapes, crop=list("abcde"))
    model = write_series_model(tmp_path / "m.safetensors")
    said = []
    frame, result = classified(open_stack(folder), parcels, model, report=said.append)
    assert frame["clear_dates"].tolist()[:4] == [2, 0, 5, 0]
    assert frame["few_dates"].tolist()[:4] == [True, True, False, True]
    assert frame["class_predicted"].isna().tolist() == [False, True, False, True, False]
    assert frame["p_wheat"].isna().tolist() == [False, True, False, True, False]
    assert frame["small"].tolist() == [False, False, False, False, True]
    assert frame["n_pixels"].tolist()[3:] == [0, 1]
    assert result.unclassified == 2
    told = [event.message for event in said if isinstance(event, Warned)]
    assert any("2 of 5 parcels lie beside the stack or have no clear date" in one for one in told)
    frame, _ = classified(
        open_stack(folder), parcels, model, "o.gpkg", options=ParcelOptions(minimum_dates=2)
    )
    assert frame["few_dates"].tolist()[:4] == [False, True, False, True]


def test_all_dates_cloudy_everywhere_is_an_error_that_leaves_nothing(stack, values, tmp_path):
    folder = tmp_path / "cloudy"
    folder.mkdir()
    for day in DATES:
        write_raster(folder / f"s_{day}.tif", np.full_like(values[0], np.nan), bands=("B04", "B08"))
    parcels = write_parcels(tmp_path / "p.gpkg", SHAPES, crop=list("abc"))
    model = write_series_model(tmp_path / "m.safetensors")
    there = set(tmp_path.iterdir())
    with pytest.raises(GeoRasterError, match="has a clear date"):
        classified(open_stack(folder), parcels, model)
    assert set(tmp_path.iterdir()) == there


def test_the_season_so_far(stack, parcels, tmp_path):
    model = write_series_model(tmp_path / "m.safetensors")
    frame, _ = classified(stack.between(None, date(2022, 5, 30)), parcels, model)
    assert frame["clear_dates"].tolist() == [3, 3, 3]
    assert (frame["decisive_date"] <= "2022-05-20").all()


def test_a_quantity_has_its_own_column_and_no_style(stack, parcels, tmp_path):
    targets = ({"name": "yield", "unit": "t/ha", "mean": 5.0, "std": 2.0},)
    torch.manual_seed(0)
    network = create_model("ltae", in_bands=2, n_classes=1, sensors=(2,)).eval()
    path = write_series_model(tmp_path / "m.safetensors", "ltae")
    card, _ = load_model(path)
    fields = card.model_dump() | {"classes": (), "task": "regression", "targets": targets}
    save_model(path, Card(**fields), network)
    frame, result = classified(stack, parcels, path)
    assert np.isfinite(frame["yield"]).all()
    assert abs(frame["yield"].mean() - 5) < 6
    assert result.counts == {}
    assert "class_predicted" not in frame


def test_two_sensors_with_dates_of_their_own(stack, values, parcels, tmp_path):
    """The network's features of each are computed by itself, so they must be those of all pixels at once."""
    folder = tmp_path / "radar"
    folder.mkdir()
    radar = np.random.default_rng(1).uniform(-20, -5, (3, 1, *values.shape[2:])).astype(np.float32)
    for day, array in zip(("2022-02-10", "2022-05-01", "2022-06-11"), radar, strict=True):
        write_raster(folder / f"{day}.tif", array, bands=("VV",), nodata=np.nan)
    both = open_stack({"radar": folder, "optical": tmp_path / "stack"})
    torch.manual_seed(1)
    network = create_model("pse-ltae", in_bands=3, n_classes=3, sensors=(1, 2)).eval()
    sensors = [{"name": "radar", "bands": 1}, {"name": "optical", "bands": 2}]
    path = write_series_model(tmp_path / "m.safetensors")
    card, _ = load_model(path)
    bands = [{"name": "VV", "mean": -12, "std": 4}, *card.model_dump()["bands"]]
    series = card.series.model_dump() | {"sensors": sensors}
    save_model(path, Card(**card.model_dump() | {"bands": bands, "series": series}), network)
    samples = samples_of_parcels(
        both, parcels, SampleOptions(LabelOptions(class_field="crop"), pixels=1000)
    )
    days = (torch.tensor([40.0, 120, 161]), DAYS[0])
    given = []
    for sensor, (mean, std), own in zip(samples.sensors, ((-12, 4), (0.2, 0.1)), days, strict=True):
        valid = torch.from_numpy(sensor.valid)
        scaled = ((torch.from_numpy(sensor.values) - mean) / std).where(valid[:, :, None], 0)
        given.append(Dated(scaled, own.expand(3, -1), valid))
    with torch.inference_mode():
        logits = network(given, torch.from_numpy(samples.geometry))
    frame, _ = classified(both, parcels, path)
    expected = torch.softmax(logits / 1.5, 1).numpy()
    np.testing.assert_allclose(frame[[f"p_{text}" for text in NAMES]], expected, atol=1e-5)
    assert (frame["clear_dates"] == 8).all()


def test_shapes_reach_the_network(stack, parcels, tmp_path):
    assert len(SHAPE_NAMES) == 4
    with_shapes = write_series_model(tmp_path / "m.safetensors", "pse-tae")
    one, _ = classified(stack, parcels, with_shapes)
    card, network = load_model(with_shapes)
    network.sets[0].shapes.running_mean += 3
    save_model(tmp_path / "n.safetensors", card, network)
    two, _ = classified(stack, parcels, tmp_path / "n.safetensors", "n.gpkg")
    assert not np.allclose(one["confidence"], two["confidence"], atol=1e-4)


def test_an_input_is_never_replaced(stack, parcels, tmp_path):
    model = write_series_model(tmp_path / "m.safetensors")
    with pytest.raises(GeoRasterError, match="also an input"):
        classify_parcels(stack, parcels, model, parcels, ParcelOptions(overwrite=True))


def warned(stack, parcels, model, name):
    said = []
    classified(stack, parcels, model, name, report=said.append)
    return [event.message for event in said if isinstance(event, Warned)]


def test_values_of_another_size_than_in_training_are_warned_of(stack, values, parcels, tmp_path):
    folder = tmp_path / "numbers"
    folder.mkdir()
    for day, array in zip(DATES, values, strict=True):
        write_raster(folder / f"s_{day}.tif", array * 1e4, bands=("B04", "B08"), nodata=np.nan)
    model = write_series_model(tmp_path / "m.safetensors", "gru")
    told = warned(open_stack(folder), parcels, model, "n.gpkg")
    assert any("trained on values around 0.2" in message for message in told)
    assert not any(
        "values around" in message for message in warned(stack, parcels, model, "o.gpkg")
    )


def test_limitations_of_the_model_are_repeated(stack, parcels, tmp_path):
    fields = {"limitations": "Only of flat land.", "metrics": {f"F1 {n}, test": 0.1 for n in NAMES}}
    model = write_series_model(tmp_path / "m.safetensors", "gru", **fields)
    told = warned(stack, parcels, model, "o.gpkg")
    assert "m: Only of flat land." in told
    assert any("did badly in its own test" in message for message in told)


@pytest.mark.parametrize(
    ("network", "name"),
    [
        ("gru", "Class_Predicted"),
        ("gru", "p_WHEAT"),
        ("gru", "n_pixels"),
        ("ltae", "decisive_date"),
    ],
)
def test_attributes_are_not_replaced(stack, tmp_path, network, name):
    parcels = write_parcels(tmp_path / "p.gpkg", SHAPES, **{name: ["a", "b", "c"]})
    model = write_series_model(tmp_path / "m.safetensors", network)
    with pytest.raises(OptionError, match=rf"columns already .*\({name}\)"):
        classified(stack, parcels, model)
    assert not (tmp_path / "out.gpkg").exists()


def test_the_output_is_a_geopackage(stack, parcels, tmp_path):
    model = write_series_model(tmp_path / "m.safetensors", "gru")
    with pytest.raises(OptionError, match=r"end it in \.gpkg"):
        classify_parcels(stack, parcels, model, tmp_path / "q.shp")


@pytest.mark.parametrize("number", [0, -2, 1.5, "3", True])
def test_minimum_dates_is_a_number_of_dates(number):
    for kind in (ParcelOptions, TablePredictionOptions):
        with pytest.raises(OptionError, match="no number of clear dates"):
            kind(minimum_dates=number)


def test_a_layer_of_several(stack, parcels, tmp_path):
    write_parcels(parcels, SHAPES[:2], layer="small", crop=["x", "y"])
    model = write_series_model(tmp_path / "m.safetensors", "gru")
    frame, _ = classified(stack, parcels, model, options=ParcelOptions(layer="small"))
    assert frame["crop"].tolist() == ["x", "y"]
    with pytest.raises(OptionError, match="layer"):
        classified(stack, parcels, model, "o.gpkg")


def test_points_are_no_parcels(stack, tmp_path):
    points = write_parcels(tmp_path / "p.gpkg", [shape.centroid for shape in SHAPES])
    model = write_series_model(tmp_path / "m.safetensors", "gru")
    with pytest.raises(OptionError, match="must be a polygon"):
        classified(stack, points, model)
