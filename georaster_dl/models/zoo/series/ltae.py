"""Lightweight temporal attention over the dates of a single pixel (Garnot & Landrieu 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from georaster_dl.models.contract import Dated
from georaster_dl.models.zoo.series.attention import LTAE
from georaster_dl.models.zoo.series.layers import (
    PixelNetwork,
    RowNorm,
    check_sensors,
    classifier,
)

__all__ = ["PixelLTAE"]

_WIDTH = 128
_BLOCK = 256


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
        features: tuple[Tensor, Tensor] = self.ltae(self.embed(series.values[series.valid]), series)
        return features

    def forward(self, series: Dated) -> Tensor:
        return self.attend(series)[0]
