"""Several networks as one."""

import pytest
import torch

from georaster_dl.core.errors import OptionError, UnknownModelError
from georaster_dl.models.contract import network_stride
from georaster_dl.models.registry import create_model
from georaster_dl.models.runtime.halo import probe_halo


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


@torch.inference_mode()
def test_members_of_images():
    """Their encoder, stride and receptive field are those of the ensemble."""
    options = {"encoder_depth": 2, "decoder_channels": (6, 4)}
    network = _ensemble(4, member="unet", encoder="tu-test_resnet", **options)
    alone = create_model("unet", in_bands=9, n_classes=4, encoder="tu-test_resnet", **options)
    assert network.members[0].state_dict().keys() == alone.state_dict().keys()
    assert network_stride(network) == network_stride(alone) == 4
    reaches = [probe_halo(each.eval(), in_bands=9, stride=4) for each in (network, alone)]
    assert reaches[0] == reaches[1]
    assert reaches[0].exact is not None
    image = torch.randn(1, 9, 8, 12)
    expected = torch.stack([member(image).softmax(1) for member in network.members]).mean(0)
    torch.testing.assert_close(network(image).softmax(1), expected)


def test_an_unknown_member_is_named():
    with pytest.raises(UnknownModelError, match="No architecture is named 'cnn2d'"):
        _ensemble(4, member="cnn2d")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"member": "ensemble"}, "takes another architecture as member.*got 'ensemble'"),
        ({"member": 3}, "takes another architecture as member"),
        ({"member": "spectral_unet", "optional_bands": True}, "need all of their bands"),
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
