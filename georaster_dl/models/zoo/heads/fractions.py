"""Softmax behind the last layer of a network, so that its outputs are fractions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from georaster_dl.core.errors import OptionError
from georaster_dl.models.contract import HEAD, outer_parts

__all__ = ["Fractions", "with_fractions_head"]


class Fractions(nn.Module):
    """Softmax of the planes, in float32 also where the layers before it are in half precision."""

    def forward(self, planes: Tensor) -> Tensor:
        """Compute fractions (N, planes, rows, cols), not below 0 and of sum 1."""
        wide = planes if planes.dtype == torch.float64 else planes.float()
        fractions: Tensor = wide.softmax(1)
        return fractions


def with_fractions_head(network: nn.Module) -> nn.Module:
    """Append a softmax to the segmentation head of a network, in place; its weights keep their names.

    Raises
    ------
    OptionError
        When the network has no segmentation head that is an ``nn.Sequential``.
    """
    head = getattr(network, HEAD, None)
    if not isinstance(head, nn.Sequential):
        raise OptionError(
            f"{type(network).__name__} has no `{HEAD}` that is an nn.Sequential, to which a softmax could be appended "
            f"(its parts are {outer_parts(network)}); give it one, or choose an architecture of `list_models()`."
        )
    head.append(Fractions())
    return network
