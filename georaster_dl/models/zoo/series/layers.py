"""Parts that networks of time series share: normalisation and positions that leave masked dates out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.models.contract import Dated

__all__ = [
    "PERIOD_DAYS",
    "Ordered",
    "PixelNetwork",
    "RowNorm",
    "at_dates",
    "check_dates",
    "check_sensors",
    "classifier",
    "dated_positions",
    "dense",
    "in_order",
    "positions",
    "shared_positions",
]

PERIOD_DAYS = 1000.0
"""Period of the slowest position, which tells the dates of several years apart (Garnot et al. 2020)."""

_HIDDEN = (64, 32)  # of the published classifiers


class RowNorm(nn.BatchNorm1d):
    """Batch normalisation of rows that takes a single row, or none, by the running statistics."""

    def forward(self, rows: Tensor) -> Tensor:
        """Normalised rows (M, channels)."""
        if not self.training or len(rows) > 1:
            return super().forward(rows)
        statistics = (self.running_mean, self.running_var, self.weight, self.bias)
        return functional.batch_norm(rows, *statistics, training=False, eps=self.eps)


def dense(*widths: int) -> list[nn.Module]:
    """Make linear layers of these widths, each with batch normalisation and ReLU."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), RowNorm(after), nn.ReLU()]
    return layers


def classifier(features: int, outputs: int) -> nn.Sequential:
    """Make the published classifier of a series' features: two hidden layers, then the outputs."""
    return nn.Sequential(*dense(features, *_HIDDEN), nn.Linear(_HIDDEN[-1], outputs))


def positions(days: Tensor, width: int) -> Tensor:
    """Return sines and cosines of days, (..., width) for days (...)."""
    exponents = torch.arange(0, width, 2, device=days.device, dtype=torch.float32) / width
    angles = days[..., None] * PERIOD_DAYS**-exponents
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)[..., :width]


def dated_positions(series: Dated, width: int) -> Tensor:
    """Return the positions of the valid dates, (M, width) in the order of ``valid``, (N, T)."""
    return shared_positions(series, width).expand(*series.valid.shape, width)[series.valid]


def shared_positions(series: Dated, width: int) -> Tensor:
    """Return the positions of all dates, (N, T, width), or (1, T, width) where the samples share their days."""
    days = series.days
    # The pixels of a map share their dates: one row, expanded without memory of its own.
    shared = days.stride(0) == 0
    return positions(days[:1] if shared else days.masked_fill(~series.valid, 0), width)


def at_dates(rows: Tensor, valid: Tensor) -> Tensor:
    """Return rows (M, ...) of the valid dates at their places (N, T, ...), and zeros elsewhere."""
    places = rows.new_zeros(*valid.shape, *rows.shape[1:])
    places[valid] = rows
    return places


class Ordered(NamedTuple):
    """The valid dates of a series in the order of time, from the first place on.

    Attributes
    ----------
    values : (N, T, bands); 0 beyond the valid dates.
    days : (N, T) in rising order; infinite beyond the valid dates.
    n_valid : (N,) number of valid dates.
    """

    values: Tensor
    days: Tensor
    n_valid: Tensor


def in_order(series: Dated) -> Ordered:
    """Return a sensor's series without its masked dates, sorted by day."""
    days, order = series.days.masked_fill(~series.valid, torch.inf).sort(dim=1, stable=True)
    values = series.values.gather(1, order[..., None].expand_as(series.values))
    return Ordered(values.masked_fill(days.isinf()[..., None], 0), days, series.valid.sum(1))


def check_dates(n_dates: int, exactly: int | None) -> None:
    """Check the number of dates of a series, for networks that take exactly so many.

    Raises
    ------
    OptionError
        When there are more or fewer.
    """
    if exactly not in (None, n_dates):
        raise OptionError(
            f"The network was made for exactly {counted(exactly, 'date')} (`dates={exactly}`), but the series has "
            f"{n_dates}; give it those, or train one for any number of dates (`dates=None`)."
        )


def check_sensors(sensors: Sequence[Dated], n_sensors: int) -> None:
    """Check that there is a series of each sensor.

    Raises
    ------
    OptionError
        When there are more or fewer.
    """
    if len(sensors) != n_sensors:
        raise OptionError(
            f"The network takes the series of {counted(n_sensors, 'sensor')}, but got {len(sensors)}; give one "
            f"`Dated` of each, in the order of the card."
        )


class PixelNetwork(nn.Module):
    """Classifier of single pixels' series: an encoder of each sensor, their features side by side.

    Parameters
    ----------
    encoders : one of each sensor, from its series of N pixels to features (N, features).
    head : from the features of all sensors (N, features) to the outputs (N, outputs).
    block : pixels to compute at a time outside training, so that what lives between fits into a
        processor's cache.

    Attributes
    ----------
    series : ``"pixel"``.
    stride : 1.
    """

    series = "pixel"
    stride = 1

    def __init__(self, encoders: Sequence[nn.Module], head: nn.Module, *, block: int) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)
        self.head = head
        self._block = block

    def forward(self, sensors: Sequence[Dated], geometry: Tensor | None = None) -> Tensor:
        """Outputs (N, outputs) of series with values (N, T, bands) and valid (N, T).

        Parameters
        ----------
        sensors : the series of each sensor.
        geometry : of no meaning to a pixel.
        """
        check_sensors(sensors, len(self.encoders))
        if self.training:
            return self._outputs(sensors)
        return torch.cat([self._outputs(block) for block in self._blocks(sensors)])

    def _blocks(self, sensors: Sequence[Dated]) -> list[list[Dated]]:
        starts = range(0, max(len(sensors[0].values), 1), self._block)
        return [
            [Dated(*(part[at : at + self._block] for part in series)) for series in sensors]
            for at in starts
        ]

    def _outputs(self, sensors: Sequence[Dated]) -> Tensor:
        features = [encode(series) for encode, series in zip(self.encoders, sensors, strict=True)]
        outputs: Tensor = self.head(torch.cat(features, 1))
        return outputs
