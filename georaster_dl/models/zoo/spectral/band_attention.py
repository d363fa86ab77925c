"""Attention among the bands of a pixel by their wavelengths: a small network of our own.

Tokens are windows of neighbouring bands that attend to each other, and are then summed. What a token
counts for in each sum is a smooth function of its wavelength, learnt from sines and cosines of it. So
no weight belongs to a band, and the weights fit any number of bands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

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

    def of_bands(
        self, spectra: Tensor, wavelengths_nm: Sequence[float], shown: Tensor | None = None
    ) -> Tensor:
        """Planes (n, planes) of spectra (n, bands) of any bands, as a network made for these gives them.

        Parameters
        ----------
        wavelengths_nm : (bands,) in the order of the spectra.
        shown : (tokens,) which windows of neighbouring bands are seen; the others take part in nothing.
        """
        body = cast("_Sums", self.encoder.body)
        order, positions = _placed(wavelengths_nm, body.token)
        where = body.positions.device
        values = spectra if order is None else spectra[:, order.to(where)]
        features = body.summed(values[..., None], positions.to(where), shown)
        planes: Tensor = self.segmentation_head(self.decoder(features[..., None, None]))
        return planes[:, :, 0, 0]


class _Sums(nn.Module):
    """From (pixels, bands, 1), by sums over the tokens, to (pixels, width)."""

    order: Tensor | None
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
        self.token = token
        order, positions = _placed(wavelengths_nm, token)
        # Not stored with the weights: whoever builds the network knows the wavelengths.
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("positions", positions, persistent=False)
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
        if self.order is not None:
            pixels = pixels[:, self.order]
        return self.summed(pixels, self.positions)

    def summed(self, pixels: Tensor, positions: Tensor, shown: Tensor | None = None) -> Tensor:
        """Features (pixels, width) of (pixels, bands, 1) by rising wavelength, of the tokens (tokens,) that are shown."""
        bands, count = pixels.shape[1], len(positions)
        if shown is not None:  # a token sees bands of its neighbours, too
            pixels = pixels * shown.repeat_interleave(self.token)[:bands, None]
        before = self.token // 2
        after = (count + 1) * self.token - bands - before
        tokens = self.tokens(functional.pad(pixels.mT, (before, after))).mT
        if shown is not None:
            tokens, positions = tokens[:, shown], positions[shown]
        tokens = self.blocks(tokens * (1 + self.gate(positions)) + self.place(positions))
        sums = self.values(tokens).mT @ self.shares(positions) / math.sqrt(len(positions))
        features: Tensor = self.dense(sums.flatten(1))
        return features


def _placed(wavelengths_nm: Sequence[float], token: int) -> tuple[Tensor | None, Tensor]:
    """Order (bands,) by rising wavelength, None where they have it, and the positions of the tokens."""
    rising = sorted(wavelengths_nm)
    order = sorted(range(len(rising)), key=wavelengths_nm.__getitem__)
    changed = order != list(range(len(order)))
    return torch.tensor(order) if changed else None, _positions(rising, token)


def _positions(wavelengths_nm: Sequence[float], token: int) -> Tensor:
    """Sines and cosines (tokens, waves) of the mean wavelength of each token's own bands."""
    groups = [wavelengths_nm[i : i + token] for i in range(0, len(wavelengths_nm), token)]
    centres = torch.tensor([sum(group) / len(group) for group in groups], dtype=torch.float64)
    shortest, longest = _PERIODS_NM
    steps = torch.linspace(0, 1, _WAVES // 2, dtype=torch.float64)
    angles = 2 * math.pi * centres[:, None] / (shortest * (longest / shortest) ** steps)
    return torch.cat([angles.sin(), angles.cos()], 1).float()
