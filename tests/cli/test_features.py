"""``geodl features`` and ``geodl denoise``: what a network sees in a scene, and the scene again."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
import rasterio
import torch
from rio_cogeo.cogeo import cog_validate

from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.models.package.card import Architecture
from georaster_dl.models.package.file import load_model, save_model
from georaster_dl.models.registry import create_model
from georaster_dl.testing import BANDS, EXACT_HALO, noise, write_scene
from tests.cards import card
from tests.maps import read_bands

OPTIONS = {"features": 5, "width": 8, "deconv_width": 8}


def normalised(described, array, scale=1e-4):
    """(1, bands, rows, cols) as the network sees it, padded to its stride; and where valid."""
    valid = (array != 0).all(axis=0)
    mean = np.array([b.mean for b in described.bands])[:, None, None]
    std = np.array([b.std for b in described.bands])[:, None, None]
    x = np.where(valid, (array * scale - mean) / std, 0).astype("float32")
    pad = [(0, -n % described.stride) for n in array.shape[1:]]
    return torch.from_numpy(np.pad(x, ((0, 0), *pad)))[None], valid


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory):
    """A convolutional autoencoder of random weights."""
    described = card(stride=4, default=28, exact=28, task="autoencoder", name="toy-autoencoder")
    architecture = Architecture(name="conv_autoencoder", options=OPTIONS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = create_model("conv_autoencoder", in_bands=3, n_classes=3, **OPTIONS).eval()
    path = tmp_path_factory.mktemp("model") / "autoencoder.safetensors"
    save_model(path, described.model_copy(update={"architecture": architecture}), network)
    return path


@pytest.mark.parametrize("tile", [0, 96])
def test_features_are_what_the_layer_says(geodl, autoencoder, scene, narrow_memory, tile):
    if tile:
        narrow_memory(tile)
    ended = geodl("features", scene, "-m", autoencoder)
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[-1] == "scene_features.tif"
    described, network = load_model(autoencoder)
    with rasterio.open("scene_features.tif") as made, rasterio.open(scene) as given:
        assert (made.crs, made.transform, made.shape) == (given.crs, given.transform, given.shape)
        if tile:
            assert f"x{tile} " in made.tags()["GEORASTER_DL_PARAMETERS"]
        x, valid = normalised(described, given.read())
        result = made.read()
    with torch.inference_mode():
        expected = network.decoder(network.encoder(x))[0].numpy()
    rows, cols = valid.shape
    np.testing.assert_array_equal(np.isnan(result), np.broadcast_to(~valid, result.shape))
    np.testing.assert_allclose(
        result[:, valid], expected[:, :rows, :cols][:, valid], rtol=1e-4, atol=1e-6
    )


def test_features_are_a_described_cog(geodl, autoencoder, scene):
    assert geodl("features", scene, "-m", autoencoder, "-o", "f.tif").code == 0
    assert cog_validate("f.tif")[0]
    with rasterio.open("f.tif") as made:
        assert made.descriptions == tuple(f"feat_0{i}" for i in range(1, 6))
        assert set(made.dtypes) == {"float32"}
        assert np.isnan(made.nodata)
        values = made.read()
        spread = np.nanstd(values, axis=(1, 2))
        for band in made.indexes:
            tags = made.tags(band)
            assert float(tags["STATISTICS_MEAN"]) == pytest.approx(
                np.nanmean(values[band - 1]), abs=1e-6
            )
            assert float(tags["STATISTICS_STDDEV"]) == pytest.approx(spread[band - 1], rel=1e-4)
        assert made.tags()["GEORASTER_DL_LAYER"] == "decoder.features"
        assert made.tags()["GEORASTER_DL_INPUT_BANDS"] == ",".join(BANDS)
    renderer = ET.parse("f.qml").find(".//rasterrenderer")
    assert renderer.get("type") == "singlebandpseudocolor"
    assert int(renderer.get("band")) == int(spread.argmax()) + 1


def test_int16_is_the_same_within_a_step(geodl, autoencoder, scene):
    assert geodl("features", scene, "-m", autoencoder, "-o", "f.tif").code == 0
    assert geodl("features", scene, "-m", autoencoder, "-o", "i.tif", "--dtype", "int16").code == 0
    packed = open_scene("i.tif")
    assert packed.dtype == "int16"
    raster, expected = packed.read(), read_bands("f.tif")
    known = np.isfinite(expected[0])
    np.testing.assert_array_equal(raster.valid, known)
    steps = np.array([plane.scale for plane in packed.planes])[:, None]
    assert (np.abs(raster.array[:, known] - expected[:, known]) <= 0.6 * steps).all()
    assert [band.name for band in packed.bands] == [f"feat_0{i}" for i in range(1, 6)]


def test_error_is_a_map_of_anomalies(geodl, autoencoder, scene):
    arguments = ["features", scene, "-m", autoencoder, "-o", "f.tif", "--error", "e.tif"]
    assert geodl(*arguments).code == 0
    described, network = load_model(autoencoder)
    with rasterio.open(scene) as given:
        x, valid = normalised(described, given.read())
    with torch.inference_mode():
        wrong = (network(x) - x).square().mean(dim=1).sqrt()[0].numpy()
    result = read_bands("e.tif")[0]
    np.testing.assert_array_equal(np.isnan(result), ~valid)
    np.testing.assert_allclose(result[valid], wrong[: len(valid)][:, : valid.shape[1]][valid], 1e-4)
    with rasterio.open("e.tif") as made:
        assert made.descriptions == ("reconstruction error",)
    assert read_bands("f.tif").shape[0] == 5


@pytest.mark.parametrize(("usual", "warned"), [(0.05, True), (0.8, False)])
def test_a_scene_unlike_all_that_was_learnt_is_told(
    geodl, autoencoder, scene, tmp_path, usual, warned
):
    described, network = load_model(autoencoder)
    measured = described.model_copy(update={"metrics": {"RMSE, clean input, test": usual}})
    save_model(tmp_path / "m.safetensors", measured, network)
    arguments = ["features", scene, "-m", "m.safetensors", "-o", "f.tif", "--error", "e.tif"]
    ended = geodl(*arguments)
    assert ("unlike what it learnt" in ended.err) == warned
    assert "reconstruction error: mean" in ended.out


def test_a_segmentation_model_gives_its_features_too(geodl, model, scene):
    """With the exact halo: that of its maps would leave seams."""
    assert geodl("features", scene, "-m", model).code == 0
    with rasterio.open("scene_features.tif") as made:
        assert f"halo={EXACT_HALO} " in made.tags()["GEORASTER_DL_PARAMETERS"]
    described, network = load_model(model)
    with rasterio.open(scene) as given:
        x, valid = normalised(described, given.read())
    with torch.inference_mode():
        expected = network.decoder(network.encoder(x))[0].numpy()
    result = read_bands("scene_features.tif")
    rows, cols = valid.shape
    np.testing.assert_allclose(
        result[:, valid], expected[:, :rows, :cols][:, valid], rtol=1e-3, atol=1e-4
    )  # values of up to 40, of which another processor rounds the last digits elsewhere


def test_layer(geodl, refused, autoencoder, scene):
    assert geodl("features", scene, "-m", autoencoder, "--layer", "encoder.4").code == 0
    assert read_bands("scene_features.tif").shape[0] == 8
    said = refused("features", scene, "-m", autoencoder, "-o", "x.tif", "--layer", "encodr")
    assert "did you mean 'encoder'" in said


def test_error_needs_an_autoencoder(refused, model, scene):
    said = refused("features", scene, "-m", model, "--error", "e.tif")
    assert "--error is how badly an autoencoder reconstructs a pixel" in said


def test_denoised_scene_is_in_physical_values(geodl, autoencoder, scene):
    assert geodl("denoise", scene, "-m", autoencoder).code == 0
    described, network = load_model(autoencoder)
    with rasterio.open(scene) as given:
        x, valid = normalised(described, given.read())
    with torch.inference_mode():
        planes = network(x)[0].numpy()[:, : valid.shape[0], : valid.shape[1]]
    std = np.array([band.std for band in described.bands])[:, None]
    mean = np.array([band.mean for band in described.bands])[:, None]
    result = read_bands("scene_denoised.tif")
    np.testing.assert_array_equal(np.isnan(result), np.broadcast_to(~valid, result.shape))
    np.testing.assert_allclose(result[:, valid], planes[:, valid] * std + mean, 1e-4, 1e-6)


def test_denoised_scene_is_read_like_the_scene(geodl, autoencoder, model, scene):
    assert geodl("denoise", scene, "-m", autoencoder, "-o", "clean.tif").code == 0
    clean = open_scene("clean.tif")
    assert clean.bands == open_scene(scene).bands
    assert all(plane.calibrated for plane in clean.planes)
    assert geodl("segment", "clean.tif", "-m", model).code == 0
    renderer = ET.parse("clean.qml").find(".//rasterrenderer")
    shown = [renderer.get(f"{color}Band") for color in ("red", "green", "blue")]
    assert (renderer.get("type"), shown) == ("multibandcolor", ["3", "2", "1"])
    low, high = (
        float(renderer.find(f"redContrastEnhancement/{k}Value").text) for k in ("min", "max")
    )
    assert low < high


def test_an_autoencoder_makes_no_map(refused, autoencoder, scene):
    said = refused("segment", scene, "-m", autoencoder)
    assert "geodl features" in said


def test_only_an_autoencoder_denoises(refused, model, scene):
    assert "needs an autoencoder" in refused("denoise", scene, "-m", model)


def test_all_nodata(refused, autoencoder, tmp_path):
    empty = write_scene(tmp_path / "empty.tif", np.zeros((3, 40, 40), "uint16"))
    for command in ("features", "denoise"):
        assert "has no valid pixel" in refused(command, empty, "-m", autoencoder)


def test_json(geodl, autoencoder, tmp_path):
    path = write_scene(tmp_path / "s.tif", noise())
    ended = geodl("features", path, "-m", autoencoder, "--progress", "json")
    done = ended.events[-1]
    assert (done["event"], done["features"]) == ("done", 5)
    assert done["valid"] == np.isfinite(read_bands("s_features.tif")[0]).sum()
