"""Patches about a labelled pixel, and the networks that learn from them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from georaster_dl.core.errors import OptionError
from georaster_dl.models.package.file import load_model
from georaster_dl.testing import checkered
from georaster_dl.tiling.split_blocks import TRAIN
from georaster_dl.training.data.cache import CacheFolder
from georaster_dl.training.data.datasets import _of_one_class, training_patches
from georaster_dl.training.data.scaling import Scaling
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.data.training_data import load_training_data
from georaster_dl.training.loop.network import check_network
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.train import train

SHAPE, PATCH = (200, 240), 65
STILL = {
    "dihedral": False,
    "scale": 0,
    "gain": 0,
    "band_gain": 0,
    "haze": 0,
    "offset": 0,
    "noise": 0,
}


@pytest.fixture
def sparse(make_tif):
    """A scene that tells each pixel's place, and 30 labelled pixels far apart, 3 of a rare class."""
    places = np.arange(1.0, 1 + SHAPE[0] * SHAPE[1]).reshape(1, *SHAPE)
    labels = np.full(SHAPE, 255, np.uint8)
    where = np.random.default_rng(1).permutation(SHAPE[0] * SHAPE[1])[:30]
    labels.ravel()[where] = 1
    labels.ravel()[where[:3]] = 2
    pair = SceneWithLabels(
        str(make_tif(places, "scene.tif")), make_tif(labels, "labels.tif", nodata=255)
    )
    return pair, labels


def loaded(pair, folder, augment=STILL, **settings):
    fields = {"split": {"block": 8, "buffer": 0, "test": 0.0}, "augment": augment, **settings}
    cache = CacheFolder(folder / "m.safetensors").__enter__()
    return load_training_data([pair], TrainConfig.of(fields), cache, lambda _: None, centred=PATCH)


def patches(data):
    return training_patches(replace(data, scaling=Scaling(np.zeros(1), np.ones(1))))


@pytest.mark.parametrize("scale", [0, 0.5])
def test_the_middle_pixel_is_labelled_and_the_label_is_its_own(sparse, tmp_path, scale):
    pair, labels = sparse
    made = patches(loaded(pair, tmp_path, {**STILL, "dihedral": True, "scale": scale}))
    for number in range(60):
        image, target = made[0, number]
        assert (image.shape, target.shape) == ((1, PATCH, PATCH), (1, 1))
        if scale == 0:
            place = int(image[0, PATCH // 2, PATCH // 2]) - 1
            assert target[0, 0] == labels.ravel()[place] - 1
        assert target[0, 0] >= 0


def test_rare_classes_are_seen_as_often_and_each_labelled_pixel_is_seen(sparse, tmp_path):
    data = loaded(sparse[0], tmp_path)
    made = patches(data)
    samples = [made[0, number] for number in range(400)]
    assert np.mean([target[0, 0] == 1 for _, target in samples]) == pytest.approx(0.5, abs=0.1)
    seen = {int(image[0, PATCH // 2, PATCH // 2]) for image, _ in samples}
    assert len(seen) == data.split.labelled(TRAIN).sum()


def test_in_a_cell_of_several_classes_each_has_the_same_chance():
    labels = np.array([[0, 0, 0, -1], [0, 2, 0, -1]])
    rng = np.random.default_rng(0)
    chosen = [_of_one_class(rng, labels) for _ in range(200)]
    assert {mask.sum() for mask in chosen} == {1, 5}
    assert np.mean([mask[1, 1] for mask in chosen]) == pytest.approx(0.5, abs=0.1)
    numbers = np.array([[0.5, np.nan, 2.0]], np.float32)
    assert _of_one_class(rng, numbers).tolist() == [[True, False, True]]


def test_a_patch_is_a_function_of_epoch_and_number(sparse, tmp_path):
    made = patches(loaded(sparse[0], tmp_path, {**STILL, "dihedral": True, "scale": 0.2}))
    assert all(np.array_equal(a, b) for a, b in zip(made[2, 7], made[2, 7], strict=True))
    assert not np.array_equal(made[2, 7][0], made[3, 7][0])


def test_patches_have_the_side_of_the_network(sparse, tmp_path):
    assert loaded(sparse[0], tmp_path).patch == PATCH
    with pytest.raises(OptionError, match="patches.size is 64.* takes patches of 65 pixels"):
        loaded(sparse[0], tmp_path, patches={"size": 64})
    with pytest.raises(OptionError, match="'grid'.*middle pixel only; use 'balanced' or 'random'"):
        loaded(sparse[0], tmp_path, patches={"sampling": "grid"})


@pytest.mark.slow
def test_a_network_of_patches_learns(make_tif, tmp_path):
    """The validation and test ground is measured with the network run densely."""
    rng = np.random.default_rng(0)
    classes = np.kron(rng.integers(0, 3, (8, 10)), np.ones((16, 16), np.int64))
    means = np.array([[100, 200, 300], [300, 100, 200], [200, 300, 100]])
    image = means[classes].transpose(2, 0, 1) + rng.normal(0, 20, (3, *classes.shape))
    scene = make_tif(image.clip(1).astype(np.uint16), "scene.tif")
    pair = SceneWithLabels(str(scene), make_tif((classes + 1).astype(np.uint8), "labels.tif"))
    config = TrainConfig.of(
        {
            "model": {
                "architecture": "patch-cnn",
                "options": {"widths": [8, 8, 8, 8], "hidden": 16},
            },
            "split": {"block": 16, "buffer": 0},
            "patches": {"per_epoch": 128},
            "training": {"epochs": 4, "batch": 8, "workers": 0, "device": "cpu"},
        }
    )
    trained = train([pair], tmp_path / "m.safetensors", config)
    assert trained.card.metrics["mIoU, test"] > 0.4
    assert trained.card.architecture.name == "patch_cnn"
    assert trained.card.training["patches"].startswith("128 of 65 x 65 pixels")
    _, network = load_model(tmp_path / "m.safetensors")
    assert network(torch.zeros(1, 3, 9, 10)).shape == (1, 3, 9, 10)


def test_a_network_of_patches_is_no_autoencoder(make_tif, settings, tmp_path):
    scene = make_tif(checkered()[1])
    config = settings.updated(
        {"task": "autoencoder", "model.architecture": "patch_cnn", "model.options": {}}
    )
    with pytest.raises(OptionError, match="patch_cnn learns of a patch's middle pixel only"):
        train([SceneWithLabels(str(scene), None)], tmp_path / "m.safetensors", config)


@pytest.mark.slow
def test_a_network_of_single_pixels_learns_from_labelled_ones_only(make_tif, tmp_path):
    rng = np.random.default_rng(0)
    classes = np.kron(rng.integers(0, 3, (8, 10)), np.ones((8, 8), np.int64))
    means = np.array([[100, 200, 300], [300, 100, 200], [200, 300, 100]])
    image = means[classes].transpose(2, 0, 1) + rng.normal(0, 20, (3, *classes.shape))
    scene = make_tif(image.clip(1).astype(np.uint16), "scene.tif")
    pair = SceneWithLabels(str(scene), make_tif((classes + 1).astype(np.uint8), "labels.tif"))
    trained = train([pair], tmp_path / "m.safetensors", of_pixels("dense-classifier"))
    assert trained.card.metrics["mIoU, test"] > 0.9
    assert trained.card.training["patches"].startswith("256 of 1 x 1 pixels")


def of_pixels(architecture, **more):
    return TrainConfig.of(
        {
            "model": {"architecture": architecture, "options": {}},
            "split": {"block": 16, "buffer": 0},
            "patches": {"size": 1, "per_epoch": 256},
            "training": {"epochs": 4, "batch": 16, "workers": 0, "device": "cpu"},
            **more,
        }
    )


@pytest.mark.parametrize("architecture", ["cnn1d", "spectratr", "spectralformer", "band_attention"])
def test_networks_of_spectra_take_single_pixels(architecture):
    assert check_network(of_pixels(architecture)) == 1


@pytest.mark.parametrize("architecture", ["segnet", "conv_autoencoder"])
def test_what_sees_the_surroundings_takes_no_single_pixels(architecture):
    with pytest.raises(
        OptionError, match=f"size is 1, but {architecture} also sees .* multiple of 32"
    ):
        check_network(of_pixels(architecture))


def test_an_autoencoder_takes_no_single_pixels():
    with pytest.raises(OptionError, match="size is 1.*autoencoder learns without labels"):
        check_network(of_pixels("dense_autoencoder", task="autoencoder"))


@pytest.mark.parametrize(("sampling", "rare"), [("random", 1 / 16), ("balanced", 1 / 2)])
def test_in_a_cell_each_pixel_or_each_class_has_the_same_chance(make_tif, tmp_path, sampling, rare):
    labels = np.ones((32, 32), np.uint8)
    labels[::4, ::4] = 2  # one pixel of every cell
    scene = make_tif(np.ones((1, 32, 32), np.uint8), "scene.tif")
    pair = SceneWithLabels(str(scene), make_tif(labels, "labels.tif"))
    data = loaded(pair, tmp_path, patches={"sampling": sampling})
    made = patches(data)
    found = np.mean([int(made[0, number][1][0, 0]) == 1 for number in range(400)])
    assert found == pytest.approx(rare, abs=0.08)
