"""Small networks whose behaviour is known, over tiles or without some of their bands."""

import torch
from torch import nn

from georaster_dl.core.bands import SENTINEL2
from georaster_dl.models.package.card import Architecture
from georaster_dl.models.package.file import network_of, save_model
from tests.cards import card


class Planes(nn.Module):
    """Returns its first ``n`` input planes: the identity of segmentation."""

    def __init__(self, n):
        super().__init__()
        self.n = n

    def forward(self, x):
        return x[:, : self.n] * 1.0


class SmallUNet(nn.Module):
    """Fully convolutional, BatchNorm, stride 4, nearest up-sampling; exact halo below 24."""

    def __init__(self, in_bands=3, n_classes=4):
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(in_bands, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.b = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.c = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.d = nn.Conv2d(16, n_classes, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.up = nn.Upsample(scale_factor=4)

    def forward(self, x):
        a = self.a(x)
        c = self.c(self.pool(self.b(self.pool(a))))
        return self.d(torch.cat([a, self.up(c)], 1))


def seeded(network, seed=0):
    """The network in eval mode with random weights and random BatchNorm statistics."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = torch.randn(module.weight.shape, generator=generator) * 0.3
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            module.weight.data.uniform_(0.5, 2, generator=generator)
            module.bias.data.normal_(generator=generator)
    return network.eval()


S2_NAMES = tuple(band.name for band in SENTINEL2 if band.name != "B10")
S2_REQUIRED = (("B03",), ("B04",), ("B08", "B8A"))
S2_OPTIONS = {"mixed": 8, "widths": [4, 6], "optional_bands": True}
S2_EXACT = 8  # as the halo probe finds it


def optional_card(**fields):
    """Card of a small model of 12 bands of Sentinel-2, most of which may be absent."""
    described = card(
        **{"bands": S2_NAMES, "stride": 2, "default": 8, "exact": S2_EXACT, "name": "s2-landcover"}
        | fields
    )
    architecture = Architecture(name="spectral_unet", options=S2_OPTIONS)
    return described.model_copy(
        update={"architecture": architecture, "required_bands": S2_REQUIRED}
    )


def optional_network(described):
    """Network of such a card whose random weights make much of which bands are there."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = seeded(network_of(described))
    generator = torch.Generator().manual_seed(1)
    for layer in network.encoder.presence.modules():
        if isinstance(layer, nn.Linear):
            layer.weight.data = torch.randn(layer.weight.shape, generator=generator) * 0.5
            layer.bias.data = torch.randn(layer.bias.shape, generator=generator) * 0.5
    return network


def save_optional(path, **fields):
    """Save such a model; returns its path."""
    described = optional_card(**fields)
    save_model(path, described, optional_network(described))
    return path
