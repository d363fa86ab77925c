"""Networks that run as fused programs on a CPU, checked against the plain network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn

from georaster_dl.models.runtime.device import is_out_of_memory
from georaster_dl.predict.engine.rewrite.fuse import record_fused
from georaster_dl.predict.engine.rewrite.program import Program

__all__ = ["Rewritten"]

_PRECISIONS = torch.float32, torch.bfloat16
# Root mean square of the difference over that of the output, in the worst channel. bf16 rounds after
# other operations, so there the rewritten network may be so many times as far from fp32 as the plain one.
_TOLERANCE, _TIMES = 1e-4, 2.0
_NEAR = 1e-2  # so near to each other, both are as far from fp32
_LEAST = 1e-6  # of the output's size: what a channel is smaller, rounding alone may change
_PROBES = (2, 3), (3, 5)  # rows and cols in strides
_LOOKED_AT = 256  # largest side of the part of the first tile on which both are compared


class Rewritten(nn.Module):
    """Run a network on a CPU as fused oneDNN primitives.

    At the first image of each precision the program is made, and compared with the network on the
    middle of that image with random numbers in a corner. The network itself runs where nothing can
    be fused, on a GPU, in fp16, and, with a warning, where the two differ: by more than 1e-4 of the
    output's size in fp32; in bf16, where the program is more than twice as far from fp32 as the network.

    Parameters
    ----------
    network : in eval mode.
    stride : of which rows and cols of its images are multiples.
    """

    def __init__(self, network: nn.Module, stride: int) -> None:
        super().__init__()
        self.network = network
        self._stride = stride
        self._programs = _Programs()

    def forward(self, image: Tensor) -> Tensor:
        """Compute the network's output of images (N, bands, rows, cols)."""
        program = self._program_for(image)
        if program is None:
            return self._plain(image)
        # One by one: the number of images may be among the operations that were recorded.
        made = [_run(program, each) for each in image.split(1)]  # type: ignore[no-untyped-call]
        return made[0] if len(made) == 1 else torch.cat(made)

    def each(self, image: Tensor, passes: Iterable[object]) -> Iterator[Tensor]:
        """Yield the output of several passes of a network with random layers.

        What lies before these is computed once.

        Parameters
        ----------
        passes : iterated over in step with the passes.
        """
        program = self._program_for(image)
        if program is None:
            for _ in passes:
                yield self._plain(image)
            return
        with _recorded_types():
            begun = program.begin(image)
        for _ in passes:
            with _recorded_types():
                made = program.one_pass(begun)
            yield made

    def program(self, precision: torch.dtype) -> Program | None:
        """Look up the program of a precision; None before its first image, or where there is none."""
        return self._programs.made.get(precision)

    def warn_with(self, warn: Callable[[str], None]) -> None:
        """Set the function for warnings that program and network differ, and repeat those of before."""
        self._programs.warn = warn
        for message in self._programs.warnings:
            warn(message)

    def _plain(self, image: Tensor) -> Tensor:
        made: Tensor = self.network(image)
        return made

    def _program_for(self, image: Tensor) -> Program | None:
        """Look up or make the program for the precision of the moment; None where the network has to run."""
        if image.device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
            return None
        precision = (
            torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
        )
        programs = self._programs
        with programs.lock:
            if precision not in programs.made:
                programs.made[precision] = (
                    self._checked(image) if precision in _PRECISIONS else None
                )
            return programs.made[precision]

    def _checked(self, image: Tensor) -> Program | None:
        """Make a program and compare it with the network; None where the network has to run."""
        random = torch.Generator().manual_seed(0)
        probes = [
            torch.randn(
                1, image.shape[1], rows * self._stride, cols * self._stride, generator=random
            ).contiguous(memory_format=torch.channels_last)
            for rows, cols in _PROBES
        ]
        try:
            program = record_fused(self.network, *probes)
            if program is None:
                return None
            seen = self._looked_at(image, probes[0])
            difference, tolerance = self._compared(program, seen)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            # oneDNN's primitives are no public part of torch, and not there on every processor.
            return None
        if difference <= tolerance:
            return program
        message = (
            f"the network rewritten for this processor gives other values than the plain one (by "
            f"{difference:.1e} of their size, allowed are {tolerance:.0e}); the plain one runs instead, "
            f"which takes longer"
        )
        self._programs.warnings.append(message)
        self._programs.warn(message)
        return None

    def _compared(self, program: Program, seen: Tensor) -> tuple[float, float]:
        """Compute how far a program is from the network, or from fp32, and how far it may be."""
        expected, found = self._plain(seen.clone()), _run(program, seen)
        if found.dtype != expected.dtype:
            return float("inf"), 0.0
        difference = _difference(expected, found)
        if not torch.is_autocast_enabled("cpu"):
            return difference, _TOLERANCE
        if difference <= _NEAR:
            return difference, _NEAR
        with torch.autocast("cpu", enabled=False):
            exact = self._plain(seen.clone())
        return _difference(exact, found), _TIMES * _difference(exact, expected)

    def _looked_at(self, image: Tensor, random: Tensor) -> Tensor:
        """Cut the middle out of an image, with random numbers in a corner of at least a pixel."""
        window = []
        for n in image.shape[2:]:
            side = min(n, max(_LOOKED_AT // self._stride, 1) * self._stride)
            window.append(slice((n - side) // 2, (n + side) // 2))
        seen = image[:1, :, window[0], window[1]].nan_to_num(0.0, 0.0, 0.0)
        rows, cols = (
            max(min(n // 2, m), 1) for n, m in zip(seen.shape[2:], random.shape[2:], strict=True)
        )
        seen[:, :, :rows, :cols] = random[:, :, :rows, :cols]
        return seen.contiguous(memory_format=torch.channels_last)


class _Programs:
    """Programs by precision, and warnings; shared by the copies of a network in several threads."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.made: dict[torch.dtype, Program | None] = {}
        self.warnings: list[str] = []
        self.warn: Callable[[str], None] = _ignore

    def __deepcopy__(self, _memo: Any) -> _Programs:
        return self


def _ignore(_message: str) -> None:
    """Drop a warning."""


def _recorded_types() -> torch.autocast:
    """Context of a program, in which the types of all tensors were recorded."""
    return torch.autocast("cpu", enabled=False)


def _run(program: Program, image: Tensor) -> Tensor:
    with _recorded_types():
        return program(image)


def _difference(expected: Tensor, found: Tensor) -> float:
    """Root mean square of the difference over that of ``expected``, in the worst channel.

    Infinite where the shapes differ.
    """
    if expected.shape != found.shape:
        return float("inf")
    expected, found = expected.double(), found.double()
    size = expected.square().mean((0, 2, 3)).sqrt()
    wrong = (found - expected).square().mean((0, 2, 3)).sqrt()
    least = max(_LEAST * float(size.max()), torch.finfo(torch.float32).tiny)
    return float((wrong / size.clamp(min=least)).max().nan_to_num(nan=torch.inf))
