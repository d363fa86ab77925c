"""Where a network runs, in which precision, and how much memory it may take."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from georaster_dl.core.errors import DeviceError, OptionError
from georaster_dl.core.process import available_memory

__all__ = ["Device", "is_out_of_memory"]

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Device:
    """A device and the precision of its arithmetic.

    Attributes
    ----------
    torch_device : ``cpu`` or one CUDA device.
    dtype : type of the convolutions; weights stay float32 and are cast on the way (autocast).
    """

    torch_device: torch.device
    dtype: torch.dtype

    @classmethod
    def choose(cls, device: str = "auto", precision: str = "auto") -> Device:
        """Device of this name (``auto``, ``cpu``, ``cuda``, ``cuda:1``) in this precision.

        ``auto`` takes a GPU where there is one. Precision ``auto`` is bf16 where the hardware
        computes in it, fp16 on an older GPU, else fp32.

        Raises
        ------
        DeviceError
            When the device is not there.
        OptionError
            When a name is none of those above.
        """
        if precision not in ("auto", *_DTYPES):
            raise OptionError(
                f"Precision {precision!r} is unknown; choose auto, {', '.join(_DTYPES)}."
            )
        where = _torch_device(device)
        dtype = _DTYPES[precision] if precision != "auto" else _native_dtype(where)
        return cls(where, dtype)

    @property
    def is_cuda(self) -> bool:
        """Whether this is a GPU."""
        return self.torch_device.type == "cuda"

    @property
    def name(self) -> str:
        """Device and precision in words, for logs and provenance."""
        return f"{self.torch_device} {self.precision}"

    @property
    def precision(self) -> str:
        """Name of the precision."""
        return next(name for name, dtype in _DTYPES.items() if dtype == self.dtype)

    def arithmetic(self) -> AbstractContextManager[object]:
        """Context in which the network computes in this precision."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.torch_device.type, self.dtype)

    def memory(self) -> int:
        """Bytes that are free on the device now."""
        if self.is_cuda:
            return int(torch.cuda.mem_get_info(self.torch_device)[0])
        return available_memory()


def _torch_device(name: str) -> torch.device:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda:0" if count else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    kind, _, number = name.partition(":")
    if kind != "cuda" or not (number or "0").isdigit():
        raise OptionError(f"Device {name!r} is unknown; choose auto, cpu, cuda or cuda:N.")
    if int(number or 0) >= count:
        raise DeviceError(
            f"Device {name} was asked for but this machine offers {count} CUDA devices; use "
            f"`device='cpu'`, or install a driver and a torch build for CUDA."
        )
    return torch.device("cuda", int(number or 0))


def _native_dtype(device: torch.device) -> torch.dtype:
    """Fastest type that the hardware itself computes in; emulated bf16 is slower than fp32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float16
    return torch.bfloat16 if {"avx512_bf16", "amx_bf16"} & _cpu_flags() else torch.float32


def _cpu_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
    except OSError:
        return set()
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return set(flags.split())


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error means that the device's memory did not suffice."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "not enough memory" in str(error)
    )
