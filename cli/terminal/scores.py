"""Scores of predicted values and classes as text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from georaster_dl.spectra.predict import PredictedValues
    from georaster_dl.spectra.scoring.scores import ClassScores, ValueScores

__all__ = ["score_line", "scores_of", "scores_text"]

_NAMES = {
    "rmsep": "RMSEP",
    "mae": "MAE",
    "sep": "SEP",
    "bias": "bias",
    "r2": "R2",
    "rpd": "RPD",
    "rpiq": "RPIQ",
    "accuracy": "OA",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "within": "within intervals",
}


def score_line(row: Mapping[str, Any]) -> str:
    """Format a method's scores, each with its standard deviation over the seeds."""
    shown = []
    for name in (name for name in row if f"{name}_sd" in row):
        spread = row[f"{name}_sd"]
        about = "" if spread is None else f" ± {spread:.2g}"
        shown.append(f"{_NAMES[name]} {row[name]:#.4g}{about}")
    p = "" if row["p"] is None else f"  p {row['p']:.2g}"
    return f"{row['method']:16} {'  '.join(shown)}{p}  n {row['n']}  {row['seconds']} s"


def scores_of(result: Any) -> dict[str, float | None]:
    """List scores by name for JSON, with None where they are undefined."""
    scores = getattr(result, "scores", result)
    values = {name: getattr(scores, name) for name in _NAMES if hasattr(scores, name)}
    for name in ("within", "level"):
        value = getattr(result, name, None)
        values |= {} if value is None else {name: value}
    finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
    return {**finite, "n": scores.n}


def scores_text(result: PredictedValues | ValueScores | ClassScores) -> str:
    """Format the scores that are defined in one line."""
    scores = scores_of(result)
    level = scores.pop("level", None)
    names = _NAMES | ({} if level is None else {"within": f"within {100 * level:g} % intervals"})
    return "  ".join(
        f"{names.get(name, name)} {value:.4g}"
        for name, value in scores.items()
        if value is not None
    )
