"""Three convolutions along the bands of a pixel, then dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from georaster_dl.models.zoo.spectral.layers import BandConvolution, PerPixel, pixel_head

__all__ = ["CNN1d"]

_FILTERS = (4, 8, 16)
_KERNELS = (32, 6, 6)
_STRIDE = 2
_DENSE = (64, 32)


class CNN1d(nn.Module):
    """Network of a pixel's spectrum, padded as in Keras; 93,405 weights for 700 bands and a quantity.

    Filters, kernels and strides are those with which a network for near-infrared spectra of forage
    was published; its activations were not, ELU is what is usual there (Cui & Fearn 2018).

    Parameters
    ----------
    in_bands, planes : planes in and out.
    decoder_dropout : share of the features that is dropped in training, before the last layer.

    Attributes
    ----------
    stride : total down-sampling, 1.
    feature_layer : name of the part whose output are the features, the last dense layer after ELU.
    """

    feature_layer = "decoder"

    def __init__(self, in_bands: int, planes: int, *, decoder_dropout: float = 0.0) -> None:
        super().__init__()
        self.stride = 1
        wide, narrow = _DENSE
        self.encoder = PerPixel(
            _Convolutions(in_bands, wide), values=_FILTERS[0] * -(-in_bands // _STRIDE)
        )
        self.decoder = nn.Sequential(nn.Conv2d(wide, narrow, 1), nn.ELU())
        self.segmentation_head = pixel_head(narrow, planes, decoder_dropout)

    def forward(self, image: Tensor) -> Tensor:
        """Planes (N, planes, rows, cols) of an image (N, bands, rows, cols)."""
        planes: Tensor = self.segmentation_head(self.decoder(self.encoder(image)))
        return planes


class _Convolutions(nn.Module):
    """From (pixels, bands, 1) to (pixels, features)."""

    def __init__(self, in_bands: int, features: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(*_layers((1, *_FILTERS)))
        left = in_bands
        for _ in _KERNELS:
            left = -(-left // _STRIDE)
        self.dense = nn.Sequential(nn.Linear(left * _FILTERS[-1], features), nn.ELU())

    def forward(self, pixels: Tensor) -> Tensor:
        features: Tensor = self.dense(self.convolutions(pixels.mT).flatten(1))
        return features


def _layers(channels: Sequence[int]) -> list[nn.Module]:
    layers = (
        (BandConvolution(before, after, kernel, _STRIDE), nn.ELU())
        for (before, after), kernel in zip(pairwise(channels), _KERNELS, strict=True)
    )
    return [module for layer in layers for module in layer]
