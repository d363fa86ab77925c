"""Autoencoders and classifiers with a few features per pixel, of its spectrum or its surroundings.

The layer sizes are those of Dechesne (2018). A dense layer over the bands of a pixel is a 1 x 1
convolution, so these run on rasters of any size.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["ConvAutoencoder", "DenseNetwork"]


class DenseNetwork(nn.Module):
    """Dense layers over the bands of each pixel: an autoencoder, or a classifier of its code.

    Both are one class with the same names of weights, so the one can start from the other.

    Parameters
    ----------
    in_bands, planes : planes in and out.
    code : features of a pixel.
    hidden : channels of the layers between bands and code.
    mirrored : whether the hidden layers follow the code again in reverse, as in an autoencoder.
    bounded : whether a sigmoid ends it, for bands that were scaled to 0..1.

    Attributes
    ----------
    stride : total down-sampling, 1.
    feature_layer : name of the part whose output are the features, the code after its ReLU.
    """

    feature_layer = "encoder"

    def __init__(
        self,
        in_bands: int,
        planes: int,
        *,
        code: int = 20,
        hidden: Sequence[int] = (),
        mirrored: bool,
        bounded: bool = False,
    ) -> None:
        super().__init__()
        self.stride = 1
        back = (code, *hidden[::-1]) if mirrored else (code,)
        self.encoder = _dense((in_bands, *hidden, code))
        self.decoder = _dense(back)
        head: list[nn.Module] = [nn.Conv2d(back[-1], planes, 1)]
        self.segmentation_head = nn.Sequential(*head, *([nn.Sigmoid()] if bounded else []))

    def forward(self, image: Tensor) -> Tensor:
        """Planes (N, planes, rows, cols) of an image (N, bands, rows, cols)."""
        planes: Tensor = self.segmentation_head(self.decoder(self.encoder(image)))
        return planes


def _dense(channels: Sequence[int]) -> nn.Sequential:
    """Layer after layer with a ReLU; none for a single number of channels."""
    layers = ((nn.Conv2d(before, after, 1), nn.ReLU()) for before, after in pairwise(channels))
    return nn.Sequential(*(module for layer in layers for module in layer))


class ConvAutoencoder(nn.Module):
    """Encoder and decoder without skips, with a narrow layer of features before the classes.

    It is trained on classes; the name is that of the source (Dechesne 2018). With 3 bands, 12
    classes and the defaults it has the source's 569,296 weights, in the source's layers.

    Parameters
    ----------
    in_bands, n_classes : planes in and out.
    features : features of a pixel.
    width, deconv_width : channels of the convolutions and of the transposed ones.

    Attributes
    ----------
    stride : total down-sampling, 4; rows and cols must be multiples of it.
    feature_layer : name of the part whose output are the features; they are linear, before ReLU.
    """

    feature_layer = "decoder.features"

    def __init__(
        self,
        in_bands: int,
        n_classes: int,
        *,
        features: int = 20,
        width: int = 64,
        deconv_width: int = 128,
    ) -> None:
        super().__init__()
        self.stride = 4
        self.encoder = nn.Sequential(
            *_convolutions(in_bands, width, width),
            nn.MaxPool2d(2),
            *_convolutions(width, width, width),
            nn.MaxPool2d(2),
            *_convolutions(width, width, width),
        )
        parts = OrderedDict[str, nn.Module](
            up_1=_up(width, deconv_width),
            up_2=_up(width, deconv_width),
            features=nn.Conv2d(width, features, 3, padding=1),
        )
        self.decoder = nn.Sequential(parts)
        self.segmentation_head = nn.Sequential(nn.Conv2d(features, n_classes, 3, padding=1))

    def forward(self, image: Tensor) -> Tensor:
        """Logits (N, classes, rows, cols) of an image (N, bands, rows, cols)."""
        features = self.decoder(self.encoder(image))
        logits: Tensor = self.segmentation_head(torch.relu(features))
        return logits


def _up(width: int, deconv_width: int) -> nn.Sequential:
    doubling = _Doubling(width, deconv_width)
    return nn.Sequential(doubling, nn.ReLU(), *_convolutions(deconv_width, width, width))


class _Doubling(nn.Module):
    """Transposed convolution cropped as Keras does: of 2n + 1 the last row and column go.

    torch's own ``padding=1, output_padding=1`` drops the first ones, which shifts by a pixel.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(before, after, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        doubled: Tensor = self.conv(x)
        return doubled[..., :-1, :-1]


def _convolutions(*channels: int) -> list[nn.Module]:
    """One 3 x 3 convolution with ReLU for each pair of neighbouring numbers of channels."""
    layers = ((nn.Conv2d(a, b, 3, padding=1), nn.ReLU()) for a, b in pairwise(channels))
    return [module for layer in layers for module in layer]
