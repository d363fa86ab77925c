"""Programs: the operations of a network as a list, for images of any size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
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
    random : numbers of the values that differ from pass to pass.
    """

    def __init__(self, steps: Sequence[Step], result: int, random: Set[int] = frozenset()) -> None:
        each = [step for step in steps if step.out in random]
        made = {step.out for step in each}
        read = {result}.union(*(step.reads for step in each))
        self._result = result
        self._once = _Part([step for step in steps if step.out not in random], read - made)
        self._each = _Part(each, {result})

    @property
    def steps(self) -> list[Step]:
        """All steps: those that are run once, and then those of each pass."""
        return [*self._once.steps, *self._each.steps]

    @property
    def is_random(self) -> bool:
        """Whether passes differ."""
        return bool(self._each.steps)

    def __call__(self, image: Tensor) -> Tensor:
        """Run it; where it is random, a single pass."""
        return self.one_pass(self.begin(image))

    def begin(self, image: Tensor) -> Mapping[int, Tensor]:
        """Run the common steps of all passes over an image; gives the values that each pass reads."""
        return self._once.run({0: image})

    def one_pass(self, begun: Mapping[int, Tensor]) -> Tensor:
        """Run a pass over the image of ``begin``."""
        return self._each.run(dict(begun))[self._result]

    def __deepcopy__(self, _memo: Any) -> Program:
        """Itself: nothing in it ever changes, and several threads may run it."""
        return self


class _Part:
    """Sequence of steps, which keeps the values that are needed after it."""

    def __init__(self, steps: Sequence[Step], results: Set[int]) -> None:
        self.steps = list(steps)
        last = {number: at for at, step in enumerate(steps) for number in step.reads}
        self._freed: list[list[int]] = [[] for _ in steps]
        for number, at in last.items():
            if number not in results:
                self._freed[at].append(number)

    def run(self, values: dict[int, Tensor]) -> dict[int, Tensor]:
        """Run the steps, given the values that they read; those that nothing needs are dropped."""

        def tensor(leaf: Any) -> Any:
            return values[leaf.number] if isinstance(leaf, Value) else leaf

        for step, freed in zip(self.steps, self._freed, strict=True):
            args, kwargs = tree_map(tensor, (step.args, step.kwargs))
            values[step.out] = step.op(*args, **kwargs)
            del args, kwargs
            for number in freed:
                del values[number]
        return values
