"""Workers that process the scenes of a batch, here or on a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from georaster_dl.batches.job import Outcome, SceneJob
from georaster_dl.core.events import Event

__all__ = ["SceneReport", "Workers"]

SceneReport = Callable[[str, Event], None]
"""Function that takes a job's name and an event of its run."""


class Workers(Protocol):
    """Processes that do jobs; used as a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def submit(self, job: SceneJob) -> None:
        """Queue a job."""

    def next(self) -> Outcome:
        """Wait for the end of any submitted job."""
