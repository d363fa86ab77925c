"""A small U-Net that mixes bands pixel by pixel first; bands may be absent.

Land cover of medium resolution is mostly a matter of a pixel's spectrum, so the network looks at
that at full resolution, through two layers without neighbours, before it looks around.

A network of optional bands learns on scenes with this or that band missing. A missing band is 0
after normalisation, which is the mean of the band; so what bands there are sets a gain and
an offset on every channel of the first layer (feature-wise linear modulation, Perez et al. 2018).
For one list of bands these are constants, and the network is exactly a plain one that reads those
bands only: see :func:`narrowed_weights`. Nothing absent is ever read or filled in.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from georaster_dl.core.errors import OptionError
from georaster_dl.models.zoo.layers import channel_dropout

__all__ = ["Decoder", "SpectralUNet", "Stages", "convolution", "narrowed_weights"]


class SpectralUNet(nn.Module):
    """U-Net with a spectral stem.

    Parameters
    ----------
    in_bands, n_classes : planes in and out.
    mixed : channels of the first layer.
    widths : channels at full resolution, half, a quarter, and so on.
    optional_bands : whether bands may be absent; it then reads which are present.
    decoder_dropout : share of the channels that is dropped in training, after each level of the decoder.

    Attributes
    ----------
    stride : total down-sampling; rows and cols must be multiples of it.
    reads_presence : whether it is told in training which bands are there.
    """

    def __init__(
        self,
        in_bands: int,
        n_classes: int,
        *,
        mixed: int = 64,
        widths: Sequence[int] = (32, 48, 64, 96),
        optional_bands: bool = False,
        decoder_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not widths or min(*widths, mixed) < 1:
            raise OptionError(
                f"widths must be at least one number of channels and mixed another, but got "
                f"widths={tuple(widths)} and mixed={mixed}."
            )
        self.stride = 2 ** (len(widths) - 1)
        self.reads_presence = optional_bands
        self.encoder = _Encoder(in_bands, mixed, widths, optional_bands=optional_bands)
        self.decoder = Decoder(widths, decoder_dropout)
        self.segmentation_head = nn.Sequential(nn.Conv2d(widths[0], n_classes, 1))

    def forward(self, image: Tensor, present: Tensor | None = None) -> Tensor:
        """Logits of an image.

        Parameters
        ----------
        image : (N, bands, rows, cols) normalised values, 0 in bands that are absent.
        present : (N, bands) True where a band is there; None where all are. For a network of
            optional bands only.

        Returns
        -------
        (N, classes, rows, cols).
        """
        logits: Tensor = self.segmentation_head(self.decoder(self.encoder(image, present)))
        return logits


class _Encoder(nn.Module):
    def __init__(
        self, in_bands: int, mixed: int, widths: Sequence[int], *, optional_bands: bool
    ) -> None:
        super().__init__()
        self.mix = nn.Conv2d(in_bands, mixed, 1)
        self.presence = _Presence(in_bands, mixed) if optional_bands else None
        self.spectrum = nn.Sequential(nn.ReLU(), *convolution(mixed, widths[0], 1))
        self.stages = Stages(widths)

    def forward(self, image: Tensor, present: Tensor | None = None) -> list[Tensor]:
        x = self.mix(image)
        if self.presence is not None:
            if present is None:
                present = image.new_ones(image.shape[:2])
            gain, offset = self.presence(present.to(x.dtype))
            x = x * gain[..., None, None] + offset[..., None, None]
        levels: list[Tensor] = self.stages(self.spectrum(x))
        return levels


class Stages(nn.ModuleList):
    """Stages of the encoder, each behind the first at half the resolution of the one before.

    Parameters
    ----------
    widths : channels at full resolution, half, a quarter, and so on.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__([_Residual(widths[0])])
        for finer, coarser in pairwise(widths):
            down = convolution(finer, coarser, 2, stride=2)
            self.append(nn.Sequential(*down, _Residual(coarser)))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features of each stage, the finest first, of (N, channels, rows, cols)."""
        levels = []
        for stage in self:
            x = stage(x)
            levels.append(x)
        return levels


class _Presence(nn.Module):
    """Gain and offset of every channel of the first layer, from which bands are there.

    Each absent band has its own share in them, whatever the others are. A layer that saw which are
    absent together could tell one training set from another by it, and go by that.
    """

    def __init__(self, in_bands: int, mixed: int) -> None:
        super().__init__()
        self.absent = nn.Linear(in_bands, 2 * mixed)
        nn.init.zeros_(self.absent.weight)  # at first nothing depends on it
        nn.init.zeros_(self.absent.bias)

    def forward(self, present: Tensor) -> tuple[Tensor, Tensor]:
        """Gain and offset, (N, channels) each, of (N, bands)."""
        gain, offset = self.absent(1 - present).chunk(2, dim=1)
        return 1 + gain, offset


class Decoder(nn.Module):
    """Way back up, which joins each level with the coarser one.

    Parameters
    ----------
    widths : channels of the levels, the finest first.
    dropout : share of the channels that is dropped in training, after each level.
    """

    def __init__(self, widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.merge = nn.ModuleList(
            nn.Sequential(
                *convolution(finer + coarser, finer, 3),
                *convolution(finer, finer, 3),
                *channel_dropout(dropout),
            )
            for finer, coarser in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Features (N, channels, rows, cols) at full resolution, of the levels."""
        x = levels[-1]
        for merge, skip in zip(self.merge, levels[-2::-1], strict=True):
            coarse = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = merge(torch.cat([skip, coarse], dim=1))
        return x


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *convolution(width, width, 3),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


def convolution(before: int, after: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """Convolution that keeps the size, or divides it by the stride, with BatchNorm and ReLU."""
    padding = (kernel - stride + 1) // 2
    return [
        nn.Conv2d(before, after, kernel, stride=stride, padding=padding, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    ]


@torch.no_grad()
def narrowed_weights(network: SpectralUNet, present: Sequence[int]) -> dict[str, Tensor]:
    """Return the weights of the plain network that reads some bands of a network of optional bands.

    Parameters
    ----------
    network : made with ``optional_bands=True``.
    present : indices of the bands that are there, in any order; the plain network's channels.

    Returns
    -------
    State of a ``SpectralUNet`` with ``in_bands=len(present)`` and ``optional_bands=False``, equal
    to ``network`` with these bands present but for rounding.

    Raises
    ------
    OptionError
        When the bands of the network are not optional.
    """
    encoder = network.encoder
    if encoder.presence is None:
        raise OptionError("The bands of this network are not optional; give it all of them.")
    mix = encoder.mix
    there = mix.weight.new_zeros((1, mix.in_channels))
    there[0, list(present)] = 1
    gain, offset = (each[0] for each in encoder.presence(there))
    bias = cast("Tensor", mix.bias)
    weights = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if not name.startswith("encoder.presence.")
    }
    weights["encoder.mix.weight"] = mix.weight[:, list(present)] * gain[:, None, None, None]
    weights["encoder.mix.bias"] = bias * gain + offset
    return weights
