"""A transformer over the tokens of a pixel's spectrum, five bands each."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from georaster_dl.models.zoo.spectral.layers import Attention, BandConvolution, PerPixel, pixel_head

__all__ = ["SpectraTr"]

_BANDS = 5  # a token
_FILTERS = 140
_WIDTH = 64
_TOKEN = 32
_DENSE = (512, 64, 8)


class SpectraTr(nn.Module):
    """Network of a pixel's spectrum; 2,386,041 weights for 700 bands and a quantity.

    After SpectraTr (Fu et al. 2022) as it was built for near-infrared spectra of forage, with one
    attention layer that is normalised after the only residual. Not printed there and so chosen
    here: the activations (GELU), the heads, the share of dropout and the noise.

    Parameters
    ----------
    in_bands, planes : planes in and out.
    heads, key_dim : of the attention; only their product changes the number of weights.
    pooled : whether the dense layers see the mean of the tokens instead of each, which leaves
        108,665 of the weights.
    dropout : share of the first dense layer that is dropped in training.
    noise : standard deviation of noise added to the normalised bands in training.
    decoder_dropout : share of the features that is dropped in training, before the last layer.

    Attributes
    ----------
    stride : total down-sampling, 1.
    feature_layer : name of the part whose output are the 8 features, after GELU.
    """

    feature_layer = "decoder"

    def __init__(
        self,
        in_bands: int,
        planes: int,
        *,
        heads: int = 2,
        key_dim: int = 64,
        pooled: bool = False,
        dropout: float = 0.1,
        noise: float = 0.01,
        decoder_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.stride = 1
        tokens = -(-in_bands // _BANDS)
        wide, middle, narrow = _DENSE
        summary = nn.Sequential(
            nn.Linear(_TOKEN * (1 if pooled else tokens), wide),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(wide, middle),
            nn.GELU(),
        )
        body = nn.Sequential(_Noise(noise), _Tokens(tokens, heads, key_dim), _Pool(pooled), summary)
        self.encoder = PerPixel(body, values=tokens * max(3 * heads * key_dim, _FILTERS))
        self.decoder = nn.Sequential(nn.Conv2d(middle, narrow, 1), nn.GELU())
        self.segmentation_head = pixel_head(narrow, planes, decoder_dropout)

    def forward(self, image: Tensor) -> Tensor:
        """Planes (N, planes, rows, cols) of an image (N, bands, rows, cols)."""
        planes: Tensor = self.segmentation_head(self.decoder(self.encoder(image)))
        return planes


class _Noise(nn.Module):
    def __init__(self, deviation: float) -> None:
        super().__init__()
        self._deviation = deviation

    def forward(self, spectra: Tensor) -> Tensor:
        return spectra + self._deviation * torch.randn_like(spectra) if self.training else spectra


class _Tokens(nn.Module):
    """From (pixels, bands, 1) to (pixels, tokens, 32)."""

    def __init__(self, tokens: int, heads: int, key_dim: int) -> None:
        super().__init__()
        self.convolution = nn.Sequential(BandConvolution(1, _FILTERS, _BANDS, _BANDS), nn.GELU())
        self.projection = nn.Linear(_FILTERS, _WIDTH)
        self.positions = nn.Parameter(0.02 * torch.randn(tokens, _WIDTH))
        self.attention = Attention(_WIDTH, heads, key_dim)
        self.norm = nn.LayerNorm(_WIDTH)
        self.dense = nn.Sequential(
            nn.Linear(_WIDTH, _WIDTH), nn.GELU(), nn.Linear(_WIDTH, _TOKEN), nn.GELU()
        )

    def forward(self, spectra: Tensor) -> Tensor:
        tokens = self.projection(self.convolution(spectra.mT).mT) + self.positions
        refined: Tensor = self.dense(self.norm(tokens + self.attention(tokens)))
        return refined


class _Pool(nn.Module):
    def __init__(self, pooled: bool) -> None:
        super().__init__()
        self._pooled = pooled

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.mean(1) if self._pooled else tokens.flatten(1)
