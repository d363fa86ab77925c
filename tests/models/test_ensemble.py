"""Several networks as one."""

import pytest
import torch

from georaster_dl.core.errors import OptionError
from georaster_dl.models.registry import create_model


def _ensemble(n_classes, **options):
    return create_model("ensemble", in_bands=9, n_classes=n_classes, members=3, **options).eval()


@torch.inference_mode()
def test_means_and_spreads():
    network = _ensemble(4, spread=True)
    image = torch.randn(2, 9, 3, 5)
    planes = torch.stack([member(image) for member in network.members])
    assert planes.shape == (3, 2, 2, 3, 5)
    torch.testing.assert_close(network(image)[:, :2], planes.mean(0))
    torch.testing.assert_close(network(image)[:, 2:], planes.std(0, correction=0))


@torch.inference_mode()
def test_one_member_has_no_spread():
    network = create_model("ensemble", in_bands=9, n_classes=2, members=1, spread=True).eval()
    assert (network(torch.randn(1, 9, 2, 2))[:, 1] == 0).all()


@torch.inference_mode()
def test_mean_probabilities():
    network = _ensemble(4, member="spectratr", key_dim=4)
    image = torch.randn(1, 9, 2, 3)
    expected = torch.stack([member(image).softmax(1) for member in network.members]).mean(0)
    torch.testing.assert_close(network(image).exp(), expected)
    torch.testing.assert_close(network(image).softmax(1), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"member": "unet"}, "takes cnn1d, spectratr, band_attention as member"),
        ({"member": "ensemble"}, "as member"),
        ({"members": 0}, "1 to 64 members"),
        ({"members": True}, "1 to 64 members"),
        ({"spread": 1}, "true or false as spread"),
        ({"spread": True}, "two planes for each quantity, but 3"),
        ({"member": "cnn1d", "heads": 2}, "'cnn1d' has no option 'heads'"),
    ],
)
def test_what_cannot_be_built(options, message):
    with pytest.raises(OptionError, match=message):
        create_model("ensemble", in_bands=9, n_classes=3, **options)
