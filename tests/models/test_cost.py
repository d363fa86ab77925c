import pytest
from torch import nn

from georaster_dl.core.errors import OptionError
from georaster_dl.models.registry import create_model
from georaster_dl.models.runtime.cost import measure_cost

from .conftest import CONVOLUTIONAL


def test_counted_by_hand():
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1)).train()
    cost = measure_cost(network, in_bands=3, stride=1)
    assert cost.macs_per_pixel == 9 * 3 * 8 + 8 * 4
    # Most is alive while the ReLU runs: the input, which the caller holds, and both its sides.
    assert cost.bytes_per_pixel == 4 * (3 + 8 + 8)
    assert network.training


def test_in_place_layers_cost_nothing():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(8, 4, 1)
    )
    assert measure_cost(network, in_bands=3, stride=1).bytes_per_pixel == 4 * (3 + 8 + 4)


def test_down_sampled_layers_cost_less():
    network = nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(1, 16, 1), nn.Upsample(scale_factor=4))
    assert measure_cost(network, in_bands=1, stride=4).macs_per_pixel == 1


def test_unet():
    network = create_model("unet", in_bands=10, n_classes=8, encoder=CONVOLUTIONAL)
    cost = measure_cost(network, in_bands=10, stride=32)
    assert 1_000 < cost.macs_per_pixel < 100_000
    assert 4 * 10 < cost.bytes_per_pixel < 2_000


def test_network_that_does_not_run():
    with pytest.raises(OptionError, match="check its number of bands"):
        measure_cost(nn.Conv2d(3, 2, 1), in_bands=4, stride=1)
