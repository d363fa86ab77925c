"""Parts that networks over the bands of a pixel share: pixels in blocks, tokens, attention.

These networks compute with much more for a pixel than they give back, so outside training they see
a limited number of pixels at a time, whatever the size of the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from georaster_dl.core.errors import OptionError

__all__ = [
    "Attention",
    "BandConvolution",
    "PerPixel",
    "PlaneNorm",
    "Transformer",
    "block_pixels",
    "in_blocks",
    "pixel_head",
]

# Of the widest layer; what lives beside it makes it about three times as much memory.
_BLOCK_VALUES = 2**22
_MOST_UNROLLED = 64  # beyond, the exporter takes minutes


def block_pixels(values: int) -> int:
    """Pixels to compute at a time where the widest layer has so many values for each."""
    return max(_BLOCK_VALUES // values, 1)


def in_blocks(
    run: Callable[[Tensor], Tensor], image: Tensor, *, pixels: int, reach: int = 0
) -> Tensor:
    """Run a function on rectangles of an image and put its planes together.

    Parameters
    ----------
    run : from (n, bands, r + 2 reach, c + 2 reach) to (n, planes, r, c).
    image : (N, bands, rows + 2 reach, cols + 2 reach).
    pixels : most pixels of a rectangle, those in ``reach`` not counted.
    reach : pixels of context on each side.

    Returns
    -------
    Planes (N, planes, rows, cols).

    Raises
    ------
    OptionError
        When the network is being exported and its graph would hold too many blocks.
    """
    rows, cols = (side - 2 * reach for side in image.shape[2:])
    across = _spans(cols, pixels)
    down = _spans(rows, pixels // cols)
    if torch.onnx.is_in_onnx_export():
        _refuse_unrolling(len(across) * len(down), pixels)

    def of_rows(images: Tensor) -> Tensor:
        strips = [run(images[..., first : last + 2 * reach]) for first, last in across]
        return _joined(strips, 3)

    def of_images(images: Tensor) -> Tensor:
        return _joined([of_rows(images[:, :, a : b + 2 * reach]) for a, b in down], 2)

    together = _spans(len(image), pixels // (rows * cols))
    return _joined([of_images(image[first:last]) for first, last in together], 0)


def _refuse_unrolling(blocks: int, pixels: int) -> None:
    if blocks > _MOST_UNROLLED:
        side = 2 ** int(math.log2(math.sqrt(_MOST_UNROLLED * pixels)))
        raise OptionError(
            f"The network computes {pixels} pixels at a time, so its graph would hold it {blocks} times, "
            f"but {_MOST_UNROLLED} are the most; export it for tiles of {side} pixels."
        )


def _spans(length: int, most: int) -> list[tuple[int, int]]:
    """Start and stop of spans of nearly one length, at most ``most`` or 1."""
    count = -(-length // max(most, 1))
    return list(pairwise(length * i // count for i in range(count + 1)))


def _joined(parts: Sequence[Tensor], axis: int) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), axis)


class PerPixel(nn.Module):
    """A network of one pixel, or of the patch around it, run on all pixels of an image.

    Parameters
    ----------
    body : from (pixels, bands, patch * patch) to (pixels, features).
    values : values for each pixel in the widest layer of the body.
    patch : rows and cols around a pixel that the body sees, odd.
    """

    def __init__(self, body: nn.Module, *, values: int, patch: int = 1) -> None:
        super().__init__()
        self.body = body
        self._pixels = block_pixels(values)
        self._patch = patch

    def forward(self, image: Tensor) -> Tensor:
        """Features (N, features, rows, cols) of (N, bands, rows + patch - 1, cols + patch - 1)."""
        if self.training:
            return self._planes(image)
        return in_blocks(self._planes, image, pixels=self._pixels, reach=self._patch // 2)

    def _planes(self, image: Tensor) -> Tensor:
        windows = image.unfold(2, self._patch, 1).unfold(3, self._patch, 1)
        n, bands, rows, cols = windows.shape[:4]
        pixels = windows.permute(0, 2, 3, 1, 4, 5).reshape(n * rows * cols, bands, -1)
        # A class token is a view that would keep the memory of all tokens.
        features: Tensor = self.body(pixels).contiguous()
        return features.reshape(n, rows, cols, -1).permute(0, 3, 1, 2)


class PlaneNorm(nn.LayerNorm):
    """Layer normalisation over the planes of each pixel."""

    def forward(self, image: Tensor) -> Tensor:
        """Normalised planes (N, planes, rows, cols)."""
        return super().forward(image.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def pixel_head(width: int, planes: int, dropout: float) -> nn.Sequential:
    """Make the last layer: a 1 x 1 convolution, behind dropout of each pixel's features where a share is dropped."""
    head = nn.Sequential()
    if dropout:
        head.add_module("dropout", nn.Dropout(dropout))
    head.add_module("0", nn.Conv2d(width, planes, 1))  # the name of the weights in model files
    return head


class BandConvolution(nn.Conv1d):
    """Convolution along the bands that pads as Keras does with ``same``: ceil(bands / stride) remain.

    Where the padding is odd, the end gets one zero more than the start.
    """

    def __init__(self, before: int, after: int, kernel: int, stride: int) -> None:
        super().__init__(before, after, kernel, stride)

    def forward(self, spectra: Tensor) -> Tensor:
        """(n, after, ceil(bands / stride)) of spectra (n, before, bands)."""
        (kernel,), (stride,) = self.kernel_size, self.stride
        bands = spectra.shape[-1]
        missing = max((-(-bands // stride) - 1) * stride + kernel - bands, 0)
        return super().forward(functional.pad(spectra, (missing // 2, missing - missing // 2)))


class Attention(nn.Module):
    """Attention among tokens by several heads.

    Parameters
    ----------
    width : values of a token.
    heads, key_dim : number of heads, and what each has; their product need not be the width.
    bias : whether queries, keys and values have one.
    """

    def __init__(self, width: int, heads: int, key_dim: int, *, bias: bool = True) -> None:
        super().__init__()
        self._heads = heads
        self._key_dim = key_dim
        self.qkv = nn.Linear(width, 3 * heads * key_dim, bias=bias)
        self.out = nn.Linear(heads * key_dim, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (n, tokens, width) from as many."""
        n, count, _ = tokens.shape
        split = self.qkv(tokens).reshape(n, count, 3, self._heads, self._key_dim)
        queries, keys, values = split.permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(queries, keys, values)
        mixed: Tensor = self.out(seen.transpose(1, 2).reshape(n, count, -1))
        return mixed


class Transformer(nn.Module):
    """One transformer block that normalises before attention and before its dense layers.

    Parameters
    ----------
    width : values of a token, shared by the heads.
    heads : number of heads, a divisor of the width.
    hidden : values between the two dense layers.
    dropout : share of what attention and dense layers give that is dropped in training.
    bias : whether queries, keys and values have one.
    """

    def __init__(
        self, width: int, *, heads: int, hidden: int, dropout: float, bias: bool = True
    ) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            nn.LayerNorm(width), Attention(width, heads, width // heads, bias=bias)
        )
        self.dense = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (n, tokens, width) from as many."""
        tokens = tokens + self.dropout(self.attention(tokens))
        refined: Tensor = tokens + self.dropout(self.dense(tokens))
        return refined
