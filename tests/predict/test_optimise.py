"""Folding BatchNorm keeps the function and drops the layer."""

import copy

import pytest
import torch
from torch import nn

from georaster_dl.models.registry import create_model
from georaster_dl.predict.engine.optimise import fold_batch_norm
from tests.networks import SmallUNet, seeded


def norms(network):
    return sum(type(m) is nn.BatchNorm2d for m in network.modules())


@pytest.mark.slow
@pytest.mark.parametrize("make", [SmallUNet, lambda: create_model("unet", in_bands=3, n_classes=4)])
def test_every_batch_norm_is_folded_and_the_output_stays(make):
    network = seeded(make())
    before = norms(network)
    folded = copy.deepcopy(network)
    fold_batch_norm(folded, 3, 32)
    x = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        expected, actual = network(x), folded(x)
    assert before > 0
    assert norms(folded) == 0
    assert norms(network) == before
    assert (actual - expected).abs().max() <= 1e-4 * expected.abs().max()


class UsedTwice(nn.Module):
    """The convolution's output goes into the norm and past it."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x):
        y = self.conv(x)
        return y + self.norm(y)


def test_a_fold_that_would_change_the_output_is_left():
    network = seeded(UsedTwice())
    folded = copy.deepcopy(network)
    fold_batch_norm(folded, 3, 4)
    assert norms(folded) == 1
    x = torch.randn(1, 3, 16, 16)
    assert torch.equal(folded(x), network(x))
