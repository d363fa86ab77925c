"""Progress of a run over a scene."""

from __future__ import annotations

import time

from georaster_dl.core.events import PixelsProgressed, Report

__all__ = ["Progress"]


class Progress:
    """Counts pixels and reports the progress, with the rate and the time left.

    Parameters
    ----------
    total : pixels to do.
    before : those of them that an earlier run did.
    """

    def __init__(self, total: int, report: Report, before: int = 0) -> None:
        self._total = total
        self._report = report
        self._begun = time.monotonic()
        self._before = self._done = before

    def __call__(self, pixels: int) -> None:
        """Count pixels as done."""
        self._done += pixels
        rate = (self._done - self._before) / max(time.monotonic() - self._begun, 1e-6)
        progress = PixelsProgressed(
            done=self._done,
            total=self._total,
            seconds_left=round((self._total - self._done) / rate, 1),
            mpx_per_s=round(rate / 1e6, 3),
        )
        self._report(progress)
