"""Convolutions over occupied voxels: sub-manifold, strided and back, as products of gathered rows.

Voxels are rows of a sorted table of keys. A convolution gathers the rows of all pairs of an input and an output voxel,
multiplies those of each kernel position by its matrix and adds the products up, so it needs no special library and
runs wherever torch does (Graham & van der Maaten 2017; Choy et al. 2019).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["Pairs", "Pooled", "SparseConv", "Voxels", "neighbours", "pool"]


@dataclass(frozen=True, eq=False)
class Voxels:
    """Occupied voxels of several grids, in the order of their keys.

    Attributes
    ----------
    places : (n, 4) int64: number of the grid, then the place on each axis, which may be negative.
    keys : (n,) int64, rising and distinct.
    low, size : (4,) lowest place of each axis, and number of places with a free one on either side.
    """

    places: Tensor
    keys: Tensor
    low: Tensor
    size: Tensor

    @classmethod
    def of(cls, places: Tensor) -> tuple[Voxels, Tensor]:
        """Collect the voxels of places (m, 4) int64, one or more, and the row of each place's voxel (m,)."""
        low = places.amin(dim=0) - 1
        size = places.amax(dim=0) - low + 2
        keys, row = torch.unique(_keys(places, low, size), return_inverse=True)
        first = torch.empty(len(keys), dtype=torch.int64, device=places.device)
        first[row] = torch.arange(len(places), device=places.device)
        return cls(places[first], keys, low, size), row

    def __len__(self) -> int:
        """Return the number of voxels."""
        return len(self.keys)


def _keys(places: Tensor, low: Tensor, size: Tensor) -> Tensor:
    """Number places (m, 4) so that neighbours on the last axis follow each other."""
    from_low = places - low
    keys = from_low[:, 0]
    for axis in range(1, 4):
        keys = keys * size[axis] + from_low[:, axis]
    return keys


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of an input row and an output row, in the order of kernel positions.

    Attributes
    ----------
    inputs, outputs : (P,) int64 rows.
    counts : pairs of each kernel position.
    n_inputs, n_outputs : number of rows.
    """

    inputs: Tensor
    outputs: Tensor
    counts: tuple[int, ...]
    n_inputs: int
    n_outputs: int

    def back(self) -> Pairs:
        """Exchange inputs and outputs."""
        return Pairs(self.outputs, self.inputs, self.counts, self.n_outputs, self.n_inputs)


def neighbours(voxels: Voxels) -> Pairs:
    """Find the pairs of neighbouring voxels of a kernel of 3 x 3 x 3, each voxel with itself included."""
    keys, n = voxels.keys, len(voxels)
    own = torch.arange(n, device=keys.device)
    inputs, outputs = [], []
    offsets = list(itertools.product((-1, 0, 1), repeat=3))
    for d0, d1, d2 in offsets[: len(offsets) // 2]:
        step = (d0 * voxels.size[2] + d1) * voxels.size[3] + d2
        row = torch.searchsorted(keys, keys + step).clamp_(max=n - 1)
        there = (keys[row] == keys + step).nonzero()[:, 0]
        inputs.append(row[there])
        outputs.append(there)
    # A neighbour at an offset sees this voxel at the opposite one.
    ahead, behind = [*inputs, own, *reversed(outputs)], [*outputs, own, *reversed(inputs)]
    counts = tuple(len(part) for part in ahead)
    return Pairs(torch.cat(ahead), torch.cat(behind), counts, n, n)


@dataclass(frozen=True, eq=False)
class Pooled:
    """Coarse voxels, the coarse row of each fine voxel, and the pairs of a strided convolution."""

    voxels: Voxels
    row: Tensor
    pairs: Pairs


def pool(voxels: Voxels, stride: tuple[int, int, int]) -> Pooled:
    """Group voxels by boxes of ``stride`` places; kernel positions are the places in a box."""
    box = torch.tensor([1, *stride], device=voxels.keys.device)
    places = torch.div(voxels.places, box, rounding_mode="floor")
    coarse, row = Voxels.of(places)
    within = voxels.places - places * box
    kernel = (within[:, 1] * stride[1] + within[:, 2]) * stride[2] + within[:, 3]
    order = torch.argsort(kernel, stable=True)
    counts = torch.bincount(kernel, minlength=math.prod(stride)).tolist()
    return Pooled(coarse, row, Pairs(order, row[order], tuple(counts), len(voxels), len(coarse)))


class SparseConv(nn.Module):
    """A convolution over pairs of rows: of neighbours (sub-manifold), from fine to coarse voxels, or back.

    Parameters
    ----------
    positions : of the kernel.
    """

    def __init__(self, width: int, out: int, positions: int, *, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(positions, width, out))
        self.bias = nn.Parameter(torch.empty(out)) if bias else None
        bound = 1 / math.sqrt(width * positions)
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, rows: Tensor, pairs: Pairs) -> Tensor:
        """Convolve rows (n_inputs, width) to (n_outputs, out)."""
        gathered = torch.split(rows.index_select(0, pairs.inputs), list(pairs.counts))
        products = torch.cat(
            [part @ matrix for part, matrix in zip(gathered, self.weight, strict=True)]
        )
        out = products.new_zeros(pairs.n_outputs, products.shape[1])
        out = out.index_add(0, pairs.outputs, products)
        return out if self.bias is None else out + self.bias
