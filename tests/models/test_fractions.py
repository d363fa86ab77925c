"""Networks and cards of fractions: what a pixel consists of."""

import pytest
import torch

from georaster_dl.core.errors import ModelPackageError, OptionError
from georaster_dl.models.contract import (
    append_to_head,
    feature_layer,
    last_convolution,
    network_stride,
)
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import load_model
from georaster_dl.models.registry import create_model, describe_model
from georaster_dl.models.zoo.heads.fractions import Fractions
from georaster_dl.testing import small_card, write_model

COVERS = ("tree", "grass", "soil")
TARGETS = [{"name": name} for name in COVERS]
NETWORKS = {
    "unet": {"encoder": "tu-test_resnet", "encoder_depth": 2, "decoder_channels": (6, 4)},
    "fpn": {"encoder": "tu-test_resnet", "encoder_depth": 4},
    "plain_unet": {},
    "segnet": {},
    "spectral_unet": {"mixed": 5, "widths": (4, 6)},
    "ssftt": {"reduced": 4},
    "patch_cnn": {"widths": (4, 5, 6, 7), "hidden": 8},
    "cnn1d": {"decoder_dropout": 0.1},
    "spectralformer": {},
    "spectratr": {"key_dim": 4},
    "band_attention": {},
}


def _pair(name, **options):
    """A network without and with the head, of the same random weights."""
    made = []
    for head in ("plain", "fractions"):
        torch.manual_seed(0)
        network = create_model(name, in_bands=9, n_classes=3, head=head, **options)
        made.append(network.eval())
    return made


@pytest.mark.parametrize("name", NETWORKS)
@torch.inference_mode()
def test_outputs_are_the_softmax_of_the_plain_network(name):
    plain, network = _pair(name, **NETWORKS[name])
    side = 2 * network_stride(plain)
    image = 5 * torch.randn(2, 9, side, side)
    fractions = network(image)
    # Layers that up-sample logits here do so behind the last convolution, and in front of the softmax.
    torch.testing.assert_close(fractions, plain(image).softmax(1))
    assert (fractions >= 0).all()
    assert (fractions.sum(1) - 1).abs().max() < 1e-6
    assert plain.state_dict().keys() == network.state_dict().keys()
    assert last_convolution(plain) == last_convolution(network)
    assert feature_layer(plain) == feature_layer(network)


@torch.inference_mode()
def test_patches_of_a_patch_network_get_fractions_too():
    plain, network = _pair("patch_cnn", **NETWORKS["patch_cnn"])
    patches = torch.randn(4, 9, network.patch, network.patch)
    torch.testing.assert_close(network.centre(patches), plain.centre(patches).softmax(1))


@torch.inference_mode()
def test_the_mean_of_an_ensemble_keeps_the_sum():
    network = create_model(
        "ensemble", in_bands=9, n_classes=6, members=3, spread=True, head="fractions"
    ).eval()
    image = 20 * torch.randn(2, 9, 5, 7)
    planes = network(image)
    each = torch.stack([member(image) for member in network.members])
    torch.testing.assert_close(planes[:, :3], each.mean(0))
    torch.testing.assert_close(planes[:, 3:], each.std(0, correction=0))
    assert (planes[:, :3].sum(1) - 1).abs().max() < 1e-6
    assert (planes >= 0).all()


@torch.inference_mode()
@pytest.mark.parametrize("name", ["unet", "spectral_unet", "cnn1d"])
def test_fractions_of_half_precision_are_right_to_a_hundredth(name):
    _, network = _pair(name, **NETWORKS[name])
    image = torch.randn(1, 9, 64, 64)
    single = network(image)
    with torch.autocast("cpu", torch.bfloat16):
        half = network(image)
    assert half.dtype == torch.float32
    assert (half.sum(1) - 1).abs().max() < 1e-6
    assert (half - single).abs().max() < 1e-2


def test_a_network_without_a_head_that_can_be_continued_is_refused():
    with pytest.raises(
        OptionError, match=r"Linear has no `segmentation_head` .* \(its parts are none"
    ):
        append_to_head(torch.nn.Linear(3, 2), Fractions(), "a softmax")


def test_an_ensemble_of_fractions_without_spreads_is_refused():
    with pytest.raises(OptionError, match="averages fractions as values .* spread=true"):
        create_model("ensemble", in_bands=9, n_classes=3, head="fractions")


def test_time_series_have_no_such_head():
    assert "head" not in describe_model("tempcnn")[1]
    with pytest.raises(OptionError, match="has no option 'head'"):
        create_model("tempcnn", in_bands=4, n_classes=3, head="fractions")


def test_card_tells_what_the_fractions_are_of(tmp_path):
    targets = [
        {**target, "interval": {"level": 0.9, "factor": 2, "floor": 0.1}} for target in TARGETS
    ]
    card = small_card(task="fractions", targets=targets)
    assert card.predicts == "fractions of tree, grass, soil"
    assert card.outputs == 3
    assert card.value_planes == tuple((name, 0, 1) for name in COVERS)
    assert Card.from_json(card.to_json()) == card
    members = {
        "name": "ensemble",
        "options": {"member": "cnn1d", "head": "fractions", "spread": True},
    }
    assert small_card(task="fractions", targets=targets, architecture=members).outputs == 6


@pytest.mark.parametrize(
    ("change", "limit"),
    [
        ({"targets": []}, "task fractions needs a target"),
        ({"targets": TARGETS[:1]}, "two or more targets"),
        ({"targets": TARGETS[:1] * 2}, "distinct names"),
        ({"targets": [{**t, "unit": "%"} for t in TARGETS]}, "no unit, mean 0 and std 1"),
        ({"targets": [{**t, "std": 0.5} for t in TARGETS]}, "no unit, mean 0 and std 1"),
        ({"classes": [{"value": 1, "name": "tree", "color": "#00ff00"}]}, "has no classes"),
        ({"architecture": {"name": "unet", "options": {"head": "plain"}}}, "cannot be 'plain'"),
        (
            {
                "task": "regression",
                "architecture": {"name": "unet", "options": {"head": "fractions"}},
            },
            "task must be, but it is 'regression'",
        ),
    ],
)
def test_cards_that_contradict_themselves_are_refused(change, limit):
    with pytest.raises(ModelPackageError, match=limit):
        small_card(**{"task": "fractions", "targets": TARGETS} | change)


@torch.inference_mode()
def test_a_package_gives_the_same_fractions(tmp_path):
    card, network = load_model(write_model(tmp_path / "m.safetensors", task="fractions"))
    assert [target.name for target in card.targets] == ["cover 0", "cover 1", "cover 2", "cover 3"]
    fractions = network(torch.randn(1, 3, 64, 64))
    assert (fractions.sum(1) - 1).abs().max() < 1e-6
    assert (fractions.argmax(1).unique() == torch.arange(4)).all()  # none is left out
