"""Operation of layers with random numbers, recorded as one step that is run anew in each pass."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from weakref import WeakValueDictionary

import torch
from torch import Tensor

__all__ = ["RANDOM", "RandomLayer", "in_place"]

_library = torch.library.Library("georaster_dl", "DEF")  # type: ignore[no-untyped-call]
_library.define("random_layer(Tensor planes, int layer) -> Tensor")  # type: ignore[no-untyped-call]
_layers: WeakValueDictionary[int, RandomLayer] = WeakValueDictionary()
_numbers = count()


class RandomLayer:
    """Function with random numbers as a single operation of a network.

    Parameters
    ----------
    compute : reads planes (N, channels, rows, cols) and writes the result to the second argument, which
        may be the first.
    """

    def __init__(self, compute: Callable[[Tensor, Tensor], None]) -> None:
        self.compute = compute
        self._number = next(_numbers)
        _layers[self._number] = self

    def __call__(self, planes: Tensor) -> Tensor:
        """Compute the planes."""
        made: Tensor = RANDOM(planes, self._number)
        return made

    def __deepcopy__(self, _memo: object) -> RandomLayer:
        """Itself: programs of several threads refer to it by its number."""
        return self


def in_place(planes: Tensor, layer: int) -> Tensor:
    """Compute a layer in the memory of its planes."""
    _layers[layer].compute(planes, planes)
    return planes


def _compute(planes: Tensor, layer: int) -> Tensor:
    made = torch.empty_like(planes)
    _layers[layer].compute(planes, made)
    return made


_library.impl("random_layer", _compute, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
RANDOM = torch.ops.georaster_dl.random_layer.default
"""The operation."""
