"""The running process: its memory, its allocators, and the signals that end it."""

from __future__ import annotations

import ctypes
import os
import signal
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil

__all__ = ["available_memory", "interrupt_when_ended", "share_memory", "tune_allocators"]

_ENDING = ("SIGTERM", "SIGHUP")  # Windows has no terminal that hangs up
# mallopt's names for them in malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE_BLOCK, _KEPT_FREE = 4 * 2**20, 2**30

_sharing = 1

_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def usable_cpus() -> int:
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory() -> int:
    """Bytes of main memory that this process may still take, its container's limit included."""
    free = int(psutil.virtual_memory().available)
    for limit, used in _LIMITS:
        try:
            free = min(free, int(Path(limit).read_text()) - int(Path(used).read_text()))
        except (OSError, ValueError):
            continue  # no such limit here
    return max(free // _sharing, 0)


def share_memory(processes: int) -> None:
    """Leave room for so many processes of the same kind, this one among them."""
    global _sharing  # noqa: PLW0603 - a fact about this process
    _sharing = processes


def tune_allocators() -> None:
    """Prepare this process for a network's activations; to be called before torch is loaded.

    For processes of our own: up to 1 GiB of freed memory stays with the process afterwards, which the
    caller of a function may not want.

    Left alone, glibc learns from the first large blocks that are freed to keep all later ones on
    its heap, which a run over a 4096 x 4096 scene ends with 0.27 GiB of holes; a fixed threshold
    makes it map them one by one. That fixes the other threshold, too, at 128 KiB: the heap's end would go back
    to the system after every operation, to be mapped and zeroed anew for the next. So that is raised.
    Huge pages (torch's own switch) halve the time spent on page faults. Elsewhere than on Linux with
    glibc nothing happens.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    with suppress(OSError, AttributeError, TypeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_FREE)


def interrupt_when_ended() -> None:
    """Raise KeyboardInterrupt in the main thread when this process is ended, or its terminal closed."""
    for number in _numbers():
        # Who ignores it (nohup) wants the run to outlive the terminal.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    # A terminal that closes may say so twice; the second must not end the tidying up.
    for number in _numbers():
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _numbers() -> list[signal.Signals]:
    return [signal.Signals[name] for name in _ENDING if hasattr(signal, name)]
