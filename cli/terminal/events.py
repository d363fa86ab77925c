"""Events as JSON lines, on standard output and in a log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from georaster_dl.core.disk import explain_os_error
from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Event, Progressed

from .hints import with_options

__all__ = ["EventLines", "EventLog", "event_line"]

_EVERY_SECONDS = 0.2


def event_line(event: Event) -> str:
    """Format an event as JSON in ASCII, which every console and every reader takes.

    Its keys are those of ``to_json``, and ``time`` (ISO 8601 with the zone).
    """
    now = datetime.now().astimezone().isoformat(timespec="milliseconds")
    return json.dumps({"event": event.kind, "time": now} | with_options(event.to_json()))


class EventLines:
    """Gives each event as a line to ``write``, progress at most five times a second."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._told = 0.0

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, Progressed):
            now = time.monotonic()
            if now - self._told < _EVERY_SECONDS and event.done < event.total:
                return
            self._told = now
        self._write(event_line(event))


class EventLog:
    """A file that lines are appended to; each is there at once, and none that fails ends the run.

    Parameters
    ----------
    path : the file, made where it is missing.
    warn : called once, when the log cannot be written any more.

    Raises
    ------
    OptionError
        When the file is something else than such a log.
    OutputError
        When it cannot be opened.
    """

    def __init__(self, path: Path, warn: Callable[[str], None] = lambda _message: None) -> None:
        self._path = path
        self._warn = warn
        self._broken = False
        try:
            with path.open("a+b") as file:
                file.seek(0)
                begins = file.read(1)
        except OSError as error:
            raise explain_os_error(error, path) from error
        if begins not in (b"", b"{"):
            raise OptionError(
                f"--log appends to a file of JSON lines, but {path} is something else; name another file."
            )

    def append(self, line: str) -> None:
        """Add a line."""
        try:
            # Opened anew each time: nothing is held back, and the file may be moved away meanwhile.
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            if not self._broken:
                self._broken = True
                self._warn(f"the log {self._path} ends here: {error.strerror or error}")
