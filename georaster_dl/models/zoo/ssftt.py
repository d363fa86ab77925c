"""Spectral-spatial tokens of a patch, for the class of its middle pixel (Sun et al. 2022).

Written from the description. A raster goes through the convolutions as a whole, and only the tokens
are made for each pixel anew, which gives the same numbers as cutting a patch for every pixel.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from georaster_dl.core.errors import OptionError
from georaster_dl.models.zoo.spectral.layers import (
    PerPixel,
    Transformer,
    block_pixels,
    in_blocks,
    pixel_head,
)

__all__ = ["SSFTT"]

_PATCH = 13
_KERNEL = 3
_REACH = 2  # of the two convolutions
_FILTERS = 8
_WIDTH = 64
_TOKENS = 4
_HEADS = 8
_HIDDEN = 8


class SSFTT(nn.Module):
    """Classifier of the middle pixel of 13 x 13 pixels; it sees 6 to each side.

    In place of the source's principal components stands a 1 x 1 convolution that learns with the
    rest. Without it there are the source's 153,224 weights for 16 classes.

    Parameters
    ----------
    in_bands, n_classes : planes in and out.
    reduced : planes that the bands are reduced to, at least 3.
    dropout : share that is dropped in training, of tokens.
    decoder_dropout : share of the features that is dropped in training, before the last layer.

    Attributes
    ----------
    stride : total down-sampling, 1.
    patch : rows and cols of a patch.
    feature_layer : name of the part whose output are the features, the class token.

    Raises
    ------
    OptionError
        When there are too few reduced planes for the convolution along them.
    """

    feature_layer = "decoder"
    patch = _PATCH

    def __init__(
        self,
        in_bands: int,
        n_classes: int,
        *,
        reduced: int = 30,
        dropout: float = 0.1,
        decoder_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if reduced < _KERNEL:
            raise OptionError(
                f"The architecture 'ssftt' convolves along the reduced planes and needs at least {_KERNEL}, "
                f"but got reduced={reduced}."
            )
        self.stride = 1
        self.encoder = _Convolutions(in_bands, reduced)
        left = _PATCH - 2 * _REACH
        self.decoder = PerPixel(_Tokens(dropout), values=_WIDTH * left**2, patch=left)
        self.segmentation_head = pixel_head(_WIDTH, n_classes, decoder_dropout)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (N, classes, rows, cols) of an image (N, bands, rows, cols).

        Beyond the image everything is 0, the mean of the normalised bands.
        """
        return self.centre(nn.functional.pad(image, 4 * (_PATCH // 2,)))

    def centre(self, patches: Tensor) -> Tensor:
        """Logits (N, classes, 1, 1) of the middle pixels of patches (N, bands, 13, 13)."""
        logits: Tensor = self.segmentation_head(self.decoder(self.encoder(patches)))
        return logits


class _Convolutions(nn.Module):
    """From (N, bands, rows, cols) to (N, width, rows - 4, cols - 4)."""

    def __init__(self, in_bands: int, reduced: int) -> None:
        super().__init__()
        depth = reduced - _KERNEL + 1
        # Without bias, as principal components of centred bands: 0 beyond the image stays 0.
        self.reduction = nn.Conv2d(in_bands, reduced, 1, bias=False)
        self.spectral = nn.Sequential(_CubeConvolution(), nn.BatchNorm3d(_FILTERS), nn.ReLU())
        self.spatial = nn.Sequential(
            nn.Conv2d(_FILTERS * depth, _WIDTH, _KERNEL), nn.BatchNorm2d(_WIDTH), nn.ReLU()
        )
        self._pixels = block_pixels(_FILTERS * depth)

    def forward(self, image: Tensor) -> Tensor:
        if self.training:
            return self._planes(image)
        return in_blocks(self._planes, image, pixels=self._pixels, reach=_REACH)

    def _planes(self, image: Tensor) -> Tensor:
        cube = self.spectral(self.reduction(image)[:, None])
        planes: Tensor = self.spatial(cube.flatten(1, 2))
        return planes


class _CubeConvolution(nn.Conv3d):
    """Convolution of a cube with four-axis weights, because five cannot be ``channels_last``."""

    def __init__(self) -> None:
        super().__init__(1, _FILTERS, _KERNEL)
        self.weight = nn.Parameter(self.weight.detach()[:, 0])

    def forward(self, cube: Tensor) -> Tensor:
        return nn.functional.conv3d(cube, self.weight[:, None], self.bias)


class _Tokens(nn.Module):
    """Compute class tokens (pixels, width) from the surroundings (pixels, width, places)."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.scores = nn.Parameter(nn.init.xavier_uniform_(torch.empty(_TOKENS, _WIDTH)))
        self.values = nn.Linear(_WIDTH, _WIDTH, bias=False)
        self.class_token = nn.Parameter(torch.zeros(1, 1, _WIDTH))
        self.positions = nn.Parameter(0.02 * torch.randn(_TOKENS + 1, _WIDTH))
        self.dropout = nn.Dropout(dropout)
        self.block = Transformer(_WIDTH, heads=_HEADS, hidden=_HIDDEN, dropout=dropout)

    def forward(self, surroundings: Tensor) -> Tensor:
        shares = (self.scores @ surroundings).softmax(-1).to(surroundings.dtype)
        # Values of the means instead of means of the values: the same, of 4 tokens instead of 81.
        tokens = self.values(shares @ surroundings.mT)
        first = self.class_token.to(tokens.dtype).expand(len(tokens), -1, -1)
        tokens = self.dropout(torch.cat([first, tokens], 1) + self.positions)
        return self.block(tokens)[:, 0]  # type: ignore[no-any-return]
