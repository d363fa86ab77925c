"""SegNet (Badrinarayanan et al. 2017): the decoder puts each maximum back where it was found.

The place is kept as one of the four of its 2 x 2 window, not as an index into the plane. So nothing
refers to the tile, and the network can be exported.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from georaster_dl.core.errors import OptionError
from georaster_dl.models.zoo.layers import Norm, convolution

__all__ = ["SegNet", "pool", "unpool"]


class SegNet(nn.Module):
    """Encoder of VGG's kind and its mirror, joined by the places of the maxima only.

    The published network has widths (64, 128, 256, 512, 512) and depths (2, 2, 3, 3, 3).

    Parameters
    ----------
    in_bands, n_classes : planes in and out.
    widths : channels at full resolution, half, a quarter, and so on; each level ends in a pooling.
    depths : convolutions of each level.
    norm : normalisation after each of them.

    Attributes
    ----------
    stride : total down-sampling; rows and cols must be multiples of it.
    feature_layer : name of the part whose output are the features of a pixel.

    Raises
    ------
    OptionError
        When widths and depths differ in number.
    """

    feature_layer = "decoder"

    def __init__(
        self,
        in_bands: int,
        n_classes: int,
        *,
        widths: Sequence[int] = (64, 128, 256, 512),
        depths: Sequence[int] = (2, 2, 3, 3),
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        if len(widths) != len(depths):
            raise OptionError(
                f"A SegNet needs one number of convolutions for each width, but got depths={tuple(depths)} "
                f"for widths={tuple(widths)}."
            )
        self.stride = 2 ** len(widths)
        levels = list(zip((in_bands, *widths), widths, depths, strict=False))
        down = [(before, *[after] * depth) for before, after, depth in levels]
        # The convolution that would lead back to the bands is the head.
        up = [(*[after] * depth, before) for before, after, depth in levels]
        up[0] = up[0][:-1]
        self.encoder = _Encoder([_convolutions(channels, norm) for channels in down])
        self.decoder = _Decoder([_convolutions(channels, norm) for channels in up[::-1]])
        self.segmentation_head = nn.Sequential(nn.Conv2d(widths[0], n_classes, 3, padding=1))

    def forward(self, image: Tensor) -> Tensor:
        """Logits (N, classes, rows, cols) of an image (N, bands, rows, cols)."""
        logits: Tensor = self.segmentation_head(self.decoder(*self.encoder(image)))
        return logits


def pool(x: Tensor) -> tuple[Tensor, Tensor]:
    """Maxima of 2 x 2 windows, and where they are: ``True`` at the first one.

    Parameters
    ----------
    x : (N, channels, rows, cols), rows and cols even.

    Returns
    -------
    (N, channels, rows / 2, cols / 2) and bool (N, channels, 4, rows / 2, cols / 2).
    """
    rows, cols = x.shape[2] // 2, x.shape[3] // 2
    windows = nn.functional.pixel_unshuffle(x, 2).reshape(*x.shape[:2], 4, rows, cols)
    places = torch.arange(4, device=x.device).view(4, 1, 1)
    return nn.functional.max_pool2d(x, 2), windows.argmax(2, keepdim=True) == places


def unpool(maxima: Tensor, places: Tensor) -> Tensor:
    """Put maxima back to their places, with 0 at the three others; the reverse of :func:`pool`."""
    return nn.functional.pixel_shuffle((maxima[:, :, None] * places).flatten(1, 2), 2)


class _Encoder(nn.Module):
    def __init__(self, stages: Sequence[nn.Module]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        places = []
        for stage in self.stages:
            x, place = pool(stage(x))
            places.append(place)
        return x, places


class _Decoder(nn.Module):
    def __init__(self, stages: Sequence[nn.Module]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor, places: list[Tensor]) -> Tensor:
        for stage, place in zip(self.stages, reversed(places), strict=True):
            x = stage(unpool(x, place))
        return x


def _convolutions(channels: Sequence[int], norm: Norm) -> nn.Sequential:
    layers = ([*convolution(a, b, norm), nn.ReLU()] for a, b in pairwise(channels))
    return nn.Sequential(*(module for layer in layers for module in layer))
