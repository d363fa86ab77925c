"""Models of a quantity through every command: what is in the map is what the network says."""

import json
import xml.etree.ElementTree as ET

import matplotlib.image
import numpy as np
import pytest
import rasterio
import torch
from rio_cogeo import cog_validate

from georaster_dl.models.package.card import ModelHalo
from georaster_dl.models.package.file import load_model
from georaster_dl.models.package.values import Target
from georaster_dl.predict.outputs import rasters
from georaster_dl.testing import EXACT_HALO, noise, write_model, write_scene
from tests.maps import read_band
from tests.networks import Planes

HEIGHT = Target(name="Canopy height", unit="m", mean=20, std=8)
NAME = "scene_canopy_height.tif"


@pytest.fixture(scope="module")
def heights(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "heights.safetensors"
    return write_model(path, n_classes=1, targets=(HEIGHT,), configuration={"loss.names": "huber"})


@pytest.mark.parametrize("tile", [0, 128])
def test_map_is_what_the_network_says(geodl, heights, scene, narrow_memory, tile):
    if tile:
        narrow_memory(tile)
    ended = geodl("segment", scene, "-m", heights, "--halo", "exact")
    assert (ended.code, ended.err) == (0, "")
    array = noise()
    valid = (array != 0).all(axis=0)
    x = np.where(valid, (array * 1e-4 - 0.2) / 0.1, 0).astype("float32")
    x = np.pad(x, ((0, 0), (0, -x.shape[1] % 8), (0, -x.shape[2] % 8)))
    with torch.inference_mode():
        plane = load_model(heights)[1](torch.from_numpy(x)[None])[0, 0].numpy()
    expected = np.where(valid, plane[: valid.shape[0], : valid.shape[1]] * 8 + 20, np.nan)
    with rasterio.open(NAME) as made:
        tile_of = made.tags()["GEORASTER_DL_PARAMETERS"]
        result = made.read(1)
    assert ("tile=128x" in tile_of) == bool(tile)
    np.testing.assert_allclose(result, expected, atol=1e-3)  # NaN where NaN
    said = ended.out.splitlines()
    assert said[0].startswith("Canopy height (m): mean ")
    assert said[-1] == NAME


def test_identity_network_returns_the_band_in_a_styled_cog(geodl, tmp_path, scene, monkeypatch):
    """Target and band have one scaling, so the network that changes nothing gives reflectance."""
    target = Target(name="reflectance/band 1", mean=0.2, std=0.1)
    halo = ModelHalo(default=16, exact=EXACT_HALO, blend=8)
    model = write_model(tmp_path / "same.safetensors", n_classes=1, targets=(target,), halo=halo)
    monkeypatch.setattr(rasters, "optimise_network", lambda *_: Planes(1))
    ended = geodl("segment", scene, "-m", model, "--progress", "json")
    name = "scene_reflectance_band_1.tif"
    assert cog_validate(name, strict=True) == (True, [], [])
    first = noise()[0]
    expected = np.where(first == 0, np.nan, first * 1e-4)
    with rasterio.open(name) as made, rasterio.open(scene) as given:
        assert (made.crs, made.transform, made.shape) == (given.crs, given.transform, given.shape)
        assert made.dtypes == ("float32",)
        assert np.isnan(made.nodata)
        assert made.descriptions == ("reflectance/band 1",)
        np.testing.assert_allclose(made.read(1), expected, atol=1e-6)
        assert made.tags()["GEORASTER_DL_MODEL"] == "test-model 1"
    done = ended.events[-1]
    assert "classes" not in done
    found = {"mean": np.nanmean(expected), "min": np.nanmin(expected), "max": np.nanmax(expected)}
    assert done["values"]["reflectance/band 1"] == pytest.approx(found, abs=1e-6)
    shader = ET.parse(name.replace(".tif", ".qml")).getroot().find(".//colorrampshader")
    limits = [float(shader.get(key)) for key in ("minimumValue", "maximumValue")]
    assert limits == pytest.approx(np.nanpercentile(expected, [2, 98]), rel=1e-3)


def test_unit_and_overviews_are_in_the_file(geodl, heights, tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise((700, 130)))
    assert geodl("segment", scene, "-m", heights).code == 0
    with rasterio.open(NAME) as made:
        assert made.units == ("m",)
        assert made.overviews(1) == [2]
        thin = made.read(1, out_shape=(350, 65))
        full = made.read(1)
    assert np.isnan(thin).mean() == pytest.approx(np.isnan(full).mean(), abs=0.01)
    assert np.nanstd(thin) < np.nanstd(full)  # averages, not samples


def test_one_pass_has_no_spread_of_a_quantity(refused, heights, scene):
    line = refused("segment", scene, "-m", heights, "--uncertainty")
    assert (
        "One pass gives the entropy of probabilities, but test-model predicts Canopy height (m)"
        in line
    )
    assert "--uncertainty mc-dropout, --uncertainty tta or --uncertainty ensemble" in line


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--probabilities"], "--probabilities"),
        (["--confidence"], "--confidence"),
        (["--polygons", "a.gpkg", "--confidence"], "--confidence, --polygons"),
    ],
)
def test_what_only_classes_have_is_refused(refused, heights, scene, option, said):
    line = refused("segment", scene, "-m", heights, *option)
    assert f"test-model predicts Canopy height (m), a quantity, and no classes, so it has nothing for {said};" in line  # fmt: skip


@pytest.mark.parametrize("rows", [150, 40])
def test_quicklook(geodl, heights, tmp_path, rows):
    scene = write_scene(tmp_path / "scene.tif", noise((rows, 130)))
    assert geodl("segment", scene, "-m", heights, "--quicklook", "look.png").code == 0
    picture = matplotlib.image.imread("look.png")[..., :3]
    for end in (0x44, 0x01, 0x54), (0xFD, 0xE7, 0x25):  # both ends of the ramp are used
        assert (np.abs(picture - np.array(end) / 255).max(-1) < 0.02).any()


def test_all_nodata(refused, heights, tmp_path):
    path = write_scene(tmp_path / "s.tif", np.zeros((3, 64, 64), "uint16"))
    assert "no valid pixel" in refused("segment", path, "-m", heights)


def test_a_constant_map_has_a_style(geodl, tmp_path, scene, heights, monkeypatch):
    monkeypatch.setattr(rasters, "optimise_network", lambda *_: lambda x: x[:, :1] * 0)
    ended = geodl("segment", scene, "-m", heights, "--quicklook", "look.png")
    assert ended.code == 0
    assert ended.out.startswith("Canopy height (m): mean 20, from 20 to 20\n")
    assert set(np.unique(read_band(NAME)[noise()[0] != 0])) == {20}


def test_info(geodl, heights, scene):
    assert "test-model fits" in geodl("info", scene, "-m", heights).out
    assert json.loads(geodl("info", scene, "-m", heights, "--json").out)["model"]["task"] == (
        "regression"
    )


def test_show(geodl, heights):
    text = geodl("models", "show", heights).out
    assert "Canopy height (m), in training 20 +/- 8" in text
    assert "loss.names" in text
    assert "huber" in text
    assert "classes" not in text
    assert "temperature" not in text


@pytest.mark.slow
def test_check(geodl, heights):
    assert "the output is finite and has 1 plane of values: Canopy height" in (
        geodl("models", "check", heights).out
    )
