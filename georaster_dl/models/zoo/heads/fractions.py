"""Softmax behind the last layer of a network, so that its outputs are fractions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Fractions"]


class Fractions(nn.Module):
    """Softmax of the planes, in float32 also where the layers before it are in half precision."""

    def forward(self, planes: Tensor) -> Tensor:
        """Compute fractions (N, planes, rows, cols), not below 0 and of sum 1."""
        wide = planes if planes.dtype == torch.float64 else planes.float()
        fractions: Tensor = wide.softmax(1)
        return fractions
