"""Events of a run as Python warnings, log records and a progress bar."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from georaster_dl.core.errors import GeoRasterWarning
from georaster_dl.core.events import (
    Event,
    Failed,
    PixelsProgressed,
    Progressed,
    Report,
    Started,
    Warned,
)

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["reporting"]

_log = logging.getLogger("georaster_dl")
_PACKAGE = str(Path(__file__).parents[1])


@contextmanager
def reporting(report: Report | None, *, progress: bool = False) -> Iterator[Report]:
    """Choose the function that takes the events of a run, for the time of a block.

    Parameters
    ----------
    report : the caller's, which then takes all of them. None makes a Python warning
        (``GeoRasterWarning``) of every warning, and log records of the logger ``georaster_dl`` of
        all else: progress at the level DEBUG, the rest at INFO.
    progress : also show a bar, on standard error or in a notebook.
    """
    take = report or _warn_or_log
    if not progress:
        yield take
        return
    bar = _Bar()
    try:

        def both(event: Event) -> None:
            bar.take(event)
            take(event)

        yield both
    finally:
        bar.close()


def _warn_or_log(event: Event) -> None:
    if isinstance(event, Warned):
        warnings.warn(event.message, GeoRasterWarning, stacklevel=_stack_level())
    elif isinstance(event, Progressed):
        _log.debug("%s", _described(event))
    else:
        level = logging.ERROR if isinstance(event, Failed) else logging.INFO
        _log.log(level, "%s", event.to_json())


def _described(event: Progressed) -> str:
    rate = f", {event.mpx_per_s:g} Mpx/s" if isinstance(event, PixelsProgressed) else ""
    return f"{100 * event.done / max(event.total, 1):.0f} %{rate}, {event.seconds_left:.0f} s left"


def _stack_level() -> int:
    """Count the frames up to the first outside of this package: the warning is of the user's line."""
    frame: FrameType | None = sys._getframe(1)
    level = 1
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    return level


class _Bar:
    """A bar of tqdm, begun with the first progress."""

    def __init__(self) -> None:
        self._bar: tqdm[None] | None = None
        self._title = ""

    def take(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, Started):
            self._title = event.device
        if not isinstance(event, Progressed):
            return
        if self._bar is None:
            from tqdm.auto import tqdm

            self._bar = tqdm(
                total=event.total, desc=self._title, unit="px", unit_scale=True, leave=False
            )
        if event.total != self._bar.total:
            self._bar.reset(event.total)
        self._bar.update(event.done - self._bar.n)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.refresh()
            self._bar.close()
