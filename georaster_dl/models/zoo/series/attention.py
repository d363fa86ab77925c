"""Temporal attention over a series' dates, in its two published forms (Garnot et al. 2020; Garnot & Landrieu 2020).

Written from the descriptions. Both take the rows of the valid dates alone, so a masked date takes part in
nothing, neither in attention nor in the statistics of batch normalisation.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from georaster_dl.models.contract import Dated
from georaster_dl.models.zoo.series.layers import (
    RowNorm,
    at_dates,
    check_dates,
    dated_positions,
    dense,
)

__all__ = ["LTAE", "TAE", "masked_softmax"]

_ATTENTION_DROPOUT = 0.1  # as published


def masked_softmax(scores: Tensor, valid: Tensor) -> Tensor:
    """Return the shares of the valid dates, (N, T, heads) of scores (N, T, heads) and valid (N, T).

    They sum to 1, or are all 0 where no date is valid.
    """
    valid = valid[..., None]
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~valid, lowest).softmax(1) * valid


class LTAE(nn.Module):
    """Lightweight temporal attention: each head looks at channels of its own, with a query that is learnt.

    Parameters
    ----------
    channels : channels of a date.
    dates : None for any number of dates; else the published normalisation over channels and dates,
        which takes exactly so many.
    heads, key_dim, width : as published; each head sees width / heads channels.
    dropout : share of the features that is dropped in training.
    """

    features = 128

    def __init__(
        self,
        channels: int,
        *,
        dates: int | None = None,
        heads: int = 16,
        key_dim: int = 8,
        width: int = 256,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        spread = math.sqrt(2 / key_dim)
        self.dates = dates
        self.norm: nn.Module = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, width)
        self.date_norm: nn.Module = (
            nn.LayerNorm(width) if dates is None else _DateNorm(width, dates)
        )
        self.query = nn.Parameter(torch.randn(heads, key_dim) * spread)
        self.keys = nn.Linear(width, heads * key_dim)
        nn.init.normal_(self.keys.weight, std=spread)
        self.dense = nn.Sequential(*dense(width, self.features))
        self.attention_dropout = nn.Dropout(_ATTENTION_DROPOUT)
        self.dropout = nn.Dropout(dropout)
        self.out_norm: nn.Module = nn.LayerNorm(self.features)

    def forward(self, rows: Tensor, series: Dated) -> tuple[Tensor, Tensor]:
        """Features (N, 128) and attention (N, heads, T) of the valid dates' rows (M, channels).

        Rows are in the order of ``series.valid`` (N, T).
        """
        heads = len(self.query)
        rows = self.widened(rows, series)
        rows = rows.view(-1, heads, rows.shape[1] // heads)
        rows = rows + dated_positions(series, rows.shape[2])[:, None]
        keys, offsets = self.folded_keys()
        scores = torch.addmm(offsets, rows.flatten(1), keys.T)
        shares = masked_softmax(at_dates(scores, series.valid), series.valid)
        dropped = self.attention_dropout(shares)[..., None]
        seen = (at_dates(rows, series.valid) * dropped).sum(1).flatten(1)
        return self.features_of(seen), shares.mT

    def folded_keys(self) -> tuple[Tensor, Tensor]:
        """Return the query of each head times its keys, (heads, width), and the offsets (heads,) of scores."""
        heads, key_dim = self.query.shape
        query = self.query / math.sqrt(key_dim)
        keys = (query[..., None] * self.keys.weight.view(heads, key_dim, -1)).sum(1)
        return keys, (query * self.keys.bias.view(heads, key_dim)).sum(1)

    def features_of(self, seen: Tensor) -> Tensor:
        """Compute the features (N, 128) from the outputs of the heads (N, width)."""
        features: Tensor = self.out_norm(self.dropout(self.dense(seen)))
        return features

    def widened(self, rows: Tensor, series: Dated) -> Tensor:
        """Return normalised rows of all heads' channels (M, width) of rows (M, channels)."""
        rows = self.widen(self.norm(rows))
        normed: Tensor = (
            self.date_norm(rows) if self.dates is None else self.date_norm(rows, series)
        )
        return normed


class TAE(nn.Module):
    """Temporal attention with a master query: the mean of all dates' queries.

    Parameters
    ----------
    channels : channels of a date.
    heads, key_dim : as published.
    dropout : share of the features that is dropped in training.
    """

    features = 128

    def __init__(
        self, channels: int, *, heads: int = 4, key_dim: int = 32, dropout: float = 0.2
    ) -> None:
        super().__init__()
        spread, inner = math.sqrt(2 / key_dim), heads * key_dim
        self.norm = nn.LayerNorm(channels)
        self.queries = nn.Linear(channels, inner)
        self.keys = nn.Linear(channels, inner)
        for linear in (self.queries, self.keys):
            nn.init.normal_(linear.weight, std=spread)
        self.master = nn.Sequential(RowNorm(inner), nn.Linear(inner, inner))
        self.dense = nn.Sequential(*dense(heads * channels, self.features, self.features))
        self.attention_dropout = nn.Dropout(_ATTENTION_DROPOUT)
        self.dropout = nn.Dropout(dropout)
        self.out_norm = nn.LayerNorm(self.features)
        self._heads, self._key_dim = heads, key_dim

    def forward(self, rows: Tensor, series: Dated) -> tuple[Tensor, Tensor]:
        """Features (N, 128) and attention (N, heads, T) of the valid dates' rows (M, channels).

        Rows are in the order of ``series.valid`` (N, T).
        """
        rows = self.norm(rows)
        rows = rows + dated_positions(series, rows.shape[1])
        dated = at_dates(rows, series.valid)
        count = series.valid.sum(1, keepdim=True).clamp(min=1)
        # The mean of projections is the projection of the mean.
        query = self.master(self.queries(dated.sum(1) / count)).view(-1, self._heads, self._key_dim)
        by_head = self.keys.weight.view(self._heads, self._key_dim, -1)
        keys = torch.einsum("nhk,hkc->nhc", query, by_head)
        offsets = (query * self.keys.bias.view(self._heads, self._key_dim)).sum(2)
        scores = (dated @ keys.mT + offsets[:, None]) / math.sqrt(self._key_dim)
        shares = masked_softmax(scores, series.valid)
        seen = self.attention_dropout(shares).mT @ dated
        features = self.out_norm(self.dropout(self.dense(seen.flatten(1))))
        return features, shares.mT


class _DateNorm(nn.Module):
    """Layer normalisation over the channels and dates of a series, with weights for each date in order of time."""

    def __init__(self, channels: int, dates: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, dates))
        self.bias = nn.Parameter(torch.zeros(channels, dates))

    def forward(self, rows: Tensor, series: Dated) -> Tensor:
        valid = series.valid
        channels, dates = self.weight.shape
        check_dates(valid.shape[1], dates)
        dated = at_dates(rows, valid)
        count = (channels * valid.sum(1)).clamp(min=1)[:, None, None]
        mean = dated.sum((1, 2), keepdim=True) / count
        deviations = (dated - mean) * valid[..., None]
        spread = (deviations.square().sum((1, 2), keepdim=True) / count + 1e-5).sqrt()
        rank = series.days.expand(valid.shape).argsort(1).argsort(1)
        normed = deviations / spread * self.weight.T[rank] + self.bias.T[rank]
        return normed[valid]
