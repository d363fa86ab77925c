"""A classifier of the pixel in the middle of a patch, run on whole rasters without cutting patches.

After Postadjian et al. (2017), who map land cover from patches of 65 x 65 pixels. Trained on
patches it pools with a stride; on a raster it keeps every pixel and spreads its kernels instead (a
trous), which gives the same numbers for every patch at a fraction of the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from georaster_dl.core.errors import OptionError

__all__ = ["PatchCNN"]

# With a pooling after each and 2 x 2 at the end: 65 > 62 > 31 > 28 > 14 > 12 > 6 > 4 > 2 > 1.
_KERNELS = (4, 4, 3, 3)
_PATCH = 65


class PatchCNN(nn.Module):
    """Classifier of the middle pixel of 65 x 65 pixels; it sees 32 to each side.

    Parameters
    ----------
    in_bands, n_classes : planes in and out.
    widths : channels of the four convolutions.
    hidden : features of a pixel, those of the layer before the classes.

    Attributes
    ----------
    stride : total down-sampling, 1.
    patch : rows and cols of a patch.
    feature_layer : name of the part whose output are the features of a pixel, after ReLU.

    Raises
    ------
    OptionError
        When there are not four widths.
    """

    feature_layer = "decoder"
    patch = _PATCH

    def __init__(
        self,
        in_bands: int,
        n_classes: int,
        *,
        widths: Sequence[int] = (32, 64, 96, 128),
        hidden: int = 256,
    ) -> None:
        super().__init__()
        if len(widths) != len(_KERNELS):
            raise OptionError(
                f"A network for patches of {_PATCH} pixels needs {len(_KERNELS)} widths, but got "
                f"widths={tuple(widths)}."
            )
        self.stride = 1
        self.encoder = _Encoder((in_bands, *widths))
        self.decoder = _Convolution(widths[-1], hidden, 2)
        self.segmentation_head = nn.Sequential(nn.Conv2d(hidden, n_classes, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Logits (N, classes, rows, cols) of an image (N, bands, rows, cols) of any size.

        Beyond the image everything is 0, the mean of the normalised bands.
        """
        features = self.decoder(self.encoder(image), spacing=2 ** len(_KERNELS))
        logits: Tensor = self.segmentation_head(features)
        return logits

    def centre(self, patches: Tensor) -> Tensor:
        """Logits (N, classes, 1, 1) of the middle pixels of patches (N, bands, 65, 65)."""
        logits: Tensor = self.segmentation_head(
            self.decoder(self.encoder(patches, every_pixel=False))
        )
        return logits


class _Encoder(nn.Module):
    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            _Convolution(before, after, kernel)
            for (before, after), kernel in zip(pairwise(channels), _KERNELS, strict=True)
        )

    def forward(self, x: Tensor, *, every_pixel: bool = True) -> Tensor:
        padding, spacing, step = (_PATCH // 2, 1, 1) if every_pixel else (0, 1, 2)
        for convolution in self.convolutions:
            x = convolution(x, padding=padding, spacing=spacing)
            x = nn.functional.max_pool2d(x, 2, stride=step, dilation=spacing)
            padding = 0
            spacing *= 2 if every_pixel else 1
        return x


class _Convolution(nn.Conv2d):
    """Convolution with ReLU whose kernel can be spread."""

    def forward(self, x: Tensor, padding: int = 0, spacing: int = 1) -> Tensor:
        return torch.relu(
            nn.functional.conv2d(x, self.weight, self.bias, padding=padding, dilation=spacing)
        )
