"""Recording of the operations that a network makes of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from georaster_dl.predict.engine.rewrite.program import Step, Value

__all__ = ["Like", "NotRecordableError", "Recorder"]

_aten = torch.ops.aten
_DROPOUTS = _aten.dropout.default, _aten.feature_dropout.default


class NotRecordableError(Exception):
    """A network is no fixed list of operations on tensors."""


@dataclass(frozen=True)
class Like:
    """Shape and type of a recorded tensor."""

    shape: torch.Size
    dtype: torch.dtype


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Record the operations on an input; weights, and tensors made of weights only, are constants."""

    def __init__(self, source: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.steps: list[Step] = []
        self._kept = [source]  # the identity of a tensor that is freed may come again
        self._numbers = {id(source): 0}
        self._casts: dict[int, tuple[Tensor, Tensor]] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled, and importing the compiler takes a second

    def __torch_dispatch__(
        self,
        func: Any,
        _types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        if func in _DROPOUTS and made is args[0]:
            return made  # outside training it is none
        symbols = tree_map(self._symbol, args), tree_map(self._symbol, kwargs)
        if not any(isinstance(leaf, Value) for leaf in tree_flatten(symbols)[0]):
            if func is _aten.to.dtype:
                self._casts[id(made)] = made, args[0]
            return made
        if not isinstance(made, Tensor):
            raise NotRecordableError(f"{func} makes no tensor")
        if func._schema.is_mutable:
            func = self._out_of_place(func, args)
        out = len(self._kept)
        self._kept.append(made)
        self._numbers[id(made)] = out
        self.steps.append(Step(func, symbols[0], out, symbols[1]))
        return made

    def value(self, tensor: Tensor) -> int:
        """Number of a recorded tensor."""
        number = self._numbers.get(id(tensor))
        if number is None:
            raise NotRecordableError("the output does not depend on the input")
        return number

    @property
    def likes(self) -> list[Like]:
        """Shape and type of every value."""
        return [Like(tensor.shape, tensor.dtype) for tensor in self._kept]

    def uncast(self, constant: Tensor) -> Tensor:
        """A constant in the type that it had before it was cast for the arithmetic."""
        return self._casts.get(id(constant), (constant, constant))[1]

    def _symbol(self, leaf: Any) -> Any:
        known = isinstance(leaf, Tensor) and id(leaf) in self._numbers
        return Value(self._numbers[id(leaf)]) if known else leaf

    def _out_of_place(self, func: Any, args: tuple[Any, ...]) -> Any:
        """Find the operation that returns the result which ``func`` writes to its first argument.

        What uses that argument later finds the new value by its identity; a view would not.
        """
        if id(args[0]) not in self._numbers:
            raise NotRecordableError(f"{func} changes a weight")
        storage = args[0].untyped_storage().data_ptr()
        if any(t is not args[0] and t.untyped_storage().data_ptr() == storage for t in self._kept):
            raise NotRecordableError(f"{func} changes a tensor that has views")
        name = func._schema.name.removeprefix("aten::")
        packet = getattr(_aten, name.removesuffix("_"), None)
        if not name.endswith("_") or packet is None:
            raise NotRecordableError(f"{func} writes to an argument")
        return getattr(packet, func._overloadname)
