"""Progress of a run: a bar for people, JSON lines for programs, or nothing."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import click

from georaster_dl.core.events import (
    EpochEnded,
    Event,
    Finished,
    MethodStarted,
    PixelsProgressed,
    Progressed,
    Report,
    RivalJudged,
    SceneEnded,
    Started,
    TrainingProgressed,
    TrainingStarted,
    TrialEnded,
    Warned,
    no_report,
    warner,
)
from georaster_dl.core.text import visible
from georaster_dl.core.wording import counted

from .console import rich_console
from .events import EventLines, EventLog
from .hints import with_options
from .results import status_of

if TYPE_CHECKING:
    from georaster_dl.io.output.staging import FailedOutput

__all__ = ["Terminal", "end_with_parent", "run_with_progress"]

_CANCELLED = 130
_GRACE_SECONDS = 15.0


def _print_line(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()


def _print_warning(event: Event) -> None:
    """Print warnings on standard error, for commands without a bar."""
    if isinstance(event, Warned):
        click.echo(f"geodl: warning: {with_options(event.message)}", err=True)


def _logged(shown: Report, path: Path) -> Report:
    """Append every event to a log, too."""
    log = EventLines(EventLog(path, warner(shown)).append)

    def report(event: Event) -> None:
        shown(event)
        log(event)

    return report


class _Bar:
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

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started):
            self._progress.update(self._task, description=event.device, total=1.0, completed=0)
        elif isinstance(event, Progressed):
            rate = f"{_pace(event)}  {_clock(event.seconds_left)} left"
            self._progress.update(self._task, completed=event.done / event.total, rate=rate)
        for line in _lines(event):
            text = visible(with_options(line))
            self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)


def _lines(event: Event) -> Iterator[str]:
    """Format the lines above the bar."""
    match event:
        case TrainingStarted():
            yield from _training_lines(event)
        case EpochEnded():
            member = f"member {event.member}/{event.members}  " if event.members else ""
            yield (
                f"{member}epoch {event.epoch + 1:.0f}/{event.epochs}  loss {event.loss:.3f}  "
                f"validation {event.val_loss:.3f}  {event.score} {event.val_score:.3f}"
                + (f"  at most {_clock(event.seconds_left)} left" if event.seconds_left else "")
            )
        case TrialEnded():
            yield _trial_line(event)
        case RivalJudged():
            yield f"{event.method}: mIoU {event.iou:.3f} on validation ground, {event.seconds:.1f} s"
        case MethodStarted():
            yield f"{event.method}, seed {event.seed}"
        case SceneEnded():
            again = "; trying again" if event.again else ""
            end = f": {event.error}{again}" if event.error else ""
            yield f"{event.ended}/{event.scenes} {event.name}{end}"
        case Warned():
            yield f"geodl: warning: {event.message}"


def _training_lines(event: TrainingStarted) -> Iterator[str]:
    """Format how labelled or valid pixels are divided, and the size of the training."""
    kind, counts = ("valid", event.valid) if event.valid else ("labelled", event.labelled or {})
    parts = [f"{part} {sum(of_part.values()):,}" for part, of_part in counts.items()]
    yield f"{kind} pixels: {', '.join(parts)} ({event.split})"
    if not event.weights:
        return
    yield (
        f"{counted(event.per_epoch, 'patch')} of {counted(event.patch, 'pixel')} an epoch, "
        f"{counted(event.weights, 'weight')}"
    )


def _trial_line(event: TrialEnded) -> str:
    """Format how a trial of a search has ended, and with which settings."""
    score = "-" if event.val_score is None else f"{event.val_score:.3f}"
    end = {"finished": "", "pruned": "  ended early", "failed": f"  failed: {event.reason}"}
    best = "  best so far" if event.trial == event.best else ""
    settings = ", ".join(
        f"{name} {value:.2g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in event.settings.items()
    )
    return f"trial {event.trial}/{event.trials}  {score}{best}{end[event.state]}  {settings}"


def _pace(event: Progressed) -> str:
    if isinstance(event, PixelsProgressed):
        return f"{event.mpx_per_s:.2f} Mpx/s"
    return f"loss {event.loss:.3f}" if isinstance(event, TrainingProgressed) else ""


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


@dataclass(frozen=True)
class Terminal:
    """Way in which a command shows its progress, warnings and result.

    Attributes
    ----------
    progress : ``bar``, ``json``, or ``warnings`` for a command that shows nothing else before its result.
    quiet : whether nothing but errors is shown.
    log : file to append events to.
    """

    progress: str = "bar"
    quiet: bool = False
    log: Path | None = None

    @property
    def prints(self) -> bool:
        """Whether results are printed as text."""
        return self.progress != "json" and not self.quiet

    @contextmanager
    def reporting(self) -> Iterator[Report]:
        """Show events for the length of the block."""
        with ExitStack() as stack:
            shown: Report = no_report
            if self.progress == "json":
                shown = EventLines(_print_line)
            elif self.progress == "warnings":
                shown = _print_warning
            elif not self.quiet:
                shown = stack.enter_context(_Bar())
            yield shown if self.log is None else _logged(shown, self.log)


class _Result(Protocol):
    """Result of a run, some of whose extra outputs may have failed."""

    @property
    def failed(self) -> Sequence[FailedOutput]: ...


R = TypeVar("R", bound=_Result)


def run_with_progress(
    terminal: Terminal,
    run: Callable[[Report], R | None],
    event: Callable[[R], Finished],
    show: Callable[[R], None],
    *,
    warnings: Callable[[R], Iterable[str]] = lambda _result: (),
    status: Callable[[R], int] = lambda result: status_of(result.failed),
) -> int:
    """Run, show the progress and then the result, and give the exit status.

    Parameters
    ----------
    run : does the work, and reports its events; gives None in all but the first of several processes.
    event : makes the last event of the result.
    show : prints the result for people.
    warnings : cautions that the result calls for.
    status : exit status of the result.
    """
    with terminal.reporting() as report:
        result = run(report)
        if result is None:
            return 0
        for message in warnings(result):
            report(Warned(message))
        report(event(result))
    if terminal.prints:
        show(result)
    return status(result)


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
