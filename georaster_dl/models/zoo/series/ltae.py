"""Lightweight temporal attention over the dates of a single pixel (Garnot & Landrieu 2020)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from georaster_dl.models.contract import Dated
from georaster_dl.models.zoo.series.attention import LTAE, masked_softmax
from georaster_dl.models.zoo.series.layers import (
    PixelNetwork,
    RowNorm,
    check_sensors,
    classifier,
    shared_positions,
)

__all__ = ["PixelLTAE"]

_WIDTH = 128
_BLOCK = 2048


class PixelLTAE(PixelNetwork):
    """Classifier of a pixel's series by attention over its dates; any number of dates in any order.

    The bands of a date become 128 channels, which stand where the published network has the encoding of
    a set of pixels.

    Parameters
    ----------
    sensors : number of bands of each sensor.
    outputs : classes, 1 for a quantity.
    dates : None for any number of dates; else the published normalisation, which takes exactly so many.
    dropout : share of the features that is dropped in training.

    Attributes
    ----------
    dates : exact number of dates that it takes; None where any will do.
    """

    def __init__(
        self,
        sensors: Sequence[int],
        outputs: int,
        *,
        dates: int | None = None,
        dropout: float = 0.2,
    ) -> None:
        encoders = [_Encoder(bands, dates, dropout) for bands in sensors]
        head = classifier(LTAE.features * len(encoders), outputs)
        super().__init__(encoders, head, block=_BLOCK)
        self.dates = dates

    def attention(
        self,
        sensors: Sequence[Dated],
        geometry: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Return the attention (N, heads, T) of each sensor's dates."""
        check_sensors(sensors, len(self.encoders))
        blocks = [
            [
                cast("_Encoder", encoder).attend(series)[1]
                for encoder, series in zip(self.encoders, block, strict=True)
            ]
            for block in self._blocks(sensors)
        ]
        return tuple(torch.cat(parts) for parts in zip(*blocks, strict=True))


class _Encoder(nn.Module):
    """Encode the series (N, T, bands) of a sensor to features (N, 128)."""

    def __init__(self, bands: int, dates: int | None, dropout: float) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(bands, _WIDTH), RowNorm(_WIDTH))
        self.ltae = LTAE(_WIDTH, dates=dates, dropout=dropout)

    def attend(self, series: Dated) -> tuple[Tensor, Tensor]:
        """Features (N, 128) and attention (N, heads, T)."""
        if self.training or torch.is_grad_enabled() or self.ltae.dates is not None:
            rows = self.embed(series.values[series.valid])
            return cast("tuple[Tensor, Tensor]", self.ltae(rows, series))
        with torch.autocast(series.values.device.type, enabled=False):
            return self._attend_folded(series)

    def forward(self, series: Dated) -> Tensor:
        return self.attend(series)[0]

    def _attend_folded(self, series: Dated) -> tuple[Tensor, Tensor]:
        """Compute the same from a handful of numbers for each date, in place of 256 channels.

        Up to attention all is linear but for two normalisations, each a division by a length. So the
        channels of a date are fixed combinations of its bands, divided by those lengths, and both
        lengths and attention follow without them.
        """
        folded = _fold(self.embed, self.ltae)
        values = series.values.masked_fill(~series.valid[..., None], 0)
        terms = functional.pad(values, (0, 1), value=1)
        for root, eps in folded.roots:
            length = ((terms @ root.T).square().sum(2, keepdim=True) + eps).sqrt()
            terms = functional.pad(terms / length, (0, 1), value=1)
        heads = len(self.ltae.query)
        places = shared_positions(series, folded.mix.shape[1])
        keys, offsets = self.ltae.folded_keys()
        by_head = keys.view(heads, heads, -1)
        scores = terms @ torch.einsum("hgc,gck->kh", by_head, folded.mix)
        scores = scores + (places @ by_head.sum(1).T + offsets)
        shares = masked_softmax(scores, series.valid).mT
        seen = torch.einsum("nhk,hck->nhc", shares @ terms, folded.mix) + shares @ places
        return self.ltae.features_of(seen.flatten(1)), shares


class _Folded(NamedTuple):
    """A sensor's channels as fixed combinations of terms: the bands and 1, divided by two lengths.

    Attributes
    ----------
    roots : of the two normalisations, a matrix whose product with the terms has the length that
        divides them, and what is added to its square. Behind the divided terms stands a 1.
    mix : (heads, channels of a head, terms).
    """

    roots: tuple[tuple[Tensor, float], tuple[Tensor, float]]
    mix: Tensor


def _fold(embed: nn.Sequential, ltae: LTAE) -> _Folded:
    linear, batch = cast("nn.Linear", embed[0]), cast("RowNorm", embed[1])
    inner, outer = cast("nn.LayerNorm", ltae.norm), cast("nn.LayerNorm", ltae.date_norm)
    assert batch.running_mean is not None
    assert batch.running_var is not None
    scale = batch.weight / (batch.running_var + batch.eps).sqrt()
    bias = scale * (linear.bias - batch.running_mean) + batch.bias
    first = torch.cat([scale[:, None] * linear.weight, bias[:, None]], 1)
    first = first - first.mean(0)
    second = ltae.widen.weight @ torch.cat([inner.weight[:, None] * first, inner.bias[:, None]], 1)
    second[:, -1] += ltae.widen.bias
    second = second - second.mean(0)
    mix = torch.cat([outer.weight[:, None] * second, outer.bias[:, None]], 1)
    return _Folded(
        ((_root(first), inner.eps), (_root(second), outer.eps)),
        mix.view(len(ltae.query), -1, mix.shape[1]),
    )


def _root(matrix: Tensor) -> Tensor:
    """Return a small matrix whose products have the root mean square of those of a tall one."""
    return cast("Tensor", torch.linalg.qr(matrix, mode="r").R) / math.sqrt(len(matrix))
