"""Scenes without some of a model's bands, and scenes for which no model was named."""

import json

import numpy as np
import pytest
import rasterio
import torch
from rasterio.transform import from_origin

from georaster_dl.models.package import file as package
from georaster_dl.models.package.file import load_model, read_card
from georaster_dl.testing import noise, write_model, write_scene
from tests.networks import S2_NAMES, save_optional

NAMES = ("B08", "B03", "B04", "B11")
ABSENT = ("B01", "B02", "B05", "B06", "B07", "B8A", "B09", "B12")
METRICS = {"accuracy Tokyo": 0.814, "Nairobi": 0.5, "Lima": 0.77, "Oslo": 0.9, "Bern": 0.6}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The folder of bundled models, with one of optional bands and one of three."""
    folder = tmp_path_factory.mktemp("bundle")
    save_optional(folder / "s2-landcover.safetensors", metrics=METRICS)
    write_model(folder / "rgb.safetensors", name="rgb")
    return folder


@pytest.fixture(autouse=True)
def _bundled(bundle, monkeypatch):
    monkeypatch.setattr(package, "_BUILTIN", bundle)


@pytest.fixture
def partial(tmp_path):
    """A scene of four bands of Sentinel-2."""
    return write_scene(tmp_path / "scene.tif", noise(n_bands=4), bands=NAMES)


def by_hand(model, array):
    """Class map by the full network, told which bands there are; 255 where nodata."""
    card, network = load_model(model)
    valid = (array != 0).all(axis=0)
    image = torch.zeros(1, len(S2_NAMES), *array.shape[1:])
    present = torch.zeros(1, len(S2_NAMES), dtype=torch.bool)
    for name, plane in zip(NAMES, array, strict=True):
        place = S2_NAMES.index(name)
        normal = (plane * 1e-4 - card.bands[place].mean) / card.bands[place].std
        image[0, place] = torch.from_numpy(np.where(valid, normal, 0))
        present[0, place] = True
    with torch.inference_mode():
        classes = network(image, present)[0].argmax(0).numpy() + 1
    return np.where(valid, classes, 255)


def test_the_map_is_that_of_the_network_told_of_the_bands(geodl, bundle, partial):
    ended = geodl("segment", partial, "-m", "s2-landcover", "--precision", "fp32")
    assert ended.code == 0
    absent = ", ".join(ABSENT)
    assert ended.err == f"s2-landcover runs without {absent} (absent in the scene)\n"
    with rasterio.open(partial) as given, rasterio.open("scene_landcover.tif") as made:
        expected = by_hand(bundle / "s2-landcover.safetensors", given.read())
        assert (made.read(1) != expected).mean() < 1e-3  # two classes equal to the last digit
        assert len(np.unique(expected)) >= 3
        tags = made.tags()
    assert tags["GEORASTER_DL_INPUT_BANDS"] == "B03,B04,B08,B11"
    card = read_card(bundle / "s2-landcover.safetensors")
    assert tags["GEORASTER_DL_MODEL_SHA256"] == card.weights_sha256


def test_the_model_that_is_chosen_is_told_in_a_line(geodl, partial):
    ended = geodl("segment", partial)
    assert ended.code == 0
    first, second = ended.err.splitlines()
    assert first == (
        "no model named: using s2-landcover 1 (accuracy Tokyo 0.81, Nairobi 0.50, Lima 0.77, "
        "Oslo 0.90; geodl models show s2-landcover)"
    )
    assert second.startswith("s2-landcover runs without B01")
    assert ended.out.splitlines()[-1] == "scene_landcover.tif"
    with rasterio.open("scene_landcover.tif") as made:
        assert made.tags()["GEORASTER_DL_MODEL"] == "s2-landcover 1"


def test_json_and_quiet(geodl, partial):
    model, start, *_ = geodl("segment", partial, "--progress", "json").events
    assert (model.pop("event"), model.pop("level")) == ("model", "info")
    del model["time"]
    assert model == {
        "model": "s2-landcover",
        "version": "1",
        "metrics": dict(list(METRICS.items())[:4]),
    }
    assert (start["event"], start["absent"]) == ("start", list(ABSENT))
    ended = geodl("segment", partial, "--quiet", "--overwrite")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_a_run_that_starts_over_tells_it_once(geodl, partial, monkeypatch):
    from georaster_dl.predict.outputs import rasters

    real = rasters.optimise_network

    def limited(*arguments):
        network = real(*arguments)

        def run(x):
            if max(x.shape[2:]) > 80:
                raise torch.OutOfMemoryError("out of memory")
            return network(x)

        return run

    monkeypatch.setattr(rasters, "optimise_network", limited)
    ended = geodl("segment", partial)
    assert ended.code == 0
    assert ended.err.count("runs without") == 1
    assert ended.err.count("starting over") >= 1


def test_scenes_that_no_model_is_chosen_for(refused, tmp_path):
    rgb = write_scene(tmp_path / "rgb.tif", noise())
    assert "s2-landcover needs B08 or B8A, but the scene has 3 bands" in refused("segment", rgb)
    other = write_scene(tmp_path / "vv.tif", noise(), bands=("VV", "VH", "angle"))
    said = refused("segment", other)
    assert "s2-landcover, the model taken where none is named, is for bands with" in said
    assert "train one (geodl train)" in said


def test_info_tells_which_model_would_be_taken(geodl, partial, tmp_path):
    assert geodl("info", partial).out.splitlines()[-1] == "geodl segment would take s2-landcover 1"
    facts = json.loads(geodl("info", partial, "--json").out)
    assert facts["choice"] == {"model": "s2-landcover", "version": "1", "reason": None}
    other = write_scene(tmp_path / "vv.tif", noise(), bands=("VV", "VH", "angle"))
    line = geodl("info", other).out.splitlines()[-1]
    assert line == f"geodl segment would take no model: {facts_of(geodl, other)['reason']}"
    assert line.endswith("not for VV, VH, angle")
    coarse = tmp_path / "St. Louis.tif"
    write_scene(coarse, noise(n_bands=4), bands=NAMES, transform=from_origin(0, 0, 60, 60))
    reason = facts_of(geodl, coarse)["reason"]
    assert reason.startswith("the scene has pixels of 60 m but s2-landcover was trained on 10 m")


def facts_of(geodl, scene):
    return json.loads(geodl("info", scene, "--json").out)["choice"]


def test_info_with_the_model(geodl, partial):
    assert (
        f"s2-landcover fits, reading B03, B04, B08, B11, without {', '.join(ABSENT)}"
        in geodl("info", partial, "-m", "s2-landcover").out
    )
    facts = json.loads(geodl("info", partial, "-m", "s2-landcover", "--json").out)
    assert facts["model"]["absent"] == list(ABSENT)
    assert "choice" not in facts


@pytest.fixture
def raised(tmp_path):
    """A scene whose reflectances all lie 0.1 too high, as where the offset was forgotten."""
    array = noise((160, 160), n_bands=4)
    rows = np.arange(160)[None, :, None]
    vegetation = np.array([4000, 600, 300, 1500])[:, None, None] + rows % 20
    array[:] = vegetation + 1000
    return write_scene(tmp_path / "raised.tif", array, bands=NAMES)


def test_an_implausible_calibration_is_warned_of(geodl, raised):
    (line,) = [x for x in geodl("info", raised).out.splitlines() if x.startswith("warning: ")]
    said = line.removeprefix("warning: ")
    assert "--offset -0.1" in said
    assert json.loads(geodl("info", raised, "--json").out)["warnings"] == [said]
    named = ("segment", raised, "-m", "s2-landcover", "--overwrite")
    events = geodl(*named, "--progress", "json").events
    assert ("warning", said) in [(event["event"], event.get("message")) for event in events]
    assert f"geodl: warning: {said}\n" in geodl(*named).err
    assert "warning" not in geodl(*named, "--scale", 1e-4, "--offset", -0.1).err


def test_with_an_implausible_calibration_no_model_is_taken_unasked(geodl, refused, raised):
    said = refused("segment", raised)
    assert "--offset -0.1" in said
    assert "--model s2-landcover" in said
    assert geodl("segment", raised, "--scale", 1e-4, "--offset", -0.1).code == 0


def test_stored_numbers_have_no_offset_to_doubt(geodl, raised, tmp_path):
    numbers = save_optional(tmp_path / "numbers.safetensors", quantity="digital numbers")
    ended = geodl("segment", raised, "-m", numbers)
    assert ended.code == 0
    assert "offset -0.1" not in ended.err
    assert "trained on values around 0.2" in ended.err


def test_the_card_is_shown_and_checked(geodl):
    shown = geodl("models", "show", "s2-landcover").out
    assert "needs        B03, B04, B08 or B8A; other bands may be absent" in shown
    assert "needs" not in geodl("models", "show", "rgb").out
    lines = geodl("models", "check", "s2-landcover").out.splitlines()
    assert "ok  with B03, B04, B08 alone the output is finite and has 4 classes" in lines
    assert len(lines) == 5
    assert len(geodl("models", "check", "rgb").out.splitlines()) == 4


@pytest.mark.slow
def test_export_of_some_bands(geodl, refused, bundle, tmp_path):
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    command = ["models", "export", "s2-landcover", "--format", "onnx", "--tile", 16]
    assert geodl(*command, "-o", "some.onnx", "--bands", "B08, B03,B04,B11").code == 0
    assert geodl(*command, "-o", "all.onnx").code == 0
    session = onnxruntime.InferenceSession("some.onnx")
    assert session.get_inputs()[0].shape == [1, 4, 16, 16]
    told = session.get_modelmeta().custom_metadata_map["georaster_dl_bands"]
    assert json.loads(told) == ["B03", "B04", "B08", "B11"]
    assert onnxruntime.InferenceSession("all.onnx").get_inputs()[0].shape == [1, 12, 16, 16]
    for bands, words in (("B03,B04", "needs B08 or B8A"), ("B03,B04,B08,B2", "no band 'B2'")):
        assert words in refused(*command, "-o", "no.onnx", "--bands", bands)
