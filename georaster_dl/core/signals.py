"""What ends a run from outside, taken as Ctrl-C is, so that nothing half made is left."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

__all__ = ["interrupt_when_ended"]

_ENDING = ("SIGTERM", "SIGHUP")  # Windows has no terminal that hangs up


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
