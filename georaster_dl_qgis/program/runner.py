"""Start of a program, its events, and its end when the user cancels; without QGIS.

``geodl --progress json`` tells a JSON object a line on standard output and text for people on
standard error. It is cancelled by closing its standard input (``--parent-pipe``), which needs no
signals and also happens when QGIS is gone, however it went.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

__all__ = [
    "EXTRA_FAILED",
    "CancelledError",
    "Ended",
    "FailedError",
    "GeodlError",
    "clean_environment",
    "run",
]

_POLL_SECONDS = 0.1
# geodl ends within 15 s of its input's end, whatever it was at.
_GRACE_SECONDS = 20.0
# A grandchild may hold the pipes of a process that has ended.
_LINGER_SECONDS = 2.0
_LAST_LINES = 12

EXTRA_FAILED = 4
"""Exit status where the main output stands and something beside it failed: a warning has said what."""

# What QGIS, or the script that starts it, sets for its own Python, GDAL, PROJ and Qt. Another
# Python dies of them (PYTHONHOME), silently imports QGIS's libraries (PYTHONPATH) or finds no
# coordinate system any more (PROJ_LIB, PROJ_DATA: another version's proj.db).
_FOREIGN = (
    "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "PYTHONUSERBASE", "PYTHONCASEOK",
    "PYTHONOPTIMIZE", "PYTHONINSPECT", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__",
    "GDAL_DATA", "GDAL_DRIVER_PATH", "PROJ_LIB", "PROJ_DATA", "GEOTIFF_CSV",
    "QT_PLUGIN_PATH", "QT_QPA_PLATFORM_PLUGIN_PATH", "QGIS_PREFIX_PATH", "QGIS_PLUGINPATH",
)  # fmt: skip


class GeodlError(Exception):
    """Error for the user, with a complete message."""


class FailedError(GeodlError):
    """A program ended badly.

    Parameters
    ----------
    message : its own, or what its end means.
    ended : how it ended.
    """

    def __init__(self, message: str, ended: Ended) -> None:
        super().__init__(message)
        self.ended = ended


class CancelledError(GeodlError):
    """The user cancelled."""


@dataclass
class Ended:
    """How a process ended.

    Attributes
    ----------
    code : exit status; negative where a signal ended it.
    result : the last JSON value on standard output that is no event, None where there is none.
    error : message of its ``error`` event, or the line on standard error that begins with its name.
    last : its last lines for people.
    """

    code: int = 0
    result: Any = None
    error: str = ""
    last: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_LINES))


def clean_environment(
    environment: Mapping[str, str], added: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Make the environment for another Python, without the variables of QGIS's own.

    Parameters
    ----------
    added : variables to set, such as ``OMP_NUM_THREADS``.
    """
    # Names of variables have no case on Windows.
    kept = {name: value for name, value in environment.items() if name.upper() not in _FOREIGN}
    settings = {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", "PYTHONNOUSERSITE": "1"}
    return {**kept, **settings, **(added or {})}


def run(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    event: Callable[[str, dict[str, Any]], None] = lambda _name, _facts: None,
    line: Callable[[str], None] = lambda _text: None,
    cancelled: Callable[[], bool] = lambda: False,
    grace: float = _GRACE_SECONDS,
    accepted: Iterable[int] = (0, EXTRA_FAILED),
) -> Ended:
    """Run a program to its end.

    Parameters
    ----------
    command : absolute path of the program and its arguments.
    event : called with the name and the facts of each event, in this thread.
    line : called with each line of text that is no event, in this thread.
    cancelled : asked ten times a second.
    grace : seconds that a cancelled program has to end by itself; 0 kills it at once.
    accepted : exit statuses that are no failure.

    Raises
    ------
    CancelledError
        When ``cancelled`` said so and the program has ended before it was done.
    FailedError
        When it fails, with its own message or what its end means.
    GeodlError
        When it cannot be started.
    """
    process = _start(command, environment)
    ended = Ended()
    stopping = None
    try:
        for source, text in _lines(process):
            if source:
                _tell(source, text, ended, event, line)
            if stopping is None and cancelled():
                stopping = time.monotonic()
                _close(process.stdin)
            if stopping is not None and time.monotonic() - stopping >= grace:
                process.kill()
        ended.code = process.wait()
    finally:
        _close(process.stdin)
        if process.poll() is None:  # an error of ours, or of the receiver of events
            process.kill()
            process.wait()
    if stopping is not None and ended.code not in accepted:
        raise CancelledError("cancelled")
    if ended.code not in accepted:
        raise FailedError(_reason(Path(command[0]).name, ended), ended)
    return ended


def _start(command: Sequence[str | Path], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    program = str(command[0])
    # Windows would open a console for every process.
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    try:
        return subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            encoding="utf-8",
            errors="replace",
            creationflags=flags,
        )
    except FileNotFoundError as error:
        raise GeodlError(
            f"{program} does not exist; run 'Check or install geodl', or set its path in Settings > "
            f"Options > Processing > Providers > GeoRaster DL."
        ) from error
    except OSError as error:
        raise GeodlError(
            f"{program} cannot be started ({error.strerror or error}); is that the program geodl, and may "
            f"you run it? 'Check or install geodl' makes one that works."
        ) from error


def _lines(process: subprocess.Popen[str]) -> Iterable[tuple[str, str]]:
    """Lines as they come, with their source; an empty pair at least ten times a second."""
    waiting: queue.Queue[tuple[str, str] | None] = queue.Queue()
    readers = [
        threading.Thread(target=_read, args=(pipe, source, waiting), daemon=True)
        for source, pipe in (("out", process.stdout), ("err", process.stderr))
    ]
    for reader in readers:
        reader.start()
    open_pipes, gone = len(readers), None
    while open_pipes:
        try:
            got = waiting.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            yield "", ""
            if process.poll() is not None:
                gone = gone or time.monotonic()
                if time.monotonic() - gone > _LINGER_SECONDS:
                    return  # the readers are daemons and end with the pipes
            continue
        if got is None:
            open_pipes -= 1
        else:
            yield got
    for reader in readers:
        reader.join()


def _read(pipe: Any, source: str, waiting: queue.Queue[tuple[str, str] | None]) -> None:
    with pipe, suppress(ValueError):
        for text in pipe:
            waiting.put((source, text.rstrip("\r\n")))
    waiting.put(None)


def _tell(
    source: str,
    text: str,
    ended: Ended,
    event: Callable[[str, dict[str, Any]], None],
    line: Callable[[str], None],
) -> None:
    value = _json(text) if source == "out" else None
    if isinstance(value, dict) and isinstance(value.get("event"), str):
        name = value.pop("event")
        if name == "error":
            ended.error = str(value.get("message", ""))
        else:
            event(name, value)
    elif value is not None:
        ended.result = value
    elif source == "err" and text.startswith("geodl: ") and not text.startswith("geodl: warning"):
        ended.error = ended.error or text[len("geodl: ") :]
    elif text.strip():
        ended.last.append(text)
        line(text)


def _json(text: str) -> Any:
    """The object or list that a line is, None where it is text."""
    if not text.startswith(("{", "[")):
        return None
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    return None


def _close(pipe: Any) -> None:
    with suppress(OSError):
        pipe.close()


def _reason(program: str, ended: Ended) -> str:
    if ended.error:
        return ended.error
    said = f" Its last lines: {' | '.join(ended.last)}" if ended.last else ""
    if ended.code < 0 and os.name == "posix":
        with suppress(ValueError):
            name = signal.Signals(-ended.code).name
            hint = (
                "the system ends programs so when memory runs out; close others or use fewer threads"
                if name == "SIGKILL"
                else "run 'Check or install geodl' and report it with what that says"
            )
            return f"{program} was ended by the signal {name}: {hint}.{said}"
    code = f"{ended.code:#x}" if ended.code > 255 else ended.code  # Windows: 0xc0000005
    return (
        f"{program} crashed (exit status {code}) without saying why; run 'Check or install geodl' and "
        f"report it with what that says.{said}"
    )
