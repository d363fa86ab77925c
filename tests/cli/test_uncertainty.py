"""The commands that map offer several passes, and refuse what contradicts itself."""

import json

import numpy as np
import pytest
import rasterio
import torch

from georaster_dl.models.package.calibration import Calibration
from georaster_dl.testing import noise, random_network, write_model, write_scene


@pytest.fixture
def files(tmp_path):
    write_scene(tmp_path / "scene.tif", noise())
    write_model(tmp_path / "model.safetensors")
    other = random_network(3, 4)
    other.segmentation_head[0].bias.data += torch.tensor([1.0, 0.0, 0.0, 0.0])
    write_model(tmp_path / "other.safetensors", network=other)
    return tmp_path


def test_mirror_images_give_a_map_alone_or_with_its_uncertainty(geodl, files):
    for option in (["--tta", "flip"], ["--uncertainty", "tta"], ["--tta", "d4", "--uncertainty"]):
        said = geodl(
            "segment", "scene.tif", "-m", "model.safetensors", "-o", "m.tif", *option, "--overwrite"
        )
        assert said.code == 0, said.err
        with rasterio.open("m.tif") as made:
            symmetries = "flip" if "flip" in option else "d4"
            assert made.tags()["GEORASTER_DL_PREDICTOR"] == f"tta {symmetries}"
        if "--uncertainty" in option:
            with rasterio.open("m_uncertainty.tif") as made:
                assert made.count == 5


@pytest.mark.slow
def test_two_models_are_an_ensemble_in_a_batch_too(geodl, files):
    models = ["-m", "model.safetensors", "-m", "other.safetensors"]
    said = geodl("segment", "scene.tif", *models, "-o", "m.tif", "--uncertainty", "ensemble")
    assert said.code == 0, said.err
    said = geodl("batch", "scene.tif", *models, "-d", "maps", "--uncertainty", "ensemble")
    assert said.code == 0, said.err
    for name in ("map", "uncertainty"):
        one, many = (
            rasterio.open(path).read()
            for path in (
                "m.tif" if name == "map" else "m_uncertainty.tif",
                "maps/scene_landcover.tif"
                if name == "map"
                else "maps/scene_landcover_uncertainty.tif",
            )
        )
        assert np.array_equal(one, many)
    said = geodl("batch", "scene.tif", *models, "-d", "maps", "--uncertainty", "ensemble")
    assert "1 skipped" in said.out


@pytest.mark.slow
def test_uncertain_pixels_are_a_class_that_is_counted(geodl, files):
    confidence = tuple(i / 200 for i in range(201))
    measured = Calibration(scores=confidence, confidence=confidence)
    write_model(files / "sure.safetensors", calibration=measured)
    said = geodl("segment", "scene.tif", "-m", "sure.safetensors", "-o", "m.tif", "--reject", "0.4")
    assert said.code == 0, said.err
    pixels = int((rasterio.open("m.tif").read() == 5).sum())
    assert 100 < pixels < 15_000
    assert f"uncertain: {pixels:,} pixels whose class is less probable than 0.6," in said.out
    assert "the limit that keeps 0.4 of the ground that the model was calibrated on" in said.out
    asked = ["--reject", "0.4", "--sets", "0.75"]
    said = geodl("batch", "scene.tif", "-m", "sure.safetensors", "-d", "maps", *asked)
    assert said.code == 0, said.err
    with rasterio.open("maps/scene_landcover_sets.tif") as made:
        assert made.tags()["GEORASTER_DL_SETS"] == "level=0.75 score=0.75"
    scene = json.loads((files / "maps" / "batch.json").read_text())["scenes"][0]
    assert scene["classes"]["uncertain"] == pixels
    assert "uncertain" in (files / "maps" / "batch.html").read_text()


def test_sets_take_a_level_or_none(geodl, files):
    scores = tuple(i / 200 for i in range(201))
    write_model(files / "sure.safetensors", calibration=Calibration(scores=scores))
    run = ["-m", "sure.safetensors", "--overwrite"]
    for given, level in (
        (["--sets", "scene.tif"], 0.9),
        (["--sets", "0.75", "scene.tif"], 0.75),
        (["scene.tif", "--sets=0.6"], 0.6),
        (["scene.tif", "--sets"], 0.9),
    ):
        said = geodl("segment", "-o", "m.tif", *run, *given)
        assert said.code == 0, said.err
        with rasterio.open("m_sets.tif") as made:
            assert made.tags()["GEORASTER_DL_SETS"] == f"level={level} score={level}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sets"], "rests on quantiles of the probabilities on ground kept from training"),
        (["--sets", "1.5"], "0<x<1"),
        (["--reject", "0.9"], "rests on quantiles of the probabilities on ground kept from training"),
        (["--reject", "1"], "0<x<1"),
        (["--uncertainty", "mc-dropout"], "no dropout in its decoder"),
        (["--uncertainty", "ensemble"], "is no ensemble; name several models"),
        (["--uncertainty", "bayesian"], "holds no distributions of weights"),
        (["--tta", "d4", "--uncertainty", "mc-dropout"], "--tta and --uncertainty mc-dropout are two ways"),
        (["--tta", "d4", "-m", "other.safetensors"], "--tta and several models are two ways"),
        (["--passes", "5"], "--passes is for passes with random numbers; add --uncertainty mc-dropout"),
        (["--uncertainty", "tta", "--seed", "5"], "--seed is for passes with random numbers"),
    ],
)  # fmt: skip
def test_what_a_model_cannot_do_is_refused_and_nothing_is_left(geodl, files, options, message):
    said = geodl("segment", "scene.tif", "-m", "model.safetensors", "-o", "m.tif", *options)
    assert said.code in (1, 2)
    assert message in said.err
    assert not list(files.glob("m*.tif"))
