"""Helix4D: segmentation of slices of a rotating LiDAR with a memory of past turns (Loiseau et al. 2022).

984,080 parameters with 9 classes, as many as the authors' code (github.com/romainloiseau/Helix4D, MIT) has.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from georaster_dl.models.zoo.lidar.attention import (
    AGES,
    Past,
    SliceAttention,
    SliceNorm,
    pairs_within,
)
from georaster_dl.models.zoo.lidar.grid import FEATURES, CylinderGrid
from georaster_dl.models.zoo.lidar.sparse import Pairs, Pooled, SparseConv, Voxels, neighbours, pool

__all__ = ["Helix4D", "LidarSlice", "Memory"]

_POINT, _VOXEL = 128, 32
_STRIDES = ((3, 2, 2), (3, 3, 2))  # in range, azimuth and height, from fine to coarse
_BLOCKS = 2
_DROPOUT = 0.1


@dataclass(frozen=True, eq=False)
class LidarSlice:
    """Points of a part of a turn, in the order of their firing.

    Attributes
    ----------
    xyz : (n, 3) float32 in metres, in the sensor's frame; one point or more.
    intensity : (n,) 0 to 255.
    pose : (4, 4) float64, from the sensor's frame to the world's.
    whole : whether it is a whole turn.
    """

    xyz: Tensor
    intensity: Tensor
    pose: Tensor
    whole: bool = False


class Memory:
    """Slices of the last two turns, never of more, for those of the next.

    Parameters
    ----------
    slices : of a turn.
    """

    def __init__(self, slices: int) -> None:
        self._slices = slices
        self._kept: deque[Past | None] = deque(maxlen=AGES * slices)

    def __len__(self) -> int:
        """Return the number of slices that are remembered."""
        return len(self._kept)

    def recall(self) -> list[tuple[int, Past]]:
        """List the slices at the same part of past turns, with their ages in turns."""
        kept = [
            (age, self._kept[-age * self._slices])
            for age in range(1, AGES + 1)
            if age * self._slices <= len(self._kept)
        ]
        return [(age, past) for age, past in kept if past is not None]

    def keep(self, past: Past | None) -> None:
        """Remember the next slice, None of one without points, and forget the oldest."""
        self._kept.append(past)


@dataclass(frozen=True, eq=False)
class _Layout:
    """Voxels of a batch of slices: rows, pairs of all convolutions, and the points of each voxel."""

    features: Tensor
    row: Tensor
    order: Tensor
    lengths: Tensor
    around: tuple[Pairs, ...]
    pooled: tuple[Pooled, ...]
    positions: Tensor


class Helix4D(nn.Module):
    """Network of points, voxels and attention over space and turns.

    Parameters
    ----------
    classes : number of classes; there is a plane more, the first, of points without one.
    grid : of the voxels.
    radius : in metres within which coarse voxels attend to each other.
    """

    stride = 1

    def __init__(self, classes: int, grid: CylinderGrid, radius: float = 6.0) -> None:
        super().__init__()
        self.grid, self._radius = grid, radius
        self.points = _dense(len(FEATURES), 64, _POINT)
        self.into_voxels = nn.Sequential(
            nn.Linear(_POINT, _VOXEL), nn.BatchNorm1d(_VOXEL), nn.ReLU()
        )
        widths = [_VOXEL << level for level in range(len(_STRIDES) + 1)]
        kernels = [stride[0] * stride[1] * stride[2] for stride in _STRIDES]
        levels = list(zip(widths, widths[1:], kernels, strict=False))
        self.before = nn.ModuleList(_Neighbours(width) for width, _, _ in levels)
        self.down = nn.ModuleList(SparseConv(w, out, k, bias=True) for w, out, k in levels)
        self.down_norm = nn.ModuleList(
            nn.Sequential(nn.LeakyReLU(), nn.BatchNorm1d(out)) for _, out, _ in levels
        )
        self.up = nn.ModuleList(SparseConv(out, w, k, bias=True) for w, out, k in levels)
        self.after = nn.ModuleList(_Neighbours(width) for width, _, _ in levels)
        self.norm = SliceNorm()
        self.blocks = nn.ModuleList(SliceAttention(widths[-1], _DROPOUT) for _ in range(_BLOCKS))
        self.decoder = nn.Sequential(*_dense(_POINT + _VOXEL, 128, 64), nn.Linear(64, classes + 1))

    def forward(
        self,
        slices: Sequence[LidarSlice],
        past: Sequence[Sequence[tuple[int, Past]]],
        decoded: Tensor | None = None,
    ) -> tuple[Tensor, list[Past]]:
        """Map slices, each with its age and slice of past turns, to logits.

        Parameters
        ----------
        decoded : (m,) int64 points, counted through all slices, whose logits are wanted; None for all.

        Returns
        -------
        Logits (points, 1 + classes) in the order of slices and points, and what each slice leaves
        for later ones, without gradients.
        """
        layout = self._layout(slices)
        of_points = self.points(layout.features)
        rows = self.into_voxels(
            torch.segment_reduce(
                of_points.index_select(0, layout.order), "max", lengths=layout.lengths, axis=0
            )
        )
        skipped = []
        for level, pooled in enumerate(layout.pooled):
            rows = self.before[level](rows, layout.around[level])
            skipped.append(rows)
            rows = self.down_norm[level](self.down[level](rows, pooled.pairs))
        rows, left = self._attend(rows, layout, slices, past)
        for level in reversed(range(len(layout.pooled))):
            rows = self.up[level](rows, layout.pooled[level].pairs.back()) + skipped[level]
            rows = self.after[level](rows, layout.around[level])
        row = layout.row
        if decoded is not None:
            row, of_points = row[decoded], of_points.index_select(0, decoded)
        return self.decoder(torch.cat([of_points, rows.index_select(0, row)], dim=1)), left

    def _layout(self, slices: Sequence[LidarSlice]) -> _Layout:
        features, places = [], []
        for number, one in enumerate(slices):
            start = float(torch.atan2(one.xyz[0, 1], one.xyz[0, 0]))
            read, at = self.grid.read(one.xyz, one.intensity, start, whole=one.whole)
            features.append(read)
            places.append(torch.cat([torch.full_like(at[:, :1], number), at], dim=1))
        voxels, row = Voxels.of(torch.cat(places))
        xyz = torch.cat([one.xyz for one in slices])
        positions, finer = _means(xyz, row, len(voxels)), voxels
        around, pooled = [], []
        for stride in _STRIDES:
            around.append(neighbours(finer))
            pooled.append(pool(finer, stride))
            finer = pooled[-1].voxels
            positions = _means(positions, pooled[-1].row, len(finer))
        lengths = torch.bincount(row, minlength=len(voxels))
        order = torch.argsort(row, stable=True)
        return _Layout(
            torch.cat(features), row, order, lengths, tuple(around), tuple(pooled), positions
        )

    def _attend(
        self,
        rows: Tensor,
        layout: _Layout,
        slices: Sequence[LidarSlice],
        past: Sequence[Sequence[tuple[int, Past]]],
    ) -> tuple[Tensor, list[Past]]:
        places = layout.pooled[-1].voxels.places
        sizes = torch.bincount(places[:, 0], minlength=len(slices)).tolist()
        parts = zip(
            slices,
            past,
            torch.split(rows, sizes),
            torch.split(places[:, 1:], sizes),
            torch.split(layout.positions, sizes),
            strict=True,
        )
        out, left = [], []
        for one, remembered, of_slice, at, positions in parts:
            seen = [(age, each.seen_from(one.pose)) for age, each in remembered]
            near = pairs_within(positions, at, seen, self._radius)
            attended, keys, values = self.norm(of_slice), [], []
            for number, block in enumerate(self.blocks):
                of_past = [(each.keys[number], each.values[number]) for _, each in remembered]
                attended, key, value = block(attended, near, of_past)
                keys.append(key.detach())
                values.append(value.detach())
            out.append(attended)
            left.append(Past(positions, one.pose, tuple(keys), tuple(values)))
        return torch.cat(out), left


def _dense(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width, out in pairwise(widths):
        layers += [nn.Linear(width, out, bias=False), nn.BatchNorm1d(out), nn.ReLU()]
    return nn.Sequential(*layers)


class _Neighbours(nn.Module):
    """Two convolutions among neighbouring voxels, each with an activation and a norm behind it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(SparseConv(width, width, 27, bias=False) for _ in "12")
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in "12")

    def forward(self, rows: Tensor, around: Pairs) -> Tensor:
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            rows = norm(nn.functional.leaky_relu(convolution(rows, around)))
        return rows


def _means(values: Tensor, row: Tensor, n: int) -> Tensor:
    """Average values (m, 3) of each row's members."""
    sums = values.new_zeros(n, values.shape[1]).index_add(0, row, values)
    return sums / torch.bincount(row, minlength=n)[:, None]
