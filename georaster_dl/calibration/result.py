"""Result of a calibration, also as plain numbers for JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from georaster_dl.calibration.judged import Judged
from georaster_dl.evaluation.metrics.prediction_sets import SetCoverage
from georaster_dl.evaluation.metrics.reliability import Reliability, Score
from georaster_dl.io.output.staging import FailedOutput
from georaster_dl.models.package.calibration import Calibration
from georaster_dl.models.package.card import Card

__all__ = ["SCORES", "Calibrated", "scaling_text", "worst_tenth"]

SCORES = {
    "ece": "expected calibration error",
    "adaptive_ece": "the same, bins of equal counts",
    "brier": "Brier score",
    "nll": "cross-entropy",
    "accuracy": "accuracy",
}
"""Scores of a ``Reliability`` in the order of tables, and their names."""


@dataclass(frozen=True, eq=False, repr=False)
class Calibrated:
    """Result of a calibration.

    Attributes
    ----------
    model : the new package.
    card : its card.
    labels : files of the labels.
    judged : the calibration of each predictor, and what it changes.
    scenes : number of scenes.
    side : of a block, in pixels of the first scene.
    files : that were made, the package last.
    failed : extra outputs that could not be made; each was reported as a warning.
    """

    model: Path
    card: Card
    labels: tuple[Path, ...]
    judged: tuple[Judged, ...]
    scenes: int
    side: int
    files: tuple[Path, ...] = ()
    failed: tuple[FailedOutput, ...] = ()
    seconds: float = 0.0

    def __repr__(self) -> str:
        """Package, and the calibration error of each predictor before and after, in one line."""
        errors = [
            f"{each.predictor} ECE {each.before.ece.value:.3f} -> {each.after.ece.value:.3f}"
            for each in self.judged
        ]
        return f"<Calibrated {self.model}: {', '.join(errors)}>"

    def to_dict(self) -> dict[str, Any]:
        """Return all figures for JSON, None where unknown."""
        return {
            "model": str(self.model),
            "labels": [str(file) for file in self.labels],
            "scenes": self.scenes,
            "block": self.side,
            "predictors": {each.predictor: _figures(each) for each in self.judged},
        }


def scaling_text(calibration: Calibration) -> str:
    """Describe how the logits are scaled, in a few words."""
    if calibration.gain:
        return "a gain and an offset of each class"
    return f"temperature {calibration.temperature:.2f}"


def worst_tenth(coverage: SetCoverage) -> float:
    """Coverage that a tenth of the places stay below, or just reach."""
    return float(np.quantile(coverage.places, 0.1))


def _figures(judged: Judged) -> dict[str, Any]:
    new = judged.calibration
    return {
        "passes": judged.passes,
        "temperature": new.temperature,
        "gain": list(new.gain),
        "offset": list(new.offset),
        "pixels": new.pixels,
        "blocks": judged.after.blocks,
        "before": _scores(judged.before),
        "after": _scores(judged.after),
        "sets": {f"{level:g}": _coverage(found) for level, found in judged.sets.items()},
        "changed_share": judged.changed,
    }


def _scores(reliability: Reliability) -> dict[str, Any]:
    return {name: _score(getattr(reliability, name)) for name in SCORES}


def _coverage(coverage: SetCoverage) -> dict[str, Any]:
    return {
        **_score(coverage.covered),
        "size": coverage.size,
        "worst_tenth_of_blocks": worst_tenth(coverage),
    }


def _score(score: Score) -> dict[str, float | None]:
    ends = {"low": score.low, "high": score.high}
    known = {end: None if math.isnan(value) else value for end, value in ends.items()}
    return {"value": score.value, **known}
