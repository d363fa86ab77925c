"""How a run tells its progress: a bar for people, JSON lines for programs, or nothing."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from georaster_dl.core.text import visible
from georaster_dl.core.wording import counted

from .console import rich_console
from .events import EventLines, EventLog
from .hints import with_options

__all__ = ["Reporter", "end_with_parent", "reporting"]

_CANCELLED = 130
_GRACE_SECONDS = 15.0


class Reporter:
    """Takes a run's events; the base says nothing."""

    def __call__(self, event: str, facts: Mapping[str, Any]) -> None:
        """Tell one event: ``start``, ``progress``, ``epoch``, ``scene``, ``warning`` or ``done``."""


class _JsonLines(Reporter):
    """One JSON object a line on standard output."""

    def __init__(self) -> None:
        self._tell = EventLines(_print_line)

    def __call__(self, event: str, facts: Mapping[str, Any]) -> None:
        self._tell(event, facts)


def _print_line(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()


class _Warnings(Reporter):
    """Warnings on standard error, for commands without a bar."""

    def __call__(self, event: str, facts: Mapping[str, Any]) -> None:
        if event == "warning":
            click.echo(f"geodl: warning: {with_options(facts['message'])}", err=True)


class _Logged(Reporter):
    """Tells as another reporter does, and appends every event to a log."""

    def __init__(self, shown: Reporter, path: Path) -> None:
        self._shown = shown
        log = EventLog(path, lambda message: shown("warning", {"message": message}))
        self._log = EventLines(log.append)

    def __call__(self, event: str, facts: Mapping[str, Any]) -> None:
        self._shown(event, facts)
        self._log(event, facts)


class _Bar(Reporter):
    """A bar on standard error with Mpx/s and the time left."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        console = rich_console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[rate]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,  # in a log it would leave empty lines
        )
        self._task = self._progress.add_task("starting", total=None, rate="")

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, event: str, facts: Mapping[str, Any]) -> None:
        if event == "start":
            self._progress.update(self._task, description=facts["device"], total=1.0, completed=0)
            for line in _learnt_from(facts):
                self._say(line)
        elif event == "progress":
            rate = f"{_pace(facts)}  {_clock(facts['seconds_left'])} left"
            share = facts["done"] / facts["total"]
            self._progress.update(self._task, completed=share, rate=rate)
        elif event == "epoch":
            self._say(
                f"epoch {facts['epoch'] + 1:.0f}/{facts['epochs']}  loss {facts['loss']:.3f}  "
                f"validation {facts['val_loss']:.3f}  {facts['score']} {facts['val_score']:.3f}"
            )
        elif event == "scene":
            again = "; trying again" if facts["again"] else ""
            end = f": {facts['error']}{again}" if facts["error"] else ""
            self._say(f"{facts['ended']}/{facts['scenes']} {facts['name']}{end}")
        elif event == "warning":
            self._say(f"geodl: warning: {facts['message']}")

    def _say(self, line: str) -> None:
        line = visible(with_options(line))
        self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _learnt_from(facts: Mapping[str, Any]) -> list[str]:
    """How the labels of a training are divided, or its valid pixels; nothing for other runs."""
    kind = next((key for key in ("labelled", "valid") if key in facts), None)
    if kind is None:
        return []
    parts = [f"{part} {sum(counts.values()):,}" for part, counts in facts[kind].items()]
    return [
        f"{kind} pixels: {', '.join(parts)} ({facts['split']})",
        f"{counted(facts['per_epoch'], 'patch')} of {counted(facts['patch'], 'pixel')} an epoch, {counted(facts['weights'], 'weight')}",
    ]


def _pace(facts: Mapping[str, Any]) -> str:
    return (
        f"{facts['mpx_per_s']:.2f} Mpx/s" if "mpx_per_s" in facts else f"loss {facts['loss']:.3f}"
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


@contextmanager
def reporting(progress: str, quiet: bool, log: Path | None) -> Iterator[Reporter]:
    """Reporter for the length of the block.

    Parameters
    ----------
    progress, quiet, log : as ``run_options`` collects them; ``progress`` may also be ``warnings``, for
        a command that shows nothing else.
    """
    with ExitStack() as stack:
        shown = Reporter()
        if progress == "json":
            shown = _JsonLines()
        elif progress == "warnings":
            shown = _Warnings()
        elif not quiet:
            shown = stack.enter_context(_Bar())
        yield shown if log is None else _Logged(shown, log)


def end_with_parent() -> None:
    """Cancel this process when its standard input closes: the parent cancelled, or is gone.

    Portable where signals are not. The run gets an interrupt so that it cleans up; should it not
    have ended within 15 s, the process exits with 130 all the same.
    """

    def watch() -> None:
        # Not through sys.stdin's buffer: its lock, held by this thread for ever, would make the
        # interpreter abort when the run ends well.
        with suppress(OSError):
            while sys.stdin is not None and os.read(sys.stdin.fileno(), 4096):
                pass
        if os.name == "posix":
            # Not SIGINT: a shell's background job ignores it. This one has a handler (main.py).
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            signal.raise_signal(signal.SIGINT)
        time.sleep(_GRACE_SECONDS)
        os._exit(_CANCELLED)

    threading.Thread(target=watch, name="parent-pipe", daemon=True).start()
