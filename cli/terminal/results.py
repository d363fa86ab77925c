"""End of a command: its outputs, failed outputs, and the exit status."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.events import Finished

if TYPE_CHECKING:
    from georaster_dl.io.output.staging import FailedOutput

__all__ = [
    "EXTRA_FAILED",
    "SOME_SCENES_FAILED",
    "finished",
    "print_outputs",
    "print_table",
    "status_of",
]

SOME_SCENES_FAILED = 3
EXTRA_FAILED = 4
"""Exit status where the main output stands and something beside it could not be made."""


def finished(
    files: Sequence[Path],
    failed: Sequence[FailedOutput] = (),
    seconds: float | None = None,
    **results: Any,
) -> Finished:
    """Make the last event of a run.

    Parameters
    ----------
    files, failed : outputs made, and extra ones that could not be made.
    results : keys of the command.
    """
    from georaster_dl.io.output.staging import sidecars_of

    sidecars = {str(path): [str(sidecar) for sidecar in sidecars_of(path)] for path in files}
    return Finished(
        outputs=[str(path) for path in files],
        sidecars={path: of_path for path, of_path in sidecars.items() if of_path},
        failed=[{"output": str(output.path), "reason": output.reason} for output in failed],
        seconds=seconds,
        results=results,
    )


def print_outputs(files: Sequence[Path]) -> None:
    """Say which files hold the names and colours of the last one, the map; then all, a line each."""
    from georaster_dl.io.output.staging import sidecars_of

    for path in files[-1:]:
        refers = path.suffix.lower() == ".vrt"
        sidecars = sidecars_of(path)
        if refers or sidecars:
            why = "and the maps that it refers to" if refers else "(names and colours)"
            names = ", ".join(one.name for one in (path, *sidecars))
            click.echo(f"keep together: {names} {why}")
    for path in files:
        click.echo(str(path))


def print_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print columns as wide as they need, the first to the left, the others to the right."""
    wide = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = [cell.rjust(width) for cell, width in zip(row[1:], wide[1:], strict=True)]
        click.echo("  ".join([row[0].ljust(wide[0]), *cells]).rstrip())
    click.echo()


def status_of(failed: Sequence[FailedOutput]) -> int:
    """Exit status of a run of which these extra outputs failed."""
    return EXTRA_FAILED if failed else 0
