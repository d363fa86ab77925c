"""The Bayesian last layer: its divergence, its samples, and the networks that get one."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from georaster_dl.core.errors import OptionError
from georaster_dl.models.contract import network_stride
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import load_model, network_of, save_model
from georaster_dl.models.registry import create_model, describe_model
from georaster_dl.models.zoo.heads.bayesian import BayesianConv2d
from tests.models.conftest import card_fields

NO_DEVIATION = -40.0  # softplus(-40) = 4e-18


def layer(before=16, after=8, **options):
    torch.manual_seed(0)
    return BayesianConv2d(before, after, 1, **options)


def with_rho(bayesian, rho):
    for name, tensor in bayesian.named_parameters():
        if name.endswith("_rho"):
            nn.init.constant_(tensor, rho)
    return bayesian


def noise_of(rows=5, cols=6, planes=8):
    return torch.randn(2, planes, rows, cols, generator=torch.Generator().manual_seed(1))


def test_each_weight_has_a_mean_and_a_deviation():
    assert sum(weight.numel() for weight in layer().parameters()) == 272
    assert functional.softplus(layer().weight_rho).unique().item() == pytest.approx(
        0.0067, abs=5e-5
    )
    assert {name for name, _ in layer(bias=False).named_parameters()} == {"weight", "weight_rho"}


@pytest.mark.parametrize("bias", [True, False])
def test_divergence_from_the_standard_normal(bias):
    bayesian = with_rho(layer(bias=bias), torch.tensor(1.0).expm1().log().item())  # sigma 1
    weights = 136 if bias else 128
    for mean, each in ((0.0, 0.0), (1.0, 0.5)):
        nn.init.constant_(bayesian.weight, mean)
        if bias:
            nn.init.constant_(bayesian.bias, mean)
        assert bayesian.kl().item() == pytest.approx(each * weights, abs=1e-4)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(torch.tensor(0.3), functional.softplus(torch.tensor(-2.0))),
        torch.distributions.Normal(0.0, 1.0),
    )
    small = with_rho(BayesianConv2d(1, 1, 1, bias=False), -2.0)
    nn.init.constant_(small.weight, 0.3)
    torch.testing.assert_close(small.kl(), expected)


@torch.no_grad()
def test_without_deviation_it_is_the_plain_layer():
    plain = nn.Conv2d(16, 8, 3, padding=1)
    bayesian = with_rho(BayesianConv2d.of(plain), NO_DEVIATION)
    image = torch.randn(2, 16, 5, 6)
    for made in (bayesian.train()(image), bayesian.sampled(image, noise_of())):
        torch.testing.assert_close(made, plain(image), atol=1e-6, rtol=0)
    assert torch.equal(with_rho(bayesian, 0.0).eval()(image), plain(image))


@torch.no_grad()
def test_samples_are_distributed_as_those_of_sampled_weights():
    bayesian = with_rho(layer(), -1.0).eval()
    image = torch.randn(1, 16, 1, 1)
    made = bayesian.sampled(image.expand(20_000, -1, -1, -1), torch.randn(20_000, 8, 1, 1))
    std = functional.softplus(bayesian.weight_rho)
    outputs = torch.stack(
        [
            functional.conv2d(
                image,
                bayesian.weight + std * torch.randn_like(std),
                bayesian.bias + std.mean() * torch.randn_like(bayesian.bias),
            )[0]
            for _ in range(20_000)
        ]
    )
    torch.testing.assert_close(made.mean(0), outputs.mean(0), atol=0.05, rtol=0)
    torch.testing.assert_close(made.std(0), outputs.std(0), atol=0, rtol=0.03)


@torch.no_grad()
def test_training_samples_and_noise_of_the_caller_decides():
    bayesian, image = with_rho(layer(), 0.0), torch.randn(2, 16, 5, 6)
    bayesian.train()
    assert not torch.equal(bayesian(image), bayesian(image))
    bayesian.eval()
    assert torch.equal(bayesian.sampled(image, noise_of()), bayesian.sampled(image, noise_of()))
    assert torch.equal(bayesian.sampled(image, torch.zeros(1)), bayesian(image))


def test_large_features_in_half_precision_have_a_finite_gradient():
    bayesian, image = layer(bias=False).train(), torch.full((1, 16, 2, 2), 1e3)
    image[..., 0] = 0
    with torch.autocast("cpu", torch.float16):
        bayesian(image).float().sum().backward()
    assert all(weight.grad.isfinite().all() for weight in bayesian.parameters())


CLASSES = len(card_fields()["classes"])
NETWORKS = {
    "unet": {"encoder": "tu-test_resnet", "encoder_depth": 2, "decoder_channels": (6, 4)},
    "fpn": {"encoder": "tu-test_resnet", "encoder_depth": 4},
    "spectral_unet": {"mixed": 5, "widths": (4, 6)},
    "ssftt": {"reduced": 4},
    "patch_cnn": {"widths": (4, 5, 6, 7), "hidden": 8},
    "cnn1d": {"decoder_dropout": 0.1},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_get_one_as_their_last_layer(name, tmp_path):
    made = []
    for head in ("plain", "bayesian"):
        torch.manual_seed(0)
        network = create_model(
            name, in_bands=3, n_classes=CLASSES, head=head, **NETWORKS[name]
        ).eval()
        made.append(network)
    plain, bayesian = made
    layers = [module for module in bayesian.modules() if isinstance(module, BayesianConv2d)]
    assert len(layers) == 1
    assert layers[0].out_channels == CLASSES
    side = 8 * network_stride(plain)
    image = torch.randn(1, 3, side, side)
    with torch.inference_mode():
        assert torch.equal(plain(image), bayesian(image))
    options = {key: value for key, value in NETWORKS[name].items() if key != "encoder"}
    options = {key: list(v) if isinstance(v, tuple) else v for key, v in options.items()}
    architecture = {
        "name": name,
        "encoder": NETWORKS[name].get("encoder"),
        "options": {**options, "head": "bayesian"},
    }
    stride = network_stride(plain)
    card = Card(
        **card_fields(architecture=architecture, stride=stride, halo={"default": 4 * stride})
    )
    save_model(tmp_path / "own.safetensors", card, bayesian)
    with torch.inference_mode():
        assert torch.equal(load_model(tmp_path / "own.safetensors")[1](image), bayesian(image))
    assert sum(w.numel() for w in network_of(card).parameters()) > sum(
        w.numel() for w in plain.parameters()
    )


def test_every_architecture_says_that_it_takes_a_head():
    assert describe_model("unet")[1]["head"] == "plain"
    assert describe_model("segnet")[1]["head"] == "plain"


def test_the_members_of_an_ensemble_get_it():
    network = create_model("ensemble", in_bands=9, n_classes=3, members=2, head="bayesian")
    for member in network.members:
        assert any(isinstance(module, BayesianConv2d) for module in member.modules())


def test_other_heads_are_refused():
    with pytest.raises(
        OptionError,
        match="'unet' takes plain, bayesian, fractions or boundaries as head, but got 'deep'",
    ):
        create_model("unet", in_bands=3, n_classes=2, head="deep")
