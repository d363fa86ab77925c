"""The features of a network: the planes of one of its layers, at the image's size."""

import pytest
import torch

from georaster_dl.core.errors import OptionError
from georaster_dl.models.registry import create_model
from georaster_dl.models.runtime.features import FeatureNetwork
from georaster_dl.predict.engine.optimise import optimise_network

CONVOLUTIONAL = "tu-test_resnet"


def network_of(name, in_bands=4, n_classes=5, **options):
    torch.manual_seed(0)
    return create_model(name, in_bands=in_bands, n_classes=n_classes, **options).eval()


def image(bands=4, side=64):
    return torch.randn(1, bands, side, side, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def test_an_autoencoders_features_are_its_code():
    network = network_of("dense_autoencoder", n_classes=4, code=3)
    made = FeatureNetwork(network, 4)
    assert (made.features, made.layer, made.stride) == (3, "encoder", 1)
    torch.testing.assert_close(made(image()), network.encoder(image()))


@torch.inference_mode()
def test_features_of_the_convolutional_autoencoder_are_linear():
    network = network_of("conv_autoencoder", features=7, width=8, deconv_width=8)
    made = FeatureNetwork(network, 4)(image())
    assert made.shape == (1, 7, 64, 64)
    assert made.min() < 0
    torch.testing.assert_close(network.segmentation_head(made.relu()), network(image()))


@torch.inference_mode()
@pytest.mark.parametrize("name", ["unet", "fpn"])
def test_features_of_other_networks_enter_their_head(name):
    network = network_of(name, encoder=CONVOLUTIONAL)
    made = FeatureNetwork(network, 4)
    features = made(image())
    assert features.shape == (1, made.features, 64, 64)
    assert made.layer == "input of segmentation_head"
    if name == "unet":
        torch.testing.assert_close(network.segmentation_head(features), network(image()))
    else:  # its head takes planes at a quarter of the size, which come repeated
        head = network.segmentation_head(features[..., ::4, ::4])
        torch.testing.assert_close(head, network(image()))


@torch.inference_mode()
def test_a_layer_by_name():
    network = network_of("conv_autoencoder", features=7, width=8, deconv_width=8)
    made = FeatureNetwork(network, 4, "encoder.4")(image())
    assert made.shape == (1, 8, 64, 64)
    torch.testing.assert_close(made[..., ::2, ::2], network.encoder[:5](image())[..., :, :])
    torch.testing.assert_close(made[..., 1::2, 1::2], made[..., ::2, ::2])


@torch.inference_mode()
def test_error_is_in_standard_deviations_of_the_bands():
    network = network_of("dense_autoencoder", n_classes=4, code=3)
    made = FeatureNetwork(network, 4, error=True)(image())
    expected = (network(image()) - image()).square().mean(dim=1).sqrt()
    torch.testing.assert_close(made[:, 3], expected)
    torch.testing.assert_close(made[:, :3], network.encoder(image()))


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("encodr", r"no layer 'encodr' \(did you mean 'encoder'"),
        ("encoder", "gives a list of an image"),
        ("segmentation_head.0.weight", "no layer"),
    ],
)
def test_what_is_no_layer_is_refused(layer, said):
    with pytest.raises(OptionError, match=said):
        FeatureNetwork(network_of("unet", encoder=CONVOLUTIONAL), 4, layer)


@pytest.mark.slow
@pytest.mark.parametrize("inner", [False, True])
def test_preparing_changes_no_feature(inner):
    """A layer whose BatchNorm would be folded into it must give what it gave before."""
    network = network_of("unet", encoder=CONVOLUTIONAL)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    name = None
    if inner:
        name = next(
            key for key, module in network.named_modules()
            if isinstance(module, torch.nn.Conv2d) and key.startswith("encoder") and key.count(".") > 2
        )  # fmt: skip
    made = FeatureNetwork(network, 4, name)
    with torch.inference_mode():
        expected = made(image())
        prepared = optimise_network(made, 4, made.stride, torch.device("cpu"))
        torch.testing.assert_close(prepared(image()), expected, atol=1e-5, rtol=1e-4)
