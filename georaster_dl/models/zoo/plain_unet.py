"""The U-Net as it was published (Ronneberger et al. 2015), with the choices made since then.

Two things differ from the paper: convolutions keep the size, so the output has the pixels of the
input, and blocks may have a normalisation, a channel gate and a residual connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from georaster_dl.models.zoo.layers import DoubleConvolution, Gate, Norm

__all__ = ["PlainUNet"]


class PlainUNet(nn.Module):
    """U-Net of pairs of convolutions.

    With 1 band, 2 classes, the default widths and no normalisation it has the 31,030,658 weights of
    the published network. Tiles have an exact halo where ``norm`` is batch or none and ``gate`` none; the
    others take statistics of the whole input.

    Parameters
    ----------
    in_bands, n_classes : planes in and out.
    widths : channels at full resolution, half, a quarter, and so on.
    gate, residual, norm : of every block, see :class:`DoubleConvolution`.
    decoder_dropout : share of the channels that is dropped in training, after each block of the decoder.

    Attributes
    ----------
    stride : total down-sampling; rows and cols must be multiples of it.
    feature_layer : name of the part whose output are the features of a pixel.
    """

    feature_layer = "decoder"

    def __init__(
        self,
        in_bands: int,
        n_classes: int,
        *,
        widths: Sequence[int] = (64, 128, 256, 512, 1024),
        gate: Gate = "none",
        residual: bool = False,
        norm: Norm = "batch",
        decoder_dropout: float = 0.0,
    ) -> None:
        super().__init__()

        def block(before: int, after: int, dropout: float = 0.0) -> nn.Module:
            return DoubleConvolution(
                before, after, norm=norm, gate=gate, residual=residual, dropout=dropout
            )

        self.stride = 2 ** (len(widths) - 1)
        self.encoder = _Encoder([block(a, b) for a, b in pairwise((in_bands, *widths))])
        up = [nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairwise(widths)]
        merge = [block(2 * a, a, decoder_dropout) for a in widths[-2::-1]]
        self.decoder = _Decoder(up[::-1], merge)
        self.segmentation_head = nn.Sequential(nn.Conv2d(widths[0], n_classes, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Logits (N, classes, rows, cols) of an image (N, bands, rows, cols)."""
        logits: Tensor = self.segmentation_head(self.decoder(self.encoder(image)))
        return logits


class _Encoder(nn.Module):
    def __init__(self, stages: Sequence[nn.Module]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        levels: list[Tensor] = []
        for stage in self.stages:
            x = stage(nn.functional.max_pool2d(x, 2) if levels else x)
            levels.append(x)
        return levels


class _Decoder(nn.Module):
    def __init__(self, up: Sequence[nn.Module], merge: Sequence[nn.Module]) -> None:
        super().__init__()
        self.up = nn.ModuleList(up)
        self.merge = nn.ModuleList(merge)

    def forward(self, levels: list[Tensor]) -> Tensor:
        x = levels[-1]
        for up, merge, skip in zip(self.up, self.merge, levels[-2::-1], strict=True):
            x = merge(torch.cat([skip, up(x)], dim=1))
        return x
