"""Convolutions along time, over series interpolated to regular dates (Pelletier et al. 2019).

Written from the description.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from georaster_dl.core.errors import OptionError
from georaster_dl.models.contract import Dated
from georaster_dl.models.zoo.series.layers import PixelNetwork, RowNorm, in_order

__all__ = ["TempCNN", "interpolated"]

_CONVOLUTIONS = 3
_DENSE = 4  # times the width
_BLOCK = 512


def interpolated(series: Dated, days: Tensor) -> Tensor:
    """Interpolate a sensor's series linearly between its valid dates.

    Parameters
    ----------
    series : values (N, T, bands), days and valid (N, T).
    days : (steps,) in rising order.

    Returns
    -------
    Values (N, steps, bands). Before the first and after the last valid date stands the value of
    that date; 0 where no date is valid.
    """
    ordered = in_order(series)
    wanted = days.expand(len(ordered.days), -1).contiguous()
    last = (ordered.n_valid[:, None] - 1).clamp(min=0)
    after = torch.searchsorted(ordered.days.contiguous(), wanted)
    before = (after - 1).clamp(min=0).minimum(last)
    after = after.minimum(last)
    start, end = ordered.days.gather(1, before), ordered.days.gather(1, after)
    between = after > before
    length = (end - start).where(between, 1)
    share = ((wanted - start) / length).where(between, 0)
    first, second = (
        ordered.values.gather(1, at[..., None].expand(-1, -1, ordered.values.shape[2]))
        for at in (before, after)
    )
    return torch.lerp(first, second, share[..., None].to(first.dtype))


class TempCNN(PixelNetwork):
    """Classifier of a pixel's series by convolutions along regular dates.

    Parameters
    ----------
    sensors : number of bands of each sensor.
    outputs : classes, 1 for a quantity.
    steps, first, last : number of regular dates, day of the first and day of the last of them.
    width : filters of a convolution; the dense layer has four times as many.
    kernel : regular dates that a convolution sees, odd.
    dropout : share that is dropped in training, behind each layer.

    Raises
    ------
    OptionError
        When the kernel is even, or the last day is not after the first.
    """

    def __init__(
        self,
        sensors: Sequence[int],
        outputs: int,
        *,
        steps: int,
        first: int,
        last: int,
        width: int = 64,
        kernel: int = 5,
        dropout: float = 0.5,
    ) -> None:
        if kernel % 2 == 0:
            raise OptionError(
                f"The architecture 'tempcnn' takes an odd kernel, as 3, 5 or 7, but got kernel={kernel}."
            )
        if first >= last:
            raise OptionError(
                f"The architecture 'tempcnn' interpolates to days from first to last, but got first={first} and "
                f"last={last}; give a last day after the first."
            )
        days = torch.linspace(first, last, steps)
        encoders = [_Encoder(bands, days, width, kernel, dropout) for bands in sensors]
        head = nn.Linear(_DENSE * width * len(encoders), outputs)
        super().__init__(encoders, head, block=_BLOCK)


class _Encoder(nn.Module):
    """Encode the series (N, T, bands) of a sensor to features (N, 4 width)."""

    def __init__(self, bands: int, days: Tensor, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("days", days, persistent=False)
        layers: list[nn.Module] = []
        for before in (bands, *[width] * (_CONVOLUTIONS - 1)):
            layers += [
                nn.Conv1d(before, width, kernel, padding=kernel // 2),
                nn.BatchNorm1d(width),
                nn.ReLU(),
                nn.Dropout(dropout),
            ]
        self.convolutions = nn.Sequential(*layers)
        hidden = _DENSE * width
        self.dense = nn.Sequential(
            nn.Linear(len(days) * width, hidden), RowNorm(hidden), nn.ReLU(), nn.Dropout(dropout)
        )

    def forward(self, series: Dated) -> Tensor:
        regular = interpolated(series, self.get_buffer("days"))
        features: Tensor = self.dense(self.convolutions(regular.mT).flatten(1))
        return features
