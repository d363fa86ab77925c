"""Models of fractions through the commands."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from georaster_dl.models.package.file import load_model
from georaster_dl.models.package.values import Target
from georaster_dl.testing import noise, write_model, write_scene
from tests.maps import read_bands

COVERS = ("tree", "grass", "soil")


@pytest.fixture(scope="module")
def covers(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "covers.safetensors"
    targets = tuple(Target(name) for name in COVERS)
    return write_model(path, n_classes=3, task="fractions", targets=targets)


def test_a_map_has_its_name_and_says_what_is_in_it(geodl, covers, scene):
    ended = geodl("segment", scene, "-m", covers, "--quicklook", "look.png")
    assert (ended.code, ended.err) == (0, "")
    said = ended.out.splitlines()
    assert [line.split(":")[0] for line in said[:3]] == list(COVERS)
    assert said[-2:] == ["look.png", "scene_fractions.tif"]
    again = geodl("segment", scene, "-m", covers, "--overwrite", "--progress", "json")
    values = again.events[-1]["values"]
    assert list(values) == list(COVERS)
    assert sum(one["mean"] for one in values.values()) == pytest.approx(1, abs=3 / 500)


def test_float32_is_an_option_of_the_map(geodl, covers, scene):
    assert geodl("segment", scene, "-m", covers, "-o", "a.tif").code == 0
    assert geodl("segment", scene, "-m", covers, "-o", "b.tif", "--float32").code == 0
    whole, single = read_bands("a.tif"), read_bands("b.tif")
    assert (whole.dtype, single.dtype) == (np.uint8, np.float32)
    valid = whole[0] != 255
    assert np.abs(whole * 0.004 - single)[:, valid].max() < 0.0021


def test_fractions_of_three_passes_have_a_raster_of_their_spread(geodl, covers, scene):
    ended = geodl("segment", scene, "-m", covers, "--uncertainty", "tta", "--tta", "flip")
    assert ended.code == 0
    with rasterio.open("scene_fractions_uncertainty.tif") as made:
        assert made.descriptions == tuple(f"{c}, {m}" for c in COVERS for m in ("mean", "sd"))


def test_what_the_card_says(geodl, covers, scene):
    shown = geodl("models", "show", covers).out
    assert "fractions of tree, grass, soil, which sum to 1" in shown
    assert "unet + tu-test_resnet, fractions head" in shown
    assert "test-model fits" in geodl("info", scene, "-m", covers).out
    facts = json.loads(geodl("info", scene, "-m", covers, "--json").out)
    assert facts["model"]["task"] == "fractions"


def test_check_looks_at_the_sums(geodl, covers, tmp_path):
    checked = geodl("models", "check", covers)
    assert checked.code == 0
    assert "fractions of sum 1: tree, grass, soil" in checked.out
    card, network = load_model(covers)
    network.segmentation_head[-1].forward = lambda planes: planes.sigmoid()
    from georaster_dl.core.errors import ModelPackageError
    from georaster_dl.models.exchange.check import _check_output

    with pytest.raises(
        ModelPackageError, match=r"sums differ from 1 by up to \d.* head='fractions'"
    ):
        _check_output(card, network)


@pytest.mark.slow
def test_onnx_gives_the_fractions(geodl, covers):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    assert (
        geodl("models", "export", covers, "--format", "onnx", "-o", "c.onnx", "--tile", "64").code
        == 0
    )
    session = onnxruntime.InferenceSession("c.onnx")
    assert [output.name for output in session.get_outputs()] == ["fractions"]
    pixels = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    (fractions,) = session.run(None, {session.get_inputs()[0].name: pixels})
    assert np.abs(fractions.sum(1) - 1).max() < 1e-6
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["model_type"]) == "Regressor"
    assert list(json.loads(metadata["class_names"]).values()) == list(COVERS)


def test_stac_tells_what_the_planes_are(geodl, covers):
    assert geodl("models", "export", covers, "--format", "stac", "-o", "c.json").code == 0
    (output,) = json.loads(Path("c.json").read_text(encoding="utf-8"))["properties"]["mlm:output"]
    assert output["name"] == "fractions"
    assert output["description"] == "Fractions of a pixel, 0 to 1 and together 1: tree, grass, soil"
    assert output["tasks"] == ["regression"]


@pytest.fixture
def two_scenes(tmp_path):
    """Two scenes side by side."""
    for i, name in enumerate(("west", "east")):
        place = from_origin(500_000 + 1300 * i, 5_000_000, 10, 10)
        write_scene(tmp_path / f"{name}.tif", noise(seed=i), transform=place)
    return ["west.tif", "east.tif"]


@pytest.fixture
def two_maps(geodl, covers, two_scenes):
    for scene in two_scenes:
        assert geodl("segment", scene, "-m", covers).code == 0
    return [Path("west_fractions.tif"), Path("east_fractions.tif")]


@pytest.mark.slow
def test_a_batch_makes_the_same_maps(geodl, covers, two_scenes, two_maps):
    ended = geodl("batch", *two_scenes, "-m", covers, "-d", "maps", "--quicklook")
    assert ended.code == 0, ended.err
    for path in two_maps:
        np.testing.assert_array_equal(read_bands(Path("maps") / path), read_bands(path))
        assert (Path("maps") / f"{path.stem}_quicklook.png").exists()
    (row, _) = json.loads(Path("maps/batch.json").read_text(encoding="utf-8"))["scenes"]
    assert list(row["values"]) == list(COVERS)


@pytest.mark.parametrize("ending", ["tif", "vrt"])
def test_a_mosaic_keeps_numbers_scale_and_style(geodl, two_maps, ending):
    mosaic = f"all.{ending}"
    ended = geodl("mosaic", *two_maps, "-o", mosaic)
    assert ended.code == 0, ended.err
    expected = np.concatenate([read_bands(path) for path in two_maps], axis=2)
    np.testing.assert_array_equal(read_bands(mosaic), expected)
    with rasterio.open(mosaic) as made:
        assert made.descriptions == COVERS
        assert made.scales == pytest.approx([0.004] * 3)
        assert made.nodata == 255
        assert made.tags()["GEORASTER_DL_FRACTIONS"] == "3"
    assert 'maximumValue="1"' in Path("all.qml").read_text(encoding="utf-8")


def test_maps_that_are_stored_differently_make_no_mosaic(geodl, covers, two_maps, refused):
    assert geodl("segment", "east.tif", "-m", covers, "-o", "e.tif", "--float32").code == 0
    line = refused("mosaic", two_maps[0], "e.tif", "-o", "all.tif")
    assert "is uint8 with a scale of 0.004 but e.tif is float32" in line
