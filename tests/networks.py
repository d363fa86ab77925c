"""Small networks whose behaviour over tiles is known."""

import torch
from torch import nn


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
