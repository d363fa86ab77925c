"""How a command ends: what it made, what belongs together, what could not be made, and its status."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from georaster_dl.io.output.staging import FailedOutput

__all__ = ["EXTRA_FAILED", "SOME_SCENES_FAILED", "output_facts", "print_outputs", "status_of"]

SOME_SCENES_FAILED = 3
EXTRA_FAILED = 4
"""Exit status where the main output stands and something beside it could not be made."""


def output_facts(files: Sequence[Path], failed: Sequence[FailedOutput] = ()) -> dict[str, Any]:
    """Of the ``done`` event: outputs made, their sidecars, and those that failed with the reason."""
    from georaster_dl.io.output.staging import sidecars_of

    return {
        "outputs": [str(path) for path in files],
        "sidecars": {
            str(path): [str(sidecar) for sidecar in sidecars]
            for path in files
            if (sidecars := sidecars_of(path))
        },
        "failed": [{"output": str(one.path), "reason": one.reason} for one in failed],
    }


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


def status_of(failed: Sequence[FailedOutput]) -> int:
    """Exit status of a run of which these extra outputs failed."""
    return EXTRA_FAILED if failed else 0
