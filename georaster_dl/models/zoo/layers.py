"""Parts that networks of our own share: normalisations, channel gates, pairs of convolutions."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

__all__ = [
    "GATES",
    "NORMS",
    "ChannelGate",
    "DoubleConvolution",
    "channel_dropout",
    "convolution",
    "normalisation",
]

Norm = Literal["batch", "none", "instance", "group", "layer"]
Gate = Literal["none", "sigmoid", "softmax"]

NORMS: tuple[Norm, ...] = ("batch", "none", "instance", "group", "layer")
GATES: tuple[Gate, ...] = ("none", "sigmoid", "softmax")

_MOST_GROUPS = 32  # Wu & He 2018
_SQUEEZE = 16  # Hu et al. 2018


def normalisation(kind: Norm, channels: int) -> list[nn.Module]:
    """Normalisation of so many channels, none or one module.

    In eval mode only ``batch`` is the same wherever a tile is cut. The others take their statistics
    from the input: ``instance`` from each channel, ``group`` from up to 32 groups of channels,
    ``layer`` from all channels of the whole input, as layer normalisation of images has it.
    """
    if kind == "none":
        return []
    if kind == "batch":
        return [nn.BatchNorm2d(channels)]
    groups = {"instance": channels, "group": math.gcd(channels, _MOST_GROUPS), "layer": 1}[kind]
    return [_GroupNorm(groups, channels)]


class _GroupNorm(nn.GroupNorm):
    """Group normalisation that also takes a single pixel, as the coarsest level of a small scene is."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


def convolution(before: int, after: int, norm: Norm) -> list[nn.Module]:
    """3 x 3 convolution that keeps the size, and its normalisation, which has the bias."""
    conv = nn.Conv2d(before, after, 3, padding=1, bias=norm == "none")
    return [conv, *normalisation(norm, after)]


def channel_dropout(share: float) -> list[nn.Module]:
    """Dropout of whole channels (Tompson et al. 2015), none or one module; 0 drops none."""
    return [nn.Dropout2d(share)] if share else []


class ChannelGate(nn.Module):
    """Squeeze and excitation: channels weighted by the means of all channels.

    ``sigmoid`` weights channels one by one (Hu et al. 2018). ``softmax`` shares a limited attention
    among them, times their number, so that equal shares change nothing.
    """

    def __init__(self, kind: Gate, channels: int) -> None:
        super().__init__()
        squeezed = max(channels // _SQUEEZE, 1)
        self.kind = kind
        self.weigh = nn.Sequential(
            nn.Linear(channels, squeezed), nn.ReLU(), nn.Linear(squeezed, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Weighted channels (N, channels, rows, cols)."""
        weights: Tensor = self.weigh(x.mean((2, 3)))
        weights = x.shape[1] * weights.softmax(1) if self.kind == "softmax" else weights.sigmoid()
        return x * weights[..., None, None]


class DoubleConvolution(nn.Module):
    """Two 3 x 3 convolutions, each with its normalisation and ReLU.

    Parameters
    ----------
    before, after : channels in and out.
    gate : weights of the channels of the second one, before anything is added.
    residual : whether the input is added before the last ReLU, through a 1 x 1 convolution where
        the channels differ.
    dropout : share of the channels that is dropped in training, behind the last ReLU.
    """

    def __init__(
        self,
        before: int,
        after: int,
        *,
        norm: Norm,
        gate: Gate,
        residual: bool,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *convolution(before, after, norm), nn.ReLU(), *convolution(after, after, norm)
        )
        self.gate = nn.Identity() if gate == "none" else ChannelGate(gate, after)
        self.residual = residual
        fits = before == after or not residual
        self.shortcut = nn.Identity() if fits else nn.Conv2d(before, after, 1)
        self.dropout = nn.Sequential(*channel_dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        """Features (N, after, rows, cols) of (N, before, rows, cols)."""
        y = self.gate(self.body(x))
        features: Tensor = self.dropout(torch.relu(self.shortcut(x) + y if self.residual else y))
        return features
