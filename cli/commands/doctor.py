"""``geodl doctor``: one report on the installation, to be read or to be pasted."""

from __future__ import annotations

import json

import click

from ..options.shared import debug_option
from ..terminal.foreign import dropped_variables
from ..terminal.hints import with_options

__all__ = ["doctor"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Tell it as JSON on standard output.")
@debug_option
def doctor(as_json: bool, debug: bool) -> int:
    """Look for what is wrong with this installation, and say what to do about it.

    Versions, GPU, formats, coordinates, models, the environment, QGIS and its plugin; the text can be pasted
    into a report of a bug as it is. Your home folder is shown as ~. The exit status is 1 where there is a
    problem, 0 with warnings or without. The keys of --json are described at
    georaster_dl.doctor.report.Report.as_json, and stay.
    """
    from georaster_dl.doctor.report import diagnose
    from georaster_dl.doctor.text import as_text

    report = diagnose(dropped_variables())
    told = with_options(report.as_json())
    click.echo(json.dumps(told) if as_json else as_text(told))
    return int(report.status == "problem")
