import pytest
import torch
from torch import nn

from georaster_dl.models.registry import create_model

SMALL = {"widths": (4, 5, 6, 7), "hidden": 8}


@pytest.fixture
def network():
    return create_model("patch_cnn", in_bands=2, n_classes=3, **SMALL).double().eval()


@torch.inference_mode()
def test_every_pixel_gets_what_its_patch_gives(network):
    """On the border too, where the patch is filled with zeros."""
    rows, cols = 7, 37  # more than 32 columns, so that some pixels see both borders and some one
    image = torch.randn(1, 2, rows, cols, dtype=torch.float64)
    around = nn.functional.pad(image, (32, 32, 32, 32))
    patches = [around[..., r : r + 65, c : c + 65] for r in range(rows) for c in range(cols)]
    alone = network.centre(torch.cat(patches)).reshape(rows, cols, 3)
    torch.testing.assert_close(network(image)[0].permute(1, 2, 0), alone, atol=1e-10, rtol=0)


@torch.inference_mode()
def test_float32_agrees_within_rounding(network):
    image = torch.randn(1, 2, 65, 65)
    single = network.float()
    torch.testing.assert_close(
        single(image)[..., 32:33, 32:33], single.centre(image), atol=1e-5, rtol=0
    )


@torch.inference_mode()
def test_a_patch_is_used_to_its_corners(network):
    """65 pixels come down to one without a row lost, so all four corners count."""
    patch = torch.zeros(1, 2, network.patch, network.patch, dtype=torch.float64)
    assert network.centre(patch).shape == (1, 3, 1, 1)
    for row, col in [(0, 0), (0, -1), (-1, 0), (-1, -1)]:
        marked = patch.clone()
        marked[..., row, col] = torch.nan
        assert network.centre(marked).isnan().all()


def test_gradients_are_the_same_both_ways(network):
    """What is trained on patches is what runs on rasters."""
    patch = torch.randn(1, 2, 65, 65, dtype=torch.float64)
    gradients = []
    for logits in (network.centre(patch), network(patch)[..., 32:33, 32:33]):
        network.zero_grad()
        logits.square().sum().backward()
        gradients.append([weight.grad.clone() for weight in network.parameters()])
    for pooled, dense in zip(*gradients, strict=True):
        torch.testing.assert_close(pooled, dense)
