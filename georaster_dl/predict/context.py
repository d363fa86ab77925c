"""Context of a run: values that all its steps read and none changes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from georaster_dl.core.events import Report, Warned, no_report
from georaster_dl.predict.engine.network_cache import NetworkCache, of_process
from georaster_dl.predict.options import RunOptions

__all__ = ["RunContext"]


@dataclass(frozen=True)
class RunContext:
    """Options of a run, the function that takes its events, and its beginning.

    Attributes
    ----------
    networks : keeps the prepared network for the next run.
    begun : when the run was asked for, by ``time.monotonic``.
    """

    options: RunOptions
    report: Report = no_report
    networks: NetworkCache = of_process
    begun: float = field(default_factory=time.monotonic)

    def warn(self, message: str | None) -> None:
        """Report a warning, unless the message is None."""
        if message is not None:
            self.report(Warned(message))
