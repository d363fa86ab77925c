"""Training without labels: the bands themselves are learnt."""

import re
from dataclasses import replace

import geopandas
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import EpochEnded, TrainingStarted, Warned
from georaster_dl.models.package.file import load_model, read_card
from georaster_dl.models.runtime.device import Device
from georaster_dl.testing import checkered
from georaster_dl.tiling.split_blocks import TRAIN, VALIDATION
from georaster_dl.training.data.cache import CacheFolder
from georaster_dl.training.data.datamodule import PatchDataModule
from georaster_dl.training.data.scaling import Scaling
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.data.training_data import load_training_data
from georaster_dl.training.result.reconstruction import principal_axes, reconstruction_metrics
from georaster_dl.training.settings.config import TrainConfig, read_config
from georaster_dl.training.settings.resolve import resolve_defaults, with_code
from georaster_dl.training.train import train
from tests.training.test_train import StopError, stop_after

TINY = {
    "architecture": "conv_autoencoder",
    "options": {"features": 2, "width": 8, "deconv_width": 8},
}


CPU = Device.choose("cpu", "fp32")


@pytest.fixture
def scene(pair):
    """A scene without labels; its first 20 rows and 30 columns are nodata."""
    return SceneWithLabels(pair.scene, None)


@pytest.fixture
def config(settings):
    fields = settings.model_dump(exclude={"model"}, exclude_unset=True)
    return TrainConfig.of({**fields, "task": "autoencoder", "model": TINY})


def loaded(scene, config, folder):
    store = CacheFolder(folder / "m.safetensors").__enter__()
    return load_training_data([scene], config, store, lambda _: None)


def said(card):
    return " ".join([card.description, card.limitations, *card.training, *card.training.values()])


@pytest.mark.slow
def test_a_scene_is_all_that_is_needed(scene, config, tmp_path):
    heard = []
    config = config.updated(
        {
            "model": {"architecture": "dense_autoencoder", "options": {"code": 2, "hidden": [8]}},
            "training.epochs": 8,
            "patches.per_epoch": 32,
            "corruption.masked": 0.0,
        }
    )
    trained = train([scene], tmp_path / "m.safetensors", config, report=heard.append)
    card, network = load_model(tmp_path / "m.safetensors")
    assert card == trained.card
    assert (card.task, card.classes, card.targets, card.outputs) == ("autoencoder", (), (), 3)
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 3, 32, 32)
    names = [
        "R2 of reconstruction", "RMSE of reconstruction", "RMSE of PCA-2", "RMSE, clean input",
        "RMSE of PCA-2, clean input",
    ]  # fmt: skip
    assert list(card.metrics) == [f"{name}, test" for name in names]
    assert card.metrics["R2 of reconstruction, test"] > 0.3
    assert card.metrics["RMSE of reconstruction, test"] < 1
    assert trained.history[-1]["val_score"] > trained.history[0]["val_score"]
    # Every valid pixel is learnt from or measured on.
    counted = re.findall(r"\d+", card.training["valid pixels"])
    assert sum(map(int, counted)) == 128 * 160 - 20 * 30
    assert "label" not in said(card)
    assert not [event for event in heard if isinstance(event, Warned) and "label" in event.message]
    started = next(event.to_json() for event in heard if isinstance(event, TrainingStarted))
    assert started["valid"]["train"].keys() == {"valid"}
    assert "labelled" not in started
    assert {event.score for event in heard if isinstance(event, EpochEnded)} == {"R²"}
    assert {"train", "validation", "test"} <= set(
        geopandas.read_file(tmp_path / "m_run/split.gpkg", layer="split")["part"]
    )


@pytest.mark.slow
def test_a_resumed_run_equals_an_unbroken_one(scene, config, tmp_path):
    config = config.updated({"training.epochs": 3, "corruption.stripes": 0.1})
    whole = train([scene], tmp_path / "whole.safetensors", config)
    broken = tmp_path / "broken.safetensors"
    with pytest.raises(StopError):
        train([scene], broken, config, report=stop_after(1))
    resumed = train([scene], broken, config, resume=True)
    assert resumed.history == whole.history
    assert resumed.card.metrics == whole.card.metrics
    expected, found = load_file(tmp_path / "whole.safetensors"), load_file(broken)
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())


def test_patches_are_the_clean_bands_and_what_corruption_makes_of_them(scene, config, tmp_path):
    config = resolve_defaults(config.updated({"augment.scale": 0.25, "corruption.masked": 0.0}))
    loaders = PatchDataModule(loaded(scene, config, tmp_path), CPU)
    for given, target in (
        next(iter(loaders.train_dataloader())),
        next(iter(loaders.val_dataloader())),
    ):
        valid = target.isfinite()
        assert given.shape == target.shape
        assert (valid.all(dim=1) == valid.any(dim=1)).all()
        assert not given[~valid].any()
        assert (given - target)[valid].std() == pytest.approx(0.1, rel=0.05)
    again = next(iter(loaders.val_dataloader()))
    torch.testing.assert_close(again[0], given, rtol=0, atol=0)


@pytest.mark.slow
def test_values_are_not_varied_and_the_settings_say_so(scene, config, tmp_path):
    train([scene], tmp_path / "m.safetensors", config.updated({"training.epochs": 1}))
    augment = read_config(tmp_path / "m_run/config.toml").augment
    assert (augment.dihedral, augment.scale) == (True, 0.25)
    assert not any((augment.gain, augment.band_gain, augment.haze, augment.offset, augment.noise))


@pytest.mark.parametrize(
    ("fields", "architecture"),
    [
        ({}, "conv_autoencoder"),
        ({"model": {"architecture": "dense-autoencoder"}}, "dense_autoencoder"),
        ({"model": {"encoder": "resnet18"}}, "unet"),
    ],
)
def test_the_network_where_none_is_named(fields, architecture):
    model = resolve_defaults(TrainConfig.of({"task": "autoencoder", **fields})).model
    assert model.architecture == architecture
    assert (model.options == {}) == (architecture != "unet")


@pytest.mark.parametrize(("bands", "code"), [(200, None), (20, 10), (13, 6), (1, 1)])
def test_a_dense_code_is_narrower_than_the_bands(bands, code):
    config = TrainConfig.of({"task": "autoencoder", "model": {"architecture": "dense_autoencoder"}})
    assert with_code(resolve_defaults(config), bands).model.options.get("code") == code
    stated = config.updated({"model.options": {"code": 30}})
    assert with_code(resolve_defaults(stated), bands).model.options == {"code": 30}
    assert (
        with_code(resolve_defaults(TrainConfig.of({"task": "autoencoder"})), bands).model.options
        == {}
    )


def test_an_autoencoder_that_is_not_worth_its_time_says_so(scene, config, tmp_path):
    config = config.updated(
        {
            "model": {"architecture": "dense_autoencoder", "options": {"code": 3}},
            "training.epochs": 1,
            "patches.per_epoch": 16,
            "corruption.masked": 0.0,
        }
    )
    caution = train([scene], tmp_path / "m.safetensors", config).card.limitations
    assert "3 features for 3 bands, so it can copy" in caution
    assert "worse" in caution
    assert "PCA-3" in caution


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["mse", "sam"])
def test_other_networks_give_the_bands_too(pair, settings, tmp_path, loss):
    """A U-Net of segmentation_models_pytorch, whose code has no width that is stated."""
    config = settings.updated(
        {"task": "autoencoder", "loss.reconstruction": loss, "training.epochs": 1}
    )
    card = train([pair], tmp_path / "m.safetensors", config).card
    assert (card.architecture.name, card.outputs) == ("unet", 3)
    assert not [name for name in card.metrics if "PCA" in name]


# ---- principal components


def test_axes_are_those_of_the_training_grounds_covariance(scene, config, tmp_path):
    data = loaded(scene, config, tmp_path)
    scaling = Scaling(np.array([0.1, 0.2, 0.3]), np.array([0.1, 0.2, 0.1]))
    reader = data.split.reader(TRAIN)
    windows = data.split.sampler(TRAIN, "grid", data.patch).windows
    read = [reader.read(window)[:2] for window in windows]
    spectra = np.concatenate([scaling.apply(image, valid)[:, valid] for image, valid in read], 1)
    data = replace(data, scaling=scaling)
    mean, axes = principal_axes(data, 2)
    np.testing.assert_allclose(mean, spectra.mean(axis=1), atol=1e-5)
    left = np.linalg.svd(spectra - spectra.mean(axis=1, keepdims=True), full_matrices=False)[0]
    np.testing.assert_allclose(axes @ axes.T, left[:, :2] @ left[:, :2].T, atol=1e-4)
    assert principal_axes(data, 20)[1].shape == (3, 3)


class Projection(torch.nn.Module):
    """The best linear autoencoder: the projection on the axes itself."""

    def __init__(self, mean, axes):
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(mean).float()[:, None, None])
        self.register_buffer("matrix", torch.from_numpy(axes @ axes.T).float())

    def forward(self, image):
        return torch.einsum("ab,nbrc->narc", self.matrix, image - self.mean) + self.mean


def test_figures_of_a_linear_autoencoder_are_those_of_the_components(scene, config, tmp_path):
    data = loaded(scene, config, tmp_path)
    scaling = data.scaling
    network = Projection(*principal_axes(data, 2))
    found = reconstruction_metrics(data, VALIDATION, network, CPU)
    same = [
        ("RMSE of reconstruction", "RMSE of PCA-2"),
        ("RMSE, clean input", "RMSE of PCA-2, clean input"),
    ]
    for ours, theirs in same:
        assert found[f"{ours}, validation"] == pytest.approx(
            found[f"{theirs}, validation"], abs=1e-4
        )
    reader = data.split.reader(VALIDATION)
    read = [reader.read(window)[:2] for window in data.evaluation_windows(VALIDATION)]
    spectra = np.concatenate([scaling.apply(image, valid)[:, valid] for image, valid in read], 1)
    given_back = network(torch.from_numpy(spectra)[None, :, :, None])[0, :, :, 0].numpy()
    rmse = np.sqrt(((given_back - spectra) ** 2).mean())
    assert found["RMSE, clean input, validation"] == pytest.approx(rmse, abs=1e-4)


# ---- weights to start from


@pytest.fixture
def trained(scene, config, tmp_path):
    path = tmp_path / "ae.safetensors"
    train([scene], path, config.updated({"training.epochs": 1}))
    return path


def started(pairs, path, config, **changes):
    """Weights after a step so small that they are those that training began with."""
    still = {"training.epochs": 1, "training.learning_rate": 1e-12, "training.weight_decay": 0.0}
    card = train(pairs, path, config.updated(still | changes)).card
    return card, load_file(path)


def fields_of(config, **sections):
    return TrainConfig.of(
        {**config.model_dump(exclude={"task", "model"}, exclude_unset=True), **sections}
    )


def test_a_segmentation_takes_all_but_the_head(trained, pair, config, tmp_path):
    chosen = fields_of(config, start={"weights": str(trained)})
    card, weights = started([pair], tmp_path / "m.safetensors", chosen)
    assert (card.task, card.architecture) == ("segmentation", read_card(trained).architecture)
    before = load_file(trained)
    assert "classes from random weights: 1, 10, 14" in card.training["started"]
    for name, tensor in weights.items():
        if not name.startswith("segmentation_head"):
            torch.testing.assert_close(tensor, before[name], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_an_autoencoder_goes_on_from_its_head_too(trained, scene, config, tmp_path):
    chosen = fields_of(config, task="autoencoder", start={"weights": str(trained)})
    _, weights = started([scene], tmp_path / "m.safetensors", chosen)
    for name, tensor in load_file(trained).items():
        torch.testing.assert_close(weights[name], tensor, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_a_dense_classifier_takes_the_encoder_of_a_dense_autoencoder(scene, pair, config, tmp_path):
    model = {"architecture": "dense_autoencoder", "options": {"code": 5, "hidden": [7]}}
    first = tmp_path / "ae.safetensors"
    sections = fields_of(config, task="autoencoder", model=model)
    train([scene], first, sections.updated({"training.epochs": 1}))
    classifier = fields_of(
        config, model={"architecture": "dense-classifier"}, start={"weights": str(first)}
    )
    card, weights = started([pair], tmp_path / "m.safetensors", classifier)
    assert card.architecture.name == "dense_classifier"
    assert card.architecture.options == {"code": 5, "hidden": [7]}
    before = load_file(first)
    for name, tensor in weights.items():
        if name.startswith("encoder"):
            torch.testing.assert_close(tensor, before[name], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "stated", "rate"),
    [("segmentation", None, 3e-3), ("segmentation", 1e-4, 1e-4), ("autoencoder", None, None)],
)
def test_learning_labels_from_an_autoencoder_is_no_fine_tuning(trained, task, stated, rate):
    training = {} if stated is None else {"learning_rate": stated}
    fields = {"task": task, "start": {"weights": str(trained)}, "training": training}
    assert resolve_defaults(TrainConfig.of(fields)).training.learning_rate == rate


# ---- what is refused


def test_labels_and_tasks_that_do_not_go_together(scene, config, settings, tmp_path):
    path = tmp_path / "m.safetensors"
    with pytest.raises(OptionError, match=r"scene.tif has no labels, but the task segmentation"):
        train([scene], path, settings)
    with pytest.raises(OptionError, match="without labels, but labels.class_field is set"):
        train([scene], path, config.updated({"labels.class_field": "crop"}))


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ({"kind": "column"}, "there are no labels; list scene,split in a CSV"),
        ({"kind": "scenes"}, "3 parts but the scenes make 1 place"),
        ({"block": 4000}, "3 parts but the scenes make 1 block"),
    ],
)
def test_splits_of_scenes_without_labels(scene, config, tmp_path, split, words):
    changed = config.updated({f"split.{key}": value for key, value in split.items()})
    with pytest.raises(OptionError, match=words):
        train([scene], tmp_path / "m.safetensors", changed)


def test_a_scene_without_a_valid_pixel(make_tif, config, tmp_path):
    nothing = make_tif(np.zeros_like(checkered()[1]), nodata=0)
    with pytest.raises(OptionError, match=r"No pixel is valid: .* is nodata or masked everywhere"):
        train([SceneWithLabels(str(nothing), None)], tmp_path / "m.safetensors", config)
