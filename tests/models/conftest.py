"""Cards and small networks for the tests of models."""

import os

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from georaster_dl.models.package.card import Card

# The smallest encoders there are; the batteries run on these.
CONVOLUTIONAL, TRANSFORMER = "tu-test_resnet", "tu-test_vit"
SMALL_DPT = {
    "encoder_depth": 2,
    "decoder_intermediate_channels": (16, 16),
    "decoder_fusion_channels": 16,
}


@pytest.fixture(autouse=True)
def _few_threads():
    torch.manual_seed(0)
    torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else 2)


def card_fields(**changes):
    """Fields of a valid card, as JSON has them."""
    fields = {
        "name": "toy-landcover",
        "version": "1.0",
        "description": "Three classes from three bands",
        "architecture": {
            "name": "unet",
            "encoder": CONVOLUTIONAL,
            "options": {"decoder_channels": [16, 8, 8, 8, 8]},
        },
        "bands": [
            {
                "name": f"B{i}",
                "wavelength_nm": 500.0 + 50 * i,
                "fwhm_nm": 20.0,
                "mean": 0.1 * i,
                "std": 0.05,
            }
            for i in range(1, 4)
        ],
        "resolution_m": [10, 20],
        "classes": [
            {"value": 10 * i, "name": f"class {i}", "color": f"#0{i}ff0{i}"} for i in range(1, 4)
        ],
        "stride": 32,
        "halo": {"default": 64, "exact": 320, "changed": 0.0005, "blend": 16},
        "cost": {"macs_per_pixel": 1000, "bytes_per_pixel": 100},
        "licence": "Apache-2.0",
        "metrics": {"mean IoU": 0.81},
        "calibration": {"temperature": 1.5, "ece": 0.02},
    }
    return fields | changes


@pytest.fixture
def fields():
    return card_fields


@pytest.fixture
def make_card():
    return lambda **changes: Card(**card_fields(**changes))


def opened(network):
    """Give every weight to an average: no ReLU closes a path, nothing cancels, all stays of one size.

    With plain random weights the far context is too faint to tell one halo from the next.
    """
    for module in network.modules():
        weight = getattr(module, "weight", None)
        if isinstance(weight, nn.Parameter) and weight.ndim == 4:
            inputs = (0, 2, 3) if isinstance(module, nn.ConvTranspose2d) else (1, 2, 3)
            with torch.no_grad():
                weight.abs_().add_(1e-3).div_(weight.sum(inputs, keepdim=True))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


def _block(inner, outer, norm):
    layers = []
    for channels in (inner, outer):
        layers += [nn.Conv2d(channels, outer, 3, padding=1), norm(outer), nn.ReLU()]
    return nn.Sequential(*layers)


class PlainUnet(nn.Module):
    """The textbook network: two 3x3 convolutions a level, max-pooling, nearest up-sampling."""

    def __init__(
        self, depth=3, *, in_bands=2, n_classes=3, width=4, norm=nn.BatchNorm2d, resize=None
    ):
        super().__init__()
        self.stride = 2**depth
        self.resize = resize or {"mode": "nearest"}
        self.down = nn.ModuleList(
            _block(in_bands if i == 0 else width, width, norm) for i in range(depth + 1)
        )
        self.up = nn.ModuleList(_block(2 * width, width, norm) for _ in range(depth))
        self.head = nn.Conv2d(width, n_classes, 1)

    def forward(self, x):
        x = self.down[0](x)
        skips = []
        for block in self.down[1:]:
            skips.append(x)
            x = block(F.max_pool2d(x, 2))
        for block in self.up:
            x = F.interpolate(x, scale_factor=2, **self.resize)
            x = block(torch.cat([x, skips.pop()], 1))
        return self.head(x)


@pytest.fixture
def plain_unet():
    return PlainUnet
