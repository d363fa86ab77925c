"""U-Net with temporal attention over patches (Garnot & Landrieu 2021).

Written from the description. Clouds and padding come as masks, where the published network takes images of
nothing but one value for padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from georaster_dl.models.contract import Dated
from georaster_dl.models.zoo.series.attention import LTAE
from georaster_dl.models.zoo.series.layers import at_dates, check_sensors

__all__ = ["UTAE"]

_ENCODER = (64, 64, 64, 128)
_DECODER = (32, 32, 64, 128)
_HEAD = 32
_GROUPS = 4
_KEY_DIM = 4
_LEAST_SHARE = 1e-12


class UTAE(nn.Module):
    """Classifier of the pixels of patches: images are encoded date by date, and attention merges the dates.

    A date takes part in a pixel where that pixel is valid, and in attention, which has an eighth of the
    resolution, where any of the 64 pixels is. Unlike the published network it ends without ReLU.

    Parameters
    ----------
    sensors : number of bands of each sensor; each has an encoder and a decoder of its own.
    outputs : classes, 1 for a quantity.
    dropout : share of the features that is dropped in training, where the dates are merged.

    Attributes
    ----------
    series : ``"patch"``.
    stride : total down-sampling, 8. Normalisation over images makes a pixel depend on all others.
    """

    series = "patch"

    def __init__(self, sensors: Sequence[int], outputs: int, *, dropout: float = 0.2) -> None:
        super().__init__()
        self.stride = 2 ** (len(_ENCODER) - 1)
        self.branches = nn.ModuleList(_Branch(bands, dropout) for bands in sensors)
        self.head = nn.Sequential(
            *_convolution(_DECODER[0] * len(self.branches), _HEAD, "batch"),
            *_convolution(_HEAD, outputs, "batch")[:-1],
        )

    def forward(self, sensors: Sequence[Dated], geometry: Tensor | None = None) -> Tensor:
        """Outputs (N, outputs, rows, cols) of series with values (N, T, bands, rows, cols), valid (N, T, rows, cols).

        Parameters
        ----------
        sensors : the series of each sensor.
        geometry : of no meaning to a patch.
        """
        outputs: Tensor = self.head(torch.cat([seen for seen, _ in self._seen(sensors)], 1))
        return outputs

    def attention(
        self, sensors: Sequence[Dated], geometry: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Return the attention (N, heads, T, rows / 8, cols / 8) of each sensor's dates."""
        return tuple(shares for _, shares in self._seen(sensors))

    def _seen(self, sensors: Sequence[Dated]) -> list[tuple[Tensor, Tensor]]:
        check_sensors(sensors, len(self.branches))
        return [branch(series) for branch, series in zip(self.branches, sensors, strict=True)]


class _Branch(nn.Module):
    """Merge the images (N, T, bands, rows, cols) of a sensor to features (N, 32, rows, cols), with attention."""

    def __init__(self, bands: int, dropout: float) -> None:
        super().__init__()
        first = _ENCODER[0]
        self.start = nn.Sequential(
            *_convolution(bands, first, "group"), *_convolution(first, first, "group")
        )
        self.down = nn.ModuleList(_Down(before, after) for before, after in pairwise(_ENCODER))
        self.over_time = _PlaneLTAE(_ENCODER[-1], dropout)
        levels = range(len(_ENCODER) - 1, 0, -1)
        self.up = nn.ModuleList(
            _Up(_DECODER[level], _ENCODER[level - 1], _DECODER[level - 1]) for level in levels
        )

    def forward(self, series: Dated) -> tuple[Tensor, Tensor]:
        dated = series.valid.flatten(2).any(2)
        images = series.values.where(series.valid[:, :, None], 0)[dated]
        levels = [self.start(images)]
        for down in self.down:
            levels.append(down(levels[-1]))
        clear = series.valid.to(images.dtype)
        coarse = functional.avg_pool2d(clear, 2 ** len(self.down)) > 0
        merged, shares = self.over_time.merge(at_dates(levels[-1], dated), series.days, coarse)
        for up, level in zip(self.up, range(len(self.down) - 1, -1, -1), strict=True):
            weights = _weights(shares, functional.avg_pool2d(clear, 2**level))
            merged = up(merged, _weighted(levels[level], weights, dated))
        return merged, shares


def _weights(shares: Tensor, clear: Tensor) -> Tensor:
    """Return the weights (N, heads, T, rows, cols) of dates in a finer grid, where a share of each cell is clear.

    Where all is clear they are the attention (N, heads, T, rows / k, cols / k), interpolated.
    """
    fine = functional.interpolate(
        shares.flatten(0, 1), size=clear.shape[2:], mode="bilinear", align_corners=False
    )
    weights = fine.unflatten(0, shares.shape[:2]) * clear[:, None]  # type: ignore[no-untyped-call]
    total: Tensor = weights.sum(2, keepdim=True)
    return weights / total.clamp(min=_LEAST_SHARE)  # type: ignore[no-any-return]


def _weighted(images: Tensor, weights: Tensor, dated: Tensor) -> Tensor:
    """Return the weighted sum over dates (N, channels, rows, cols) of the images (M, channels, rows, cols) that exist."""
    heads = weights.shape[1]
    grouped = images.view(-1, heads, images.shape[1] // heads, *images.shape[2:])
    weighted = grouped * weights.transpose(1, 2)[dated][:, :, None]
    return at_dates(weighted, dated).sum(1).flatten(1, 2)


class _PlaneLTAE(LTAE):
    """Lightweight temporal attention at each pixel of planes, with groups of channels normalised over all dates."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__(channels, key_dim=_KEY_DIM, dropout=dropout)
        heads = len(self.query)
        self.norm = _DatesGroupNorm(heads, channels)
        self.date_norm = nn.Identity()
        self.out_norm = nn.GroupNorm(heads, self.features)

    def merge(self, planes: Tensor, days: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, 128, rows, cols) and attention (N, heads, T, rows, cols) of planes (N, T, channels, rows, cols)."""
        n, dates, _, rows, cols = planes.shape
        of_pixels = planes.permute(0, 3, 4, 1, 2).flatten(0, 2)
        series = Dated(
            of_pixels,
            days[:, None, None].expand(n, rows, cols, dates).flatten(0, 2),
            valid.permute(0, 2, 3, 1).flatten(0, 2),
        )
        features, shares = self(of_pixels[series.valid], series)
        return (
            features.view(n, rows, cols, -1).permute(0, 3, 1, 2),
            shares.view(n, rows, cols, -1, dates).permute(0, 3, 4, 1, 2),
        )

    def widened(self, rows: Tensor, series: Dated) -> Tensor:
        return cast("Tensor", self.widen(self.norm(rows, series)))


class _DatesGroupNorm(nn.GroupNorm):
    """Group normalisation of a pixel's channels over its valid dates, from and to their rows (M, channels)."""

    def forward(self, rows: Tensor, series: Dated) -> Tensor:  # type: ignore[override]
        valid = series.valid
        dated = at_dates(rows, valid).view(*valid.shape, self.num_groups, -1)
        count = (dated.shape[3] * valid.sum(1)).clamp(min=1).view(-1, 1, 1, 1)
        mean = dated.sum((1, 3), keepdim=True) / count
        deviations = (dated - mean) * valid[:, :, None, None]
        variance = deviations.square().sum((1, 3), keepdim=True) / count
        normed = (deviations / (variance + self.eps).sqrt()).flatten(2)[valid]
        return torch.addcmul(self.bias, normed, self.weight)


class _Down(nn.Module):
    """Half the resolution of images, by a convolution with stride, and two more with a shortcut."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.shrink = nn.Sequential(*_convolution(before, before, "group", kernel=4, stride=2))
        self.first = nn.Sequential(*_convolution(before, after, "group"))
        self.second = nn.Sequential(*_convolution(after, after, "group"))

    def forward(self, images: Tensor) -> Tensor:
        images = self.first(self.shrink(images))
        return images + cast("Tensor", self.second(images))


class _Up(nn.Module):
    """Double the resolution of planes, beside those of the encoder, by two convolutions with a shortcut."""

    def __init__(self, before: int, skipped: int, after: int) -> None:
        super().__init__()
        self.skip = nn.Sequential(
            nn.Conv2d(skipped, skipped, 1), nn.BatchNorm2d(skipped), nn.ReLU()
        )
        self.grow = nn.Sequential(
            nn.ConvTranspose2d(before, after, 4, stride=2, padding=1),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        )
        self.first = nn.Sequential(*_convolution(after + skipped, after, "batch"))
        self.second = nn.Sequential(*_convolution(after, after, "batch"))

    def forward(self, planes: Tensor, skipped: Tensor) -> Tensor:
        planes = self.first(torch.cat([self.grow(planes), self.skip(skipped)], 1))
        return planes + cast("Tensor", self.second(planes))


def _convolution(
    before: int, after: int, norm: str, *, kernel: int = 3, stride: int = 1
) -> list[nn.Module]:
    """Make a convolution padded by reflection, its normalisation and ReLU."""
    normalise = nn.GroupNorm(_GROUPS, after) if norm == "group" else nn.BatchNorm2d(after)
    return [_ReflectConvolution(before, after, kernel, stride), normalise, nn.ReLU()]


class _ReflectConvolution(nn.Conv2d):
    """Convolution padded by reflection, and by repetition where there is a single row or col."""

    def __init__(self, before: int, after: int, kernel: int, stride: int) -> None:
        super().__init__(before, after, kernel, stride)

    def forward(self, images: Tensor) -> Tensor:
        mode = "reflect" if min(images.shape[2:]) > 1 else "replicate"
        return super().forward(functional.pad(images, (1, 1, 1, 1), mode=mode))
