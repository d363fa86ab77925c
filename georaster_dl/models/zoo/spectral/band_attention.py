"""Attention among the bands of a pixel by their wavelengths: a small network of our own.

Tokens are windows of neighbouring bands that attend to each other, and are then summed. What a token
counts for in each sum is a smooth function of its wavelength, learnt from sines and cosines of it. So
no weight belongs to a band, and the weights fit any number of bands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from georaster_dl.core.errors import OptionError
from georaster_dl.models.zoo.spectral.layers import PerPixel, Transformer

__all__ = ["BandAttention"]

_SPACING_NM = 10.0  # of bands without wavelengths; that of most imaging spectrometers
_PERIODS_NM = (50.0, 5000.0)  # of the fastest sine, and of the slowest
_WAVES = 64  # sines and cosines
_HIDDEN = 128  # of the functions of the wavelength
_VALUES = 16  # that a token is read out as
_FUNCTIONS = 32  # of the wavelength, by which each of them is summed


class BandAttention(nn.Module):
    """Network of a pixel's spectrum that knows at which wavelengths it was measured.

    Parameters
    ----------
    in_bands, planes : planes in and out.
    wavelengths_nm : of the bands; where it is None or lacks one, band numbers stand for them.
    width : values of a token, a multiple of the heads.
    depth, heads : of the transformer.
    token : bands from one token to the next, each of which sees twice as many.
    dropout : share that is dropped in training.

    Attributes
    ----------
    stride : total down-sampling, 1.
    feature_layer : name of the part whose output are the features, after GELU.

    Raises
    ------
    OptionError
        When the width cannot be shared by the heads.
    """

    feature_layer = "decoder"

    def __init__(
        self,
        in_bands: int,
        planes: int,
        *,
        wavelengths_nm: Sequence[float | None] | None = None,
        width: int = 64,
        depth: int = 2,
        heads: int = 4,
        token: int = 16,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if width % heads:
            raise OptionError(
                f"The architecture 'band_attention' takes a width that its heads can share, but got "
                f"width={width} and heads={heads}."
            )
        self.stride = 1
        known = [nm for nm in wavelengths_nm or () if nm is not None]
        if len(known) < in_bands:
            known = [_SPACING_NM * number for number in range(in_bands)]
        blocks = [
            Transformer(width, heads=heads, hidden=2 * width, dropout=dropout) for _ in range(depth)
        ]
        body = _Sums(known, width, token, blocks, dropout)
        self.encoder = PerPixel(body, values=max(in_bands, len(body.positions) * 3 * width))
        self.decoder = nn.Sequential(nn.GELU(), nn.Dropout(dropout))
        self.segmentation_head = nn.Sequential(nn.Conv2d(width, planes, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Planes (N, planes, rows, cols) of an image (N, bands, rows, cols)."""
        planes: Tensor = self.segmentation_head(self.decoder(self.encoder(image)))
        return planes


class _Sums(nn.Module):
    """From (pixels, bands, 1), by sums over the tokens, to (pixels, width)."""

    positions: Tensor

    def __init__(
        self,
        wavelengths_nm: Sequence[float],
        width: int,
        token: int,
        blocks: Sequence[nn.Module],
        dropout: float,
    ) -> None:
        super().__init__()
        self._token = token
        # Not stored with the weights: whoever builds the network knows the wavelengths.
        self.register_buffer("positions", _positions(wavelengths_nm, token), persistent=False)
        self.tokens = nn.Conv1d(1, width, 2 * token, token)
        self.place = nn.Linear(_WAVES, width)
        self.gate = nn.Linear(_WAVES, width)
        self.blocks = nn.Sequential(*blocks)
        # Not normalised before it is read: how strong a token is says how much there is of something.
        self.values = nn.Linear(width, _VALUES)
        self.shares = nn.Sequential(
            nn.Linear(_WAVES, _HIDDEN), nn.GELU(), nn.Linear(_HIDDEN, _FUNCTIONS)
        )
        self.dense = nn.Sequential(nn.Dropout(dropout), nn.Linear(_VALUES * _FUNCTIONS, width))

    def forward(self, pixels: Tensor) -> Tensor:
        bands, count = pixels.shape[1], len(self.positions)
        before = self._token // 2
        after = (count + 1) * self._token - bands - before
        tokens = self.tokens(functional.pad(pixels.mT, (before, after))).mT
        tokens = self.blocks(tokens * (1 + self.gate(self.positions)) + self.place(self.positions))
        sums = self.values(tokens).mT @ self.shares(self.positions) / math.sqrt(count)
        features: Tensor = self.dense(sums.flatten(1))
        return features


def _positions(wavelengths_nm: Sequence[float], token: int) -> Tensor:
    """Sines and cosines (tokens, waves) of the mean wavelength of each token's own bands."""
    groups = [wavelengths_nm[i : i + token] for i in range(0, len(wavelengths_nm), token)]
    centres = torch.tensor([sum(group) / len(group) for group in groups], dtype=torch.float64)
    shortest, longest = _PERIODS_NM
    steps = torch.linspace(0, 1, _WAVES // 2, dtype=torch.float64)
    angles = 2 * math.pi * centres[:, None] / (shortest * (longest / shortest) ** steps)
    return torch.cat([angles.sin(), angles.cos()], 1).float()
