"""Attention among the coarse voxels of a slice and of the same part of past turns (Loiseau et al. 2022)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["AGES", "Past", "SliceAttention", "SliceNorm", "pairs_within"]

AGES = 2
"""Whole turns that a slice remembers."""

_HEADS, _KEY = 4, 8
_BUCKETS = 7  # of each axis: 3 on either side of the middle
_RESOLUTION = (1.5, 1.5, 0.5)  # metres
_LINEAR, _LOG_STEP = 2.0, math.log(2.0 / 1.25)
_QUERIES = 512  # rows of one block of the table of scores


@dataclass(frozen=True, eq=False)
class Past:
    """Keys, values and positions that a slice leaves to later turns.

    Attributes
    ----------
    positions : (m, 3) float32 of its coarse voxels, in the frame of its own rotation.
    pose : (4, 4) float64, from this frame to the world's.
    keys, values : of each block of attention, (m, 4, 8) and (m, 4, width / 4).
    """

    positions: Tensor
    pose: Tensor
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]

    def seen_from(self, pose: Tensor) -> Tensor:
        """Move its positions (m, 3) to the frame of another pose (4, 4)."""
        move = torch.linalg.solve(pose, self.pose)
        moved: Tensor = self.positions.double() @ move[:3, :3].T + move[:3, 3]
        return moved.float()


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """Pairs of a query and a key that attend to each other.

    Attributes
    ----------
    query, key : (P,) rows; keys of the past lie behind the slice's own.
    buckets : (P, 4) relative place on three axes, and age in turns, as rows of the table of positions.
    queries, keys : number of rows.
    """

    query: Tensor
    key: Tensor
    buckets: Tensor
    queries: int
    keys: int


def pairs_within(
    positions: Tensor, places: Tensor, past: Sequence[tuple[int, Tensor]], radius: float
) -> Neighbourhood:
    """Pair each voxel with those within ``radius`` metres, and with those that touch it in its own slice.

    Parameters
    ----------
    positions : (n, 3) in metres.
    places : (n, 3) in the grid.
    past : age in turns, and positions (m, 3) in the same frame, of each remembered slice.
    """
    n = len(positions)
    everywhere = torch.cat([positions, *(there for _, there in past)])
    ages = torch.cat(
        [positions.new_zeros(n), *(there.new_full((len(there),), age) for age, there in past)]
    ).long()
    query, key, apart = [], [], []
    for first in range(0, n, _QUERIES):
        rows = slice(first, first + _QUERIES)
        offset = everywhere[None] - positions[rows, None]
        near = offset.square().sum(dim=2) <= radius**2
        touching = (places[None] - places[rows, None]).abs().amax(dim=2) <= 1
        near[:, :n] |= touching
        at = near.nonzero()
        query.append(at[:, 0] + first)
        key.append(at[:, 1])
        apart.append(offset[at[:, 0], at[:, 1]])
    keys = torch.cat(key)
    buckets = torch.cat([_buckets(torch.cat(apart)), ages[keys, None] + 3 * _BUCKETS], dim=1)
    return Neighbourhood(torch.cat(query), keys, buckets, n, len(everywhere))


def _buckets(apart: Tensor) -> Tensor:
    """Sort offsets (P, 3) in metres into buckets: rounded up to two steps, in logarithms beyond."""
    steps = apart / apart.new_tensor(_RESOLUTION)
    size = steps.abs()
    far = (_LINEAR + torch.log((size / _LINEAR).clamp(min=1)) / _LOG_STEP).round().clamp(max=3)
    bucket = torch.where(size <= _LINEAR, steps.round(), steps.sign() * far).long() + 3
    return bucket + torch.arange(0, 3 * _BUCKETS, _BUCKETS, device=apart.device)


class SliceNorm(nn.Module):
    """Normalisation over all values of a slice, with one weight and one bias, as the authors' code has it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (n, width)."""
        x = x - x.mean()
        return x / (x.square().mean() + 1e-5).sqrt() * self.weight + self.bias


class SliceAttention(nn.Module):
    """A block of attention whose queries are its keys, with relative positions, a sum and a norm behind it."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.to_key_value = nn.Linear(width, _HEADS * _KEY + width, bias=False)
        nn.init.xavier_uniform_(self.to_key_value.weight)
        self.positions = nn.Parameter(torch.zeros(3 * _BUCKETS + 1 + AGES, _HEADS * _KEY))
        self.norm = SliceNorm()
        self.dropout = dropout

    def forward(
        self, x: Tensor, near: Neighbourhood, past: Sequence[tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Attend from (n, width) to itself and to keys and values of the past.

        Returns
        -------
        Output (n, width), own keys (n, 4, 8) and own values (n, 4, width / 4).
        """
        n = len(x)
        key, value = self.to_key_value(x).split([_HEADS * _KEY, x.shape[1]], dim=1)
        own_key, own_value = key.view(n, _HEADS, _KEY), value.view(n, _HEADS, -1)
        keys = torch.cat([own_key, *(keys for keys, _ in past)])
        values = torch.cat([own_value, *(values for _, values in past)])
        ends = torch.searchsorted(
            near.query, torch.arange(0, n + _QUERIES, _QUERIES, device=x.device).clamp(max=n)
        ).tolist()
        parts = []
        for number, (begin, end) in enumerate(pairwise(ends)):
            rows = slice(number * _QUERIES, min(n, (number + 1) * _QUERIES))
            if rows.start < n:
                pairs = slice(begin, end)
                weights = self._weights(own_key, keys, near, rows, pairs)
                weights = functional.dropout(weights, self.dropout, self.training)
                parts.append((weights @ values.transpose(0, 1)).transpose(0, 1).flatten(1))
        out = functional.dropout(torch.cat(parts), self.dropout, self.training)
        return self.norm(x + out), own_key, own_value

    def _weights(
        self, queries: Tensor, keys: Tensor, near: Neighbourhood, rows: slice, pairs: slice
    ) -> Tensor:
        """Attention weights (4, rows, keys) of sum 1 over the keys of each row, 0 between those that are no pair."""
        query, key, buckets = near.query[pairs], near.key[pairs], near.buckets[pairs]
        n = rows.stop - rows.start
        at = ((query - rows.start) * near.keys + key).expand(_HEADS, -1)
        alike = queries[rows].transpose(0, 1) @ keys.permute(1, 2, 0)
        where = functional.embedding_bag(buckets, self.positions, mode="sum").view(-1, _HEADS, _KEY)
        placed = (where * queries.index_select(0, query)).sum(dim=2).T
        scores = (alike.flatten(1).gather(1, at) + placed) / math.sqrt(_KEY)
        table = scores.new_full((_HEADS, n * near.keys), -math.inf).scatter(1, at, scores)
        return table.view(_HEADS, n, near.keys).softmax(dim=2)
