import numpy as np
import pytest
import torch
from torch import nn

from georaster_dl.core.errors import OptionError
from georaster_dl.models.registry import create_model
from georaster_dl.models.runtime.halo import choose_halo, probe_halo, tiling_error

from .conftest import CONVOLUTIONAL, opened


@pytest.mark.parametrize(
    ("depth", "reach", "exact"),
    [
        (2, 22, 24),
        pytest.param(3, 46, 48, marks=pytest.mark.slow),
        pytest.param(4, 94, 96, marks=pytest.mark.slow),
    ],
)
def test_textbook_unet(plain_unet, depth, reach, exact):
    network = plain_unet(depth)
    found = probe_halo(network, in_bands=2, stride=2**depth)
    assert (found.left, found.right, found.top, found.bottom) == (reach,) * 4
    assert found.exact == exact


@pytest.mark.slow
def test_unet_resnet18():
    """287 and 255 pixels on the stride grid, also by interval arithmetic.

    A single pixel can depend on 311 pixels to its left, but none such lies within 311 of the
    border of a tile that starts on the grid, so 288 is exact and 320 is never needed.
    """
    network = create_model("unet", in_bands=1, n_classes=2, encoder="resnet18")
    found = probe_halo(network, in_bands=1, stride=32)
    assert (found.left, found.right, found.exact) == (287, 255, 288)


class _Squeeze(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.gate = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        return x * self.gate(x.mean((2, 3), keepdim=True)).sigmoid()


@pytest.mark.parametrize(
    "norm",
    [nn.InstanceNorm2d, lambda n: nn.GroupNorm(2, n), _Squeeze],
    ids=["instance", "group", "squeeze"],
)
def test_statistics_over_the_input_are_global(plain_unet, norm):
    assert probe_halo(plain_unet(2, norm=norm), in_bands=2, stride=4, longest=512).exact is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"), [("fpn", {}), ("deeplabv3plus", {"decoder_channels": 16})]
)
def test_global_families(name, options):
    network = create_model(name, in_bands=2, n_classes=3, encoder=CONVOLUTIONAL, **options)
    assert probe_halo(network, in_bands=2, stride=32, longest=512).exact is None


@pytest.mark.slow
def test_resizing_that_depends_on_the_size_is_global(plain_unet):
    """NaN sees a near reach here; only the numbers show that the grid moves with the size."""
    bilinear = {"mode": "bilinear", "align_corners": False}
    assert probe_halo(plain_unet(2, resize=bilinear), in_bands=2, stride=4).exact == 28
    cornered = {"mode": "bilinear", "align_corners": True}
    assert (
        probe_halo(plain_unet(2, resize=cornered), in_bands=2, stride=4, longest=512).exact is None
    )


class _HidesNan(nn.Module):
    stride = 1

    def forward(self, x):
        return x + x.nan_to_num(0.0).mean((2, 3), keepdim=True)


def test_a_layer_that_hides_nan_is_found_out():
    assert probe_halo(_HidesNan(), in_bands=1, stride=1).exact is None


def test_probing_leaves_the_network_alone(plain_unet):
    network = plain_unet(2).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    probe_halo(network, in_bands=2, stride=4)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_one_stride_less_changes_the_output(plain_unet):
    network = opened(plain_unet(3))
    assert tiling_error(network, in_bands=2, stride=8, halo=48) < 1e-9
    assert tiling_error(network, in_bands=2, stride=8, halo=40) > 1e-9


def test_networks_that_cannot_be_probed():
    with pytest.raises(OptionError, match="does not run"):
        probe_halo(nn.Conv2d(3, 2, 1), in_bands=4, stride=1)
    with pytest.raises(OptionError, match="resize inside"):
        probe_halo(nn.Conv2d(3, 2, 3), in_bands=3, stride=1)


def _scenes(*shapes):
    random = np.random.default_rng(0)
    return [random.standard_normal((2, *shape)).astype(np.float32) for shape in shapes]


def test_chosen_halo_is_the_smallest_that_is_enough():
    """A single wide kernel, for which the halo that is needed is known: its radius."""
    network = nn.Conv2d(2, 3, 17, padding=8).train()
    scenes = _scenes((90, 123), (64, 31))
    halo, changed = choose_halo(network, scenes, stride=4, exact=8, tile=48, tolerance=1e-4)
    assert network.training
    assert halo == 8
    assert changed < 1e-4
    _, without = choose_halo(network, scenes, stride=4, exact=0, tile=48)
    nearer, share = choose_halo(network, scenes, stride=4, exact=None, tile=48, tolerance=without)
    assert nearer == 4
    assert 1e-4 < share < without


def test_chosen_halo_of_a_quantity():
    """It has no class to change: what counts is by how much values move."""
    values = {"classes": False}
    network = nn.Conv2d(2, 1, 17, padding=8)
    scenes = _scenes((90, 123), (64, 31))
    halo, changed = choose_halo(
        network, scenes, stride=4, exact=8, tile=48, **values, tolerance=1e-4
    )
    assert (halo, changed) == (8, 0)
    _, without = choose_halo(network, scenes, stride=4, exact=0, tile=48, **values)
    assert without > 0.1
    with torch.inference_mode():  # the same in another unit
        network.weight.mul_(1000)
        network.bias.add_(1e5)
    assert choose_halo(network, scenes, stride=4, exact=0, tile=48, **values)[1] == pytest.approx(
        without
    )


def test_chosen_halo_of_many_values():
    """A pixel counts once, by its worst plane and in that plane's own spread."""
    scenes = _scenes((90, 123))
    given = {"stride": 4, "exact": 0, "tile": 48, "classes": False}
    wide, point = nn.Conv2d(2, 1, 17, padding=8), nn.Conv2d(2, 1, 1)
    _, alone = choose_halo(wide, scenes, **given)

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.planes = nn.ModuleList([wide, point])

        def forward(self, x):
            return torch.cat([wide(x), 1e4 * point(x)], 1)

    assert choose_halo(Both(), scenes, **given)[1] == alone > 0.1


@pytest.mark.slow
def test_halo_that_is_never_enough_is_the_best_one(plain_unet):
    network = plain_unet(3, norm=nn.InstanceNorm2d)
    halo, changed = choose_halo(network, _scenes((90, 90)), stride=8, exact=None, tile=40)
    assert halo <= 16
    assert changed > 0.001


def test_halo_needs_scenes_larger_than_a_tile(plain_unet):
    with pytest.raises(OptionError, match="larger scene or a smaller tile"):
        choose_halo(plain_unet(2), _scenes((64, 64)), stride=4, exact=24, tile=64)
