"""``geodl serve``: regions of similar pixels for another program that labels by clicks."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from typing import Any

import click

from georaster_dl.core.process import tune_allocators

from ..options.shared import debug_option, device_option
from ..terminal.hints import with_options

__all__ = ["serve"]


@click.command()
@device_option()
@debug_option
def serve(*, device: str) -> None:
    """Grow regions of similar pixels from clicks, for another program.

    The QGIS plugin starts it; so can your own tool. Requests come on standard input, a JSON object a line, answers go
    to standard output in their order, and it ends when its input ends. Requests are answered by a line with their id,
    and with event opened, grown or error.

    \b
    {"id": 1, "do": "open", "scene": "scene.tif"}
    {"id": 2, "do": "grow", "clicks": [{"x": 500300, "y": 4998000}], "tolerance": 0.5}
    {"id": 3, "do": "grow", "clicks": [{"x": 500300, "y": 4998000},
                                       {"x": 500900, "y": 4998200, "add": false}]}

    Pixels are compared by their spectra, or with "model" in the request to open by the features of that model's
    network, in a window of 512 pixels around the clicks ("window" sets another side). The tolerance is in deviations of
    the window's values. A region comes as GeoJSON in the scene's own CRS.
    """
    from georaster_dl.growing.serving import serve as answer_all

    tune_allocators()
    out = sys.stdout

    def write(answer: dict[str, Any]) -> None:
        if "message" in answer:
            answer = {**answer, "message": with_options(answer["message"])}
        out.write(json.dumps(answer) + "\n")
        out.flush()

    # What a library prints must not come between the answers.
    with redirect_stdout(sys.stderr):
        answer_all(sys.stdin.buffer, write, device)
