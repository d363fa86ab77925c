"""``geodl doctor``: report on the installation, to read or to paste."""

from __future__ import annotations

import json

import click

from ..options.shared import debug_option, json_option
from ..terminal.foreign import dropped_variables
from ..terminal.hints import with_options

__all__ = ["doctor"]


@click.command()
@json_option
@debug_option
def doctor(as_json: bool) -> int:
    """Find problems of this installation, and their remedies.

    Versions, GPU, formats, coordinates, models, the environment, QGIS and its plugin; the text can be pasted
    into a report of a bug as it is. Your home folder is shown as ~. The exit status is 1 where there is a
    problem, 0 with warnings or without. The keys of --json are described at
    georaster_dl.doctor.report.Report.as_json, and stay.
    """
    from georaster_dl.doctor.report import diagnose
    from georaster_dl.doctor.text import as_text

    report = diagnose(dropped_variables())
    findings = with_options(report.as_json())
    click.echo(json.dumps(findings) if as_json else as_text(findings))
    return int(report.status == "problem")
