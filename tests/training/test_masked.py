"""Autoencoders that learn what is hidden from them."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from georaster_dl.core.errors import OptionError
from georaster_dl.models.package.file import load_model
from georaster_dl.models.registry import create_model
from georaster_dl.predict.denoise import denoise
from georaster_dl.predict.features import FeatureOutputs, features
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.loop.network import check_network, without_mask_plane
from georaster_dl.training.loop.run_folder import best_checkpoint, read_checkpoint
from georaster_dl.training.result.reconstruction import visible_mean
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.settings.resolve import resolve_defaults
from georaster_dl.training.train import train
from tests.networks import seeded
from tests.training.test_train import StopError, stop_after

MASKED = {"task": "autoencoder", "training.epochs": 1, "corruption.squares": 4}


def unlabelled(pair):
    return [SceneWithLabels(pair.scene, None)]


def hidden_of(**model):
    return resolve_defaults(
        TrainConfig.of({"task": "autoencoder", "model": model})
    ).corruption.hidden


def test_only_networks_with_skips_have_squares_hidden_by_default():
    assert hidden_of() == 0
    assert hidden_of(architecture="dense-autoencoder") == 0
    assert hidden_of(architecture="unet") == hidden_of(architecture="spectral-unet") == 0.6
    stated = TrainConfig.of(
        {"task": "autoencoder", "model": {"architecture": "unet"}, "corruption": {"hidden": 0.0}}
    )
    assert resolve_defaults(stated).corruption.hidden == 0


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("unet", {"encoder": "tu-test_resnet", "encoder_depth": 2, "decoder_channels": (8, 8)}),
        ("fpn", {"encoder": "tu-test_resnet"}),
        ("conv_autoencoder", {}),
        ("spectral_unet", {}),
        ("plain_unet", {"widths": (4, 8)}),
    ],
)
def test_a_network_without_the_mask_plane_is_the_same_where_nothing_is_hidden(name, options):
    def network(in_bands):
        return create_model(name, in_bands=in_bands, n_classes=3, **options).eval()

    masked = seeded(network(4))
    plain = without_mask_plane(masked, network(3))
    image = torch.randn(1, 3, 32, 32)
    nothing = torch.cat([image, torch.zeros(1, 1, 32, 32)], dim=1)
    with torch.inference_mode():
        torch.testing.assert_close(plain(image), masked(nothing), rtol=1e-4, atol=1e-4)
        hiding = torch.cat([image, torch.ones(1, 1, 32, 32)], dim=1)
        assert not torch.allclose(plain(image), masked(hiding), atol=1e-3)


def test_networks_that_cannot_fill_squares_are_refused():
    for name in ("dense_autoencoder", "cnn1d"):
        config = TrainConfig.of(
            {"task": "autoencoder", "model": {"architecture": name}, "corruption": {"hidden": 0.5}}
        )
        with pytest.raises(OptionError, match="sees one pixel at a time.*corruption.hidden = 0"):
            check_network(resolve_defaults(config))


@pytest.mark.slow
def test_the_package_is_a_plain_network_of_the_bands(pair, settings, tmp_path):
    path = tmp_path / "encoder.safetensors"
    card = train(unlabelled(pair), path, settings.updated(MASKED)).card
    network = load_model(path)[1]
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 3, 32, 32)
    names = ["R2 of hidden pixels", "RMSE of hidden pixels", "RMSE of their visible neighbours"]
    assert list(card.metrics) == [f"{name}, test" for name in names]
    assert "learnt to fill hidden squares" in card.limitations
    features(pair.scene, path, FeatureOutputs(tmp_path / "features.tif"))
    with_error = FeatureOutputs(tmp_path / "f.tif", error=tmp_path / "e.tif")
    for refused in (
        lambda: denoise(pair.scene, path, tmp_path / "denoised.tif"),
        lambda: features(pair.scene, path, with_error),
    ):
        with pytest.raises(OptionError, match="learnt to fill hidden squares"):
            refused()


@pytest.mark.slow
def test_classes_start_from_it_and_so_does_a_masked_autoencoder(pair, settings, tmp_path):
    path = tmp_path / "encoder.safetensors"
    train(unlabelled(pair), path, settings.updated(MASKED))
    start = {"start.weights": str(path), "training.epochs": 1}
    tensors = len(load_file(path))
    for number, more in enumerate(({}, MASKED)):
        pairs = unlabelled(pair) if more else [pair]
        then = train(pairs, tmp_path / f"{number}.safetensors", settings.updated(more | start))
        assert f"{tensors - 2} of {tensors} tensors" in then.card.training["started"]


@pytest.mark.slow
def test_a_run_that_rehearses_goes_on_with_the_mask_plane(pair, settings, tmp_path):
    path = tmp_path / "first.safetensors"
    first = train(unlabelled(pair), path, settings.updated(MASKED))
    going_on = {"start.weights": str(path), "start.rehearse": str(first.folder)}
    still = settings.updated(MASKED | going_on | {"training.learning_rate": 1e-30})
    second = train(unlabelled(pair), tmp_path / "second.safetensors", still)
    assert "the mask plane of the run to rehearse" in second.card.training["started"]
    kernels = []
    for run in (first.folder, second.folder):
        state = read_checkpoint(best_checkpoint(run))["state_dict"]
        kernels.append(next(each for each in state.values() if each.shape[1:2] == (4,)))
    torch.testing.assert_close(*kernels, rtol=0, atol=1e-20)


@pytest.mark.slow
def test_a_resumed_run_equals_an_unbroken_one(pair, settings, tmp_path):
    config = settings.updated(MASKED | {"training.epochs": 3})
    whole = train(unlabelled(pair), tmp_path / "whole.safetensors", config)
    broken = tmp_path / "broken.safetensors"
    with pytest.raises(StopError):
        train(unlabelled(pair), broken, config, report=stop_after(1))
    resumed = train(unlabelled(pair), broken, config, resume=True)
    assert resumed.history == whole.history
    assert resumed.card.metrics == whole.card.metrics
    expected, found = load_file(tmp_path / "whole.safetensors"), load_file(broken)
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())


def test_the_mean_of_what_is_seen_is_exact_where_all_is_alike_and_the_bands_mean_far_away():
    image = np.full((2, 64, 64), 3, np.float32)
    seen = np.zeros((64, 64), bool)
    seen[:, :8] = True
    image[:, ~seen] = 0
    mean = visible_mean(image, seen, 8)
    np.testing.assert_allclose(mean[:, :, :14], 3, rtol=1e-4)
    assert not mean[:, :, 40:].any()
