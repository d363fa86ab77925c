"""Maps of stacks of dated scenes."""

import datetime as dt
import json

import numpy as np
import pytest
import rasterio

from georaster_dl.core.errors import BandMismatchError, OptionError
from georaster_dl.core.events import Warned
from georaster_dl.core.scene_options import SceneOptions, StackOptions
from georaster_dl.io.stacks.open import open_stack
from georaster_dl.io.stacks.scene import StackInput, clearest_date, stack_scene
from georaster_dl.models.package.file import save_model
from georaster_dl.models.registry import create_model
from georaster_dl.predict.features import FeatureRun
from georaster_dl.predict.options import FeatureOptions, FeatureOutputs, Outputs, SegmentOptions
from georaster_dl.predict.run_record import is_recorded
from georaster_dl.predict.segment import SegmentRun
from georaster_dl.testing import write_model, write_scene
from tests.series import day_sums, series_card, write_series_model

__all__ = ["day_sums"]

SHAPE = (90, 70)
DAYS = {"2020-01-11": 10, "2020-02-20": 50, "2020-03-01": 60, "2020-06-01": 152}
QUIET = {"device": "cpu", "tile": 32}


@pytest.fixture
def stack(tmp_path):
    """Four dates of noise; clouds are 0, at one place at all dates."""
    folder = tmp_path / "stack"
    folder.mkdir()
    random = np.random.default_rng(0)
    values = random.integers(3000, 7000, (len(DAYS), 2, *SHAPE)).astype("uint16")
    values[1, :, 10:40, 20:50] = 0
    values[2, 1, 5:15] = 0
    values[:, :, 60:64, 30:40] = 0
    for day, array in zip(DAYS, values, strict=True):
        write_scene(folder / f"S2_{day}.tif", array, bands=("B04", "B08"))
    return folder, values


@pytest.fixture
def model(tmp_path, day_sums):
    return write_series_model(tmp_path / "crops.safetensors", series_card())


def run(source, model, folder, report=lambda _: None, extras=(), **options):
    folder.mkdir(exist_ok=True)
    outputs = Outputs(folder / "map.tif", **{name: folder / f"{name}.tif" for name in extras})
    return SegmentRun(StackInput(source), model, outputs, SegmentOptions(**QUIET | options), report)


def expected(values):
    clear = (values > 0).all(axis=1)
    normal = ((values * 1e-4 - 0.5) / 0.25).sum(axis=1) * clear
    total = (normal * np.array(list(DAYS.values()))[:, None, None]).sum(axis=0)
    classes = np.where(total > 0, 2, 1)
    return np.where(clear.any(axis=0), classes, 255)


def test_a_map_of_a_stack_leaves_out_clouds_date_by_date(stack, model, tmp_path):
    folder, values = stack
    summary = run(folder, model, tmp_path / "out", extras=["probabilities", "uncertainty"]).whole()
    with rasterio.open(tmp_path / "out" / "map.tif") as made:
        classes = made.read(1)
        assert made.shape == SHAPE
    wanted = expected(values)
    assert (classes == wanted).mean() > 0.999  # where the sum is almost 0, rounding decides
    assert ((classes == 255) == (wanted == 255)).all()
    assert (wanted == 255).sum() == 40
    assert sum(summary.findings.counts.values()) == (wanted != 255).sum()
    with rasterio.open(tmp_path / "out" / "probabilities.tif") as made:
        assert made.descriptions == ("crop 1", "crop 2")


@pytest.mark.slow
def test_two_maps_of_one_stack_are_the_same_bytes(stack, model, tmp_path):
    for name in ("a", "b"):
        run(stack[0], model, tmp_path / name).whole()
    first, second = ((tmp_path / n / "map.tif").read_bytes() for n in "ab")
    with (
        rasterio.open(tmp_path / "a" / "map.tif") as a,
        rasterio.open(tmp_path / "b" / "map.tif") as b,
    ):
        assert (a.read() == b.read()).all()
    assert len(first) == len(second)


@pytest.mark.slow
def test_parts_of_a_map_make_the_whole(stack, model, tmp_path):
    run(stack[0], model, tmp_path / "whole").whole()
    journal = {"journal": tmp_path / "journal"}
    for number in (1, 0):
        run(stack[0], model, tmp_path / "parts", **journal).part(number, 2)
    run(stack[0], model, tmp_path / "parts", **journal).whole()
    whole, parts = tmp_path / "whole" / "map.tif", tmp_path / "parts" / "map.tif"
    with rasterio.open(whole) as a, rasterio.open(parts) as b:
        assert (a.read() == b.read()).all()


def test_a_map_in_memory_is_the_map_of_the_file(stack, model, tmp_path):
    run(stack[0], model, tmp_path / "out").whole()
    made = run(stack[0], model, tmp_path / "out").in_memory()["map"]
    with rasterio.open(tmp_path / "out" / "map.tif") as file:
        assert (made.array == file.read()).all()


def test_an_output_never_replaces_a_date(stack, model):
    folder, _ = stack
    outputs = Outputs(folder / "S2_2020-01-11.tif")
    options = SegmentOptions(**QUIET, overwrite=True)
    with pytest.raises(Exception, match="S2_2020-01-11"):
        SegmentRun(StackInput(folder), model, outputs, options, lambda _: None).whole()


def test_dates_are_chosen(stack):
    scene = StackInput(stack[0], until=dt.date(2020, 3, 1)).scene()
    assert len(scene.planes) == 6
    assert scene.bands[-1].name == "B08 2020-03-01"
    with pytest.raises(OptionError, match="no image"):
        StackInput(stack[0], since=dt.date(2021, 1, 1)).scene()


def test_planes_of_a_scene_are_those_of_the_stack(stack):
    folder, values = stack
    scene = stack_scene(open_stack(folder))
    raster = scene.select([5, 0]).read(slice(3, 50), slice(10, 60))
    assert raster.array[0, 20, 30] == pytest.approx(values[2, 1, 23, 40] * 1e-4)
    assert raster.array[1, 20, 30] == pytest.approx(values[0, 0, 23, 40] * 1e-4)
    assert np.isnan(raster.array[0, 3:7]).all()
    assert raster.valid.all()
    assert not scene.read().valid[60:64, 30:40].any()


def test_a_stack_is_thinned_for_pictures(stack):
    scene = stack_scene(open_stack(stack[0]))
    assert scene.thumbnail(30).array.shape[1:] == (30, 24)
    values, valid = scene.read_small(shape=(9, 7))
    assert values.shape == (8, 9, 7)
    assert valid.shape == (9, 7)


def test_dates_unlike_the_training_are_warned_of(stack, tmp_path, day_sums):
    said = []
    for name, changes in {"late": {"days": (200, 365)}, "many": {"dates": (9, 12)}}.items():
        path = write_series_model(tmp_path / f"{name}.safetensors", series_card(series=changes))
        run(stack[0], path, tmp_path / name, said.append).whole()
    messages = [event.message for event in said if isinstance(event, Warned)]
    assert any("4 of 4 dates lie outside the season" in message for message in messages)
    assert any("trained on 9 to 12 clear dates" in message for message in messages)


def test_values_of_another_size_are_warned_of(stack, tmp_path, day_sums):
    path = write_series_model(tmp_path / "m.safetensors", series_card(mean=5000.0, std=20.0))
    said = []
    run(stack[0], path, tmp_path / "out", said.append).whole()
    assert any("values around" in e.message for e in said if isinstance(e, Warned))


def test_models_of_series_and_of_scenes_are_told_apart(stack, model, tmp_path, day_sums):
    scene = stack[0] / "S2_2020-01-11.tif"
    with pytest.raises(BandMismatchError, match="reads a time series, but .* is a single scene"):
        SegmentRun(scene, model, Outputs(tmp_path / "m.tif"), SegmentOptions(), lambda _: None)
    single = write_model(tmp_path / "single.safetensors", bands=("B04", "B08"))
    with pytest.raises(BandMismatchError, match="reads single images and no time series"):
        run(stack[0], single, tmp_path / "out")
    with pytest.raises(BandMismatchError, match="time series, for which no model is bundled"):
        run(stack[0], None, tmp_path / "out")


def test_bands_and_sensors_must_be_there(stack, tmp_path, day_sums):
    path = write_series_model(tmp_path / "a.safetensors", series_card(bands=("B04", "B11")))
    with pytest.raises(BandMismatchError, match="B11"):
        run(stack[0], path, tmp_path / "out")
    two = series_card(bands=("B04", "VV"), sensors={"S2": 1, "S1": 1})
    path = write_series_model(tmp_path / "b.safetensors", two)
    with pytest.raises(BandMismatchError, match="reads series of S2, S1"):
        run(stack[0], path, tmp_path / "out")


def test_one_stack_may_hold_the_bands_of_several_sensors(stack, tmp_path, day_sums):
    folder, values = stack
    two = series_card(sensors={"S2": 1, "S1": 1})
    path = write_series_model(tmp_path / "two.safetensors", two)
    run(folder, path, tmp_path / "out").whole()
    with rasterio.open(tmp_path / "out" / "map.tif") as made:
        classes = made.read(1)
    normal = (values * 1e-4 - 0.5) / 0.25 * (values > 0)  # each sensor is masked by its own bands
    total = (normal.sum(axis=1) * np.array(list(DAYS.values()))[:, None, None]).sum(axis=0)
    clear = (values > 0).any(axis=(0, 1))
    assert (classes == np.where(clear, np.where(total > 0, 2, 1), 255)).mean() > 0.999


def test_sensors_have_dates_of_their_own(stack, tmp_path, day_sums):
    folder, values = stack
    (tmp_path / "radar").mkdir()
    radar = np.full((1, *SHAPE), 6000, "uint16")
    for day in ("2020-01-21", "2020-04-10"):
        write_scene(tmp_path / "radar" / f"S1_{day}.tif", radar, bands=("VV",))
    card = series_card(bands=("VV", "B04", "B08"), sensors={"S1": 1, "S2": 2})
    path = write_series_model(tmp_path / "m.safetensors", card)
    run({"S2": folder, "S1": tmp_path / "radar"}, path, tmp_path / "out").whole()
    with rasterio.open(tmp_path / "out" / "map.tif") as made:
        classes = made.read(1)
    clear = (values > 0).all(axis=1)
    normal = ((values * 1e-4 - 0.5) / 0.25).sum(axis=1) * clear
    total = (normal * np.array(list(DAYS.values()))[:, None, None]).sum(axis=0) + 0.4 * (20 + 100)
    assert (classes == np.where(total > 0, 2, 1)).mean() > 0.999


def test_features_of_a_series_are_refused(stack, model, tmp_path):
    outputs = FeatureOutputs(tmp_path / "f.tif")
    with pytest.raises(OptionError, match="time series"):
        FeatureRun(StackInput(stack[0]), model, outputs, FeatureOptions(), lambda _: None)


def test_passes_of_a_series_are_refused(stack, model, tmp_path):
    for predictor in ("mc-dropout", "tta"):
        with pytest.raises(OptionError, match="time series"):
            run(stack[0], model, tmp_path / "out", predictor=predictor)


def test_a_stack_is_pictured_at_its_clearest_date(stack):
    picture = clearest_date(stack_scene(open_stack(stack[0])))
    assert [band.name for band in picture.bands] == ["B04 2020-01-11", "B08 2020-01-11"]


def test_a_record_knows_how_the_stack_was_read(stack, model, tmp_path):
    run(stack[0], model, tmp_path / "out", record=tmp_path / "out" / "run.json").whole()
    again = run(stack[0], model, tmp_path / "out").prepared.identity
    assert is_recorded(tmp_path / "out" / "run.json", json.loads(json.dumps(again)))
    other = StackInput(stack[0], StackOptions(SceneOptions(mask="B04>0.6")))
    masked = SegmentRun(
        other, model, Outputs(tmp_path / "out" / "map.tif"), SegmentOptions(**QUIET), print
    )
    assert masked.prepared.identity["reading"] != again["reading"]
    assert len(again["input"]) == 4


def test_paths_of_a_stack_are_made_absolute(stack, monkeypatch):
    monkeypatch.chdir(stack[0].parent)
    for source in ("stack", "stack/*.tif", ["stack/S2_2020-01-11.tif"], {"s2": "stack"}):
        absolute = StackInput(source).absolute()
        monkeypatch.chdir("/")
        assert absolute.open().sensors[0].bands[0].name == "B04"
        monkeypatch.chdir(stack[0].parent)
    assert StackInput("https://a/*.tif").absolute().source == "https://a/*.tif"


def test_a_model_of_parcels_maps_no_pixels(stack, tmp_path):
    card = series_card(architecture={"name": "pse-ltae"})
    network = create_model("pse-ltae", in_bands=2, n_classes=2, sensors=(2,))
    save_model(tmp_path / "m.safetensors", card, network)
    with pytest.raises(BandMismatchError, match="reads whole parcels.*`parcels=`"):
        run(stack[0], tmp_path / "m.safetensors", tmp_path / "out")
