import pytest
import torch
from torch import nn

from georaster_dl.models.contract import network_stride
from georaster_dl.models.registry import create_model
from georaster_dl.models.zoo.segnet import pool, unpool


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_unpooling_is_that_of_torch(memory):
    image = torch.randn(2, 5, 8, 12).to(memory_format=memory)
    maxima, places = pool(image)
    expected, indices = nn.functional.max_pool2d(image, 2, return_indices=True)
    assert torch.equal(maxima, expected)
    assert torch.equal(unpool(maxima, places), nn.functional.max_unpool2d(expected, indices, 2))


def test_of_equal_values_the_first_is_the_maximum():
    image = torch.ones(1, 2, 4, 4)
    expected, indices = nn.functional.max_pool2d(image, 2, return_indices=True)
    assert torch.equal(unpool(*pool(image)), nn.functional.max_unpool2d(expected, indices, 2))


def test_gradients_go_to_the_maxima():
    image = torch.randn(1, 1, 4, 4, requires_grad=True)
    unpool(*pool(image)).sum().backward()
    assert torch.equal(image.grad.bool(), unpool(*pool(image)).bool())


def test_size_of_the_published_network():
    """29.4 million weights (Badrinarayanan et al. 2017)."""
    published = {"widths": (64, 128, 256, 512, 512), "depths": (2, 2, 3, 3, 3)}
    with torch.device("meta"):
        network = create_model("segnet", in_bands=3, n_classes=12, **published)
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert len(layers) == 26
    assert sum(weight.numel() for weight in network.parameters()) == 29_441_996
    assert network_stride(network) == 32
