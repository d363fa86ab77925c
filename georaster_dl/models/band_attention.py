"""Attention among the bands of a pixel by their wavelengths: a small network of our own.

A spectrum is cut into tokens of neighbouring bands, and a token's position is its wavelength. No
weight belongs to a band, so the weights fit any number of bands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from georaster_dl.errors import OptionError
from georaster_dl.models.spectral_layers import BandConvolution, PerPixel, Transformer

__all__ = ["BandAttention"]

_KERNEL = 5
_SPACING_NM = 10.0  # of bands without wavelengths; that of most imaging spectrometers
_PERIODS_NM = (50.0, 5000.0)  # of the sines that make a position


class BandAttention(nn.Module):
    """Network of a pixel's spectrum that knows at which wavelengths it was measured.

    Parameters
    ----------
    in_bands, planes : planes in and out.
    wavelengths_nm : of the bands; where it is None or lacks one, band numbers stand for them.
    width : values of a token, even and a multiple of the heads.
    depth, heads : of the transformer.
    token : neighbouring bands that make a token.
    dropout : share that is dropped in training.

    Attributes
    ----------
    stride : total down-sampling, 1.
    feature_layer : name of the part whose output are the features, after GELU.

    Raises
    ------
    OptionError
        When the width cannot be shared by the heads, or by sines and cosines.
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
        token: int = 8,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if width % heads or width % 2:
            raise OptionError(
                f"The architecture 'band_attention' takes an even width that its heads can share, but got "
                f"width={width} and heads={heads}."
            )
        self.stride = 1
        positions = _positions(_token_wavelengths(in_bands, wavelengths_nm, token), width)
        body = nn.Sequential(
            _Stem(width, token, positions),
            *(
                Transformer(width, heads=heads, hidden=2 * width, dropout=dropout)
                for _ in range(depth)
            ),
            _AttentionPool(width),
        )
        values = max(in_bands * (width // 2), len(positions) * 3 * width)
        self.encoder = PerPixel(body, values=values)
        self.decoder = nn.Sequential(
            nn.Dropout(dropout), nn.Conv2d(width, width, 1), nn.GELU(), nn.Dropout(dropout)
        )
        self.segmentation_head = nn.Sequential(nn.Conv2d(width, planes, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Planes (N, planes, rows, cols) of an image (N, bands, rows, cols)."""
        planes: Tensor = self.segmentation_head(self.decoder(self.encoder(image)))
        return planes


def _token_wavelengths(
    in_bands: int, wavelengths_nm: Sequence[float | None] | None, token: int
) -> list[float]:
    """Mean wavelength in nm of each token's bands."""
    known = [nm for nm in wavelengths_nm or () if nm is not None]
    if len(known) < in_bands:
        known = [_SPACING_NM * number for number in range(in_bands)]
    groups = (known[start : start + token] for start in range(0, in_bands, token))
    return [sum(group) / len(group) for group in groups]


def _positions(wavelengths_nm: Sequence[float], width: int) -> Tensor:
    """Sines and cosines (tokens, width) of wavelengths, their periods a geometric series."""
    shortest, longest = _PERIODS_NM
    steps = torch.linspace(0, 1, width // 2, dtype=torch.float64)
    periods = shortest * (longest / shortest) ** steps
    angles = 2 * math.pi * torch.tensor(wavelengths_nm, dtype=torch.float64)[:, None] / periods
    return torch.cat([angles.sin(), angles.cos()], 1).float()


class _Stem(nn.Module):
    """From (pixels, bands, 1) to tokens (pixels, tokens, width) that know their wavelengths."""

    positions: Tensor

    def __init__(self, width: int, token: int, positions: Tensor) -> None:
        super().__init__()
        self._token = token
        self.shape = nn.Sequential(BandConvolution(1, width // 2, _KERNEL, 1), nn.GELU())
        self.tokens = nn.Conv1d(width // 2, width, token, token)
        # Not stored with the weights: whoever builds the network knows the wavelengths.
        self.register_buffer("positions", positions, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        missing = -pixels.shape[1] % self._token
        shape = functional.pad(self.shape(pixels.mT), (0, missing))
        tokens: Tensor = self.tokens(shape).mT + self.positions
        return tokens


class _AttentionPool(nn.Module):
    """Mean of the tokens (pixels, width), each weighted by how much it has to say."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.scores = nn.Linear(width, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = self.norm(tokens)
        shares = self.scores(tokens).softmax(1)
        pooled: Tensor = (shares * tokens).sum(1)
        return pooled
