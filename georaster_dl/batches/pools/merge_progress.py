"""Events of a job's parts, merged into those of one run."""

from __future__ import annotations

from georaster_dl.core.events import Event, Progressed, Report, SceneStarted, Warned
from georaster_dl.predict.progress import Progress

__all__ = ["MergedProgress"]


class MergedProgress:
    """Merges the events of a job's parts; a repeated part is not counted twice.

    Parameters
    ----------
    report : called with the events that a single run would report.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._warnings: set[str] = set()
        self._done: dict[int | None, int] = {}  # pixels, by part
        self._progress: Progress | None = None

    def __call__(self, part: int | None, event: Event) -> None:
        """Take an event of a part, or of the whole job where that is None."""
        if isinstance(event, Progressed):
            self._add(part, event.done)
        elif isinstance(event, Warned):
            if event.message not in self._warnings:
                self._warnings.add(event.message)
                self._report(event)
        elif not isinstance(event, SceneStarted):
            self._report(event)
        elif self._progress is None:
            self._progress = Progress(event.rows * event.cols, self._report)
            self._report(event)

    def _add(self, part: int | None, done: int) -> None:
        if part is None and self._done.keys() - {None}:
            return  # the remaining work on strips of the parts
        more = done - self._done.get(part, 0)
        if more <= 0 or self._progress is None:
            return  # another worker begins the part again
        self._done[part] = done
        self._progress(more)
