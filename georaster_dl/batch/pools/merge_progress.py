"""What the parts of a job tell, told as what one run would."""

from __future__ import annotations

from georaster_dl.batch.pools.local import Tell
from georaster_dl.core.events import Event, Progressed, SceneStarted, Warned
from georaster_dl.predict.progress import Progress

__all__ = ["Told"]


class Told:
    """Takes the events of a job's parts; parts that come again tell nothing twice.

    Parameters
    ----------
    name : of the job.
    tell : takes what a single run would tell.
    """

    def __init__(self, name: str, tell: Tell) -> None:
        self._name = name
        self._tell = tell
        self._said: set[str] = set()
        self._done: dict[int | None, int] = {}  # pixels that each part has told of
        self._progress: Progress | None = None

    def __call__(self, part: int | None, event: Event) -> None:
        """Take an event of a part, or of the whole job where that is None."""
        if isinstance(event, Progressed):
            self._add(part, event.done)
        elif isinstance(event, Warned):
            if event.message not in self._said:
                self._said.add(event.message)
                self._report(event)
        elif not isinstance(event, SceneStarted):
            self._report(event)
        elif self._progress is None:
            self._progress = Progress(event.rows * event.cols, self._report)
            self._report(event)

    def _add(self, part: int | None, done: int) -> None:
        if part is None and self._done.keys() - {None}:
            return  # what was left to do of the parts' strips
        more = done - self._done.get(part, 0)
        if more <= 0 or self._progress is None:
            return  # another worker begins the part again
        self._done[part] = done
        self._progress(more)

    def _report(self, event: Event) -> None:
        self._tell(self._name, event)
