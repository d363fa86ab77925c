"""A plane of boundaries between objects, behind the classes of a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from torch import Tensor, nn

from georaster_dl.core.errors import OptionError
from georaster_dl.models.contract import HEAD, outer_parts

__all__ = ["WithoutBoundaries", "give_boundaries", "giving_boundaries", "with_boundaries_head"]


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


def with_boundaries_head(network: nn.Module) -> nn.Module:
    """Append ``WithoutBoundaries`` to the segmentation head of a network, in place; its weights keep their names.

    Raises
    ------
    OptionError
        When the network has no segmentation head that is an ``nn.Sequential``.
    """
    head = getattr(network, HEAD, None)
    if not isinstance(head, nn.Sequential):
        raise OptionError(
            f"{type(network).__name__} has no `{HEAD}` that is an nn.Sequential, to which a plane of boundaries could be "
            f"appended (its parts are {outer_parts(network)}); give it one, or choose an architecture of `list_models()`."
        )
    head.append(WithoutBoundaries())
    return network


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
