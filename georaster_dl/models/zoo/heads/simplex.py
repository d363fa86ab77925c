"""Projection onto the simplex, so that values of a fitted method are fractions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Simplex", "onto_simplex"]


class Simplex(nn.Module):
    """Projection of the planes of each pixel onto fractions, not below 0 and of sum 1."""

    def forward(self, planes: Tensor) -> Tensor:
        """Project planes (N, planes, rows, cols)."""
        return onto_simplex(planes, 1)


def onto_simplex(values: Tensor, dim: int) -> Tensor:
    """Find the nearest vectors that are not below 0 and of sum 1 along an axis (Duchi et al. 2008)."""
    falling = values.sort(dim=dim, descending=True).values
    above = falling.cumsum(dim) - 1
    shape = [1] * values.ndim
    shape[dim] = -1
    number = torch.arange(1, values.shape[dim] + 1, device=values.device).view(shape)
    kept = (falling * number > above).sum(dim, keepdim=True)
    return (values - above.gather(dim, kept - 1) / kept).clamp(min=0)
