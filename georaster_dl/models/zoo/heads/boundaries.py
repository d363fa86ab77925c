"""A plane of boundaries between objects, behind the classes of a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from torch import Tensor, nn

__all__ = ["WithoutBoundaries", "give_boundaries", "giving_boundaries"]


class WithoutBoundaries(nn.Module):
    """Last module of a head whose last plane are boundaries: it takes them off, unless they are asked for.

    So a network of classes and boundaries is a network of classes to all that does not ask.

    Attributes
    ----------
    gives_boundaries : whether the logits of boundaries stay, behind those of the classes.
    """

    gives_boundaries = False

    def forward(self, planes: Tensor) -> Tensor:
        """Select from planes (N, classes + 1, rows, cols)."""
        return planes if self.gives_boundaries else planes[:, :-1]


def give_boundaries(network: nn.Module, *, given: bool = True) -> nn.Module:
    """Let a network, and the members of an ensemble, give the logits of boundaries behind its classes, or no longer."""
    for module in network.modules():
        if hasattr(module, "gives_boundaries"):
            cast("WithoutBoundaries", module).gives_boundaries = given
    return network


@contextmanager
def giving_boundaries(network: nn.Module) -> Iterator[None]:
    """Let a network give the logits of boundaries behind its classes for a while; others stay as they are."""
    give_boundaries(network)
    try:
        yield
    finally:
        give_boundaries(network, given=False)
