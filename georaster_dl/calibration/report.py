"""A calibration as one HTML page that needs no other file and no network."""

from __future__ import annotations

import math
from typing import Any

from georaster_dl.calibration.diagram import FEWEST, reliability_png
from georaster_dl.calibration.judged import Judged
from georaster_dl.calibration.result import SCORES, Calibrated, scaling_text, worst_tenth
from georaster_dl.core.wording import counted
from georaster_dl.evaluation.metrics.reliability import Score
from georaster_dl.io.files.layer_path import file_of
from georaster_dl.render.html import render_page
from georaster_dl.render.png import data_address

__all__ = ["render_report", "score_text"]


def render_report(made: Calibrated) -> str:
    """Make the page: scores before and after, prediction sets, and the reliability diagram."""
    page = {
        "title": f"Calibration of {made.card.name}",
        "package": made.model.name,
        "labels": ", ".join(dict.fromkeys(file_of(file).name for file in made.labels)),
        "scenes": counted(made.scenes, "scene"),
        "side": made.side,
        "cards": [card for each in made.judged for card in _cards(each, len(made.judged) > 1)],
        "alarms": (),
        "fewest": FEWEST,
        "sections": [_section(each) for each in made.judged],
    }
    return render_page("georaster_dl.calibration", "report.html", page)


def score_text(score: Score) -> str:
    """Format a score with its interval, where that is known."""
    if math.isnan(score.low):
        return f"{score.value:.3f}"
    return f"{score.value:.3f} ({score.low:.3f} to {score.high:.3f})"


def _cards(judged: Judged, several: bool) -> list[tuple[str, str, str]]:
    """Make the headline: label, figure, and a line below."""
    of = f", {judged.predictor}" if several else ""
    sets = judged.sets[0.9]
    return [
        (
            f"Calibration error{of}",
            f"{judged.after.ece.value:.3f}",
            f"before {judged.before.ece.value:.3f}",
        ),
        (
            f"Sets of 90 %{of}",
            f"{100 * sets.covered.value:.1f} %",
            f"hold the true class ({100 * sets.covered.low:.0f} to {100 * sets.covered.high:.0f})",
        ),
    ]


def _section(judged: Judged) -> dict[str, Any]:
    return {
        "predictor": judged.predictor,
        "passes": judged.passes,
        "former": scaling_text(judged.former),
        "scaling": scaling_text(judged.calibration),
        "pixels": f"{judged.calibration.pixels:,}",
        "blocks": judged.after.blocks,
        "changed": f"{100 * judged.changed:.2g} %" if judged.changed else "",
        "scores": [
            (name, score_text(getattr(judged.before, key)), score_text(getattr(judged.after, key)))
            for key, name in SCORES.items()
        ],
        "sets": [
            (
                f"{100 * level:g} %",
                score_text(found.covered),
                f"{found.size:.2f}",
                f"{worst_tenth(found):.3f}",
            )
            for level, found in judged.sets.items()
        ],
        "picture": data_address(reliability_png([judged])),
    }
