"""Programs: the operations of a network as a list, for images of any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map

__all__ = ["Program", "Step", "Value"]


@dataclass(frozen=True)
class Value:
    """A tensor of a program, by its number; 0 is the input."""

    number: int


@dataclass(frozen=True)
class Step:
    """An operation, its arguments with values in place of tensors, and the number of its result."""

    op: Callable[..., Tensor]
    args: tuple[Any, ...]
    out: int
    kwargs: dict[str, Any] = field(default_factory=dict)

    @property
    def reads(self) -> set[int]:
        """Numbers of the values among the arguments."""
        leaves = tree_flatten((self.args, self.kwargs))[0]
        return {leaf.number for leaf in leaves if isinstance(leaf, Value)}


class Program:
    """Operations of a network for inputs of any size, (N, bands, rows, cols).

    Parameters
    ----------
    steps : in the order in which they run.
    result : number of the value that is the output.
    """

    def __init__(self, steps: Sequence[Step], result: int) -> None:
        self._steps = list(steps)
        self._result = result
        last = {number: at for at, step in enumerate(steps) for number in step.reads}
        last.pop(result, None)
        self._freed: list[list[int]] = [[] for _ in steps]
        for number, at in last.items():
            self._freed[at].append(number)

    def __call__(self, image: Tensor) -> Tensor:
        """Run it."""
        values = {0: image}

        def tensor(leaf: Any) -> Any:
            return values[leaf.number] if isinstance(leaf, Value) else leaf

        for step, freed in zip(self._steps, self._freed, strict=True):
            args, kwargs = tree_map(tensor, (step.args, step.kwargs))
            values[step.out] = step.op(*args, **kwargs)
            del args, kwargs
            for number in freed:
                del values[number]
        return values[self._result]

    def __deepcopy__(self, _memo: Any) -> Program:
        """Itself: nothing in it ever changes, and several threads may run it."""
        return self
