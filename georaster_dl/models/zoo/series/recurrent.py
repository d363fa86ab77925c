"""Recurrent networks over the dates of a pixel, from both ends: Elman, LSTM and GRU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from georaster_dl.models.contract import Dated
from georaster_dl.models.zoo.series.layers import Ordered, PixelNetwork, in_order

__all__ = ["CELLS", "Recurrent"]

CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}

_POSITIONS = 2
_YEAR_DAYS = 365.0
_BLOCK = 1024


class Recurrent(PixelNetwork):
    """Classifier of a pixel's series by the last states of a recurrent network.

    It sees the valid dates in the order of time, however many there are.

    Parameters
    ----------
    sensors : number of bands of each sensor.
    outputs : classes, 1 for a quantity.
    cell : ``"rnn"`` (Elman 1990), ``"lstm"`` or ``"gru"``.
    layers, width : number of layers, and what a state holds.
    bidirectional : whether a second network goes from the last date to the first.
    positions : whether each date's day and the days since the one before are inputs, too.
    dropout : share that is dropped in training, between layers and of the last states.
    """

    def __init__(
        self,
        sensors: Sequence[int],
        outputs: int,
        *,
        cell: str,
        layers: int = 2,
        width: int = 128,
        bidirectional: bool = True,
        positions: bool = True,
        dropout: float = 0.2,
    ) -> None:
        encoders = [
            _Encoder(
                CELLS[cell](
                    bands + _POSITIONS * positions,
                    width,
                    layers,
                    batch_first=True,
                    bidirectional=bidirectional,
                    dropout=dropout if layers > 1 else 0.0,
                ),
                positions,
            )
            for bands in sensors
        ]
        features = width * (1 + bidirectional) * len(encoders)
        head = nn.Sequential(nn.Dropout(dropout), nn.Linear(features, outputs))
        super().__init__(encoders, head, block=_BLOCK)


class _Encoder(nn.Module):
    """Encode the series (N, T, bands) of a sensor to the last states (N, directions * width)."""

    def __init__(self, cells: nn.RNNBase, positions: bool) -> None:
        super().__init__()
        self.cells = cells
        self._positions = positions

    def forward(self, series: Dated) -> Tensor:
        ordered = in_order(series)
        inputs = _with_positions(ordered) if self._positions else ordered.values
        lengths = ordered.n_valid.clamp(min=1).cpu()  # a series without any date has one of zeros
        packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
        _, state = self.cells(packed)
        hidden: Tensor = state[0] if isinstance(state, tuple) else state
        directions = 2 if self.cells.bidirectional else 1
        return hidden[-directions:].transpose(0, 1).flatten(1)


def _with_positions(ordered: Ordered) -> Tensor:
    """Append each date's day and the days since the one before, both in years."""
    days = ordered.days.masked_fill(ordered.days.isinf(), 0) / _YEAR_DAYS
    gaps = days.diff(dim=1, prepend=days[:, :1])
    return torch.cat([ordered.values, torch.stack([days, gaps], -1)], 2)
