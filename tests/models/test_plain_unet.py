import pytest
import torch
from torch import nn

from georaster_dl.models.contract import network_stride
from georaster_dl.models.registry import create_model
from georaster_dl.models.zoo.layers import NORMS, ChannelGate, DoubleConvolution, normalisation


def test_size_of_the_published_network():
    """31,030,658 weights (Ronneberger et al. 2015), as other implementations count them too."""
    with torch.device("meta"):
        network = create_model("plain_unet", in_bands=1, n_classes=2, norm="none")
    assert sum(weight.numel() for weight in network.parameters()) == 31_030_658
    assert network_stride(network) == 16


def test_equal_shares_of_attention_change_nothing():
    gate = ChannelGate("softmax", 32)
    for weight in gate.parameters():
        nn.init.zeros_(weight)
    image = torch.randn(2, 32, 4, 4)
    torch.testing.assert_close(gate(image), image)


@pytest.mark.parametrize(("kind", "total"), [("softmax", 8.0), ("sigmoid", None)])
def test_gates(kind, total):
    """One positive weight for each channel; those of a softmax have a given sum."""
    image = torch.randn(3, 8, 4, 4)
    with torch.inference_mode():
        weights = ChannelGate(kind, 8)(image) / image
    torch.testing.assert_close(weights, weights[..., :1, :1].expand_as(weights))
    assert (weights > 0).all()
    if total is None:
        assert (weights < 1).all()
    else:
        torch.testing.assert_close(weights[..., 0, 0].sum(1), torch.full((3,), total))


@pytest.mark.parametrize(("before", "after"), [(6, 6), (4, 6)])
def test_a_residual_block_adds_its_input(before, after):
    block = DoubleConvolution(before, after, norm="none", gate="none", residual=True)
    for weight in block.body.parameters():
        nn.init.zeros_(weight)
    image = torch.randn(1, before, 4, 4)
    assert torch.equal(block(image), block.shortcut(image).relu())
    assert isinstance(block.shortcut, nn.Identity) == (before == after)


OVER = {"batch": (0, 3, 4), "instance": (3, 4), "group": (2, 3, 4), "layer": (1, 2, 3, 4)}


@pytest.mark.parametrize("kind", NORMS)
def test_norms(kind):
    """What has mean 0 and deviation 1 afterwards, and that nothing smaller has."""
    # 16 groups of 3 channels, each channel with a mean and a deviation of its own
    image = torch.randn(4, 48, 8, 8) * (1 + torch.rand(48, 1, 1)) + torch.randn(48, 1, 1)
    normalised = nn.Sequential(*normalisation(kind, 48)).train()(image).unflatten(1, (16, 3))
    if kind == "none":
        assert torch.equal(normalised.flatten(1, 2), image)
        return
    for measured, expected in (
        (normalised.mean(OVER[kind]), 0.0),
        (normalised.var(OVER[kind], correction=0), 1.0),
    ):
        torch.testing.assert_close(measured, torch.full_like(measured, expected), atol=1e-3, rtol=0)
    smaller = {"batch": (3, 4), "group": (3, 4), "layer": (2, 3, 4), "instance": (4,)}[kind]
    assert normalised.mean(smaller).std() > 0.02
