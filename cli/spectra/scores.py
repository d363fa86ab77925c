"""How scores of laboratory values and classes are told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from georaster_dl.spectra.predict import PredictedValues
    from georaster_dl.spectra.scoring.scores import ClassScores, ValueScores

__all__ = ["facts_of", "line_of", "words_of"]

_NAMES = {
    "rmsep": "RMSEP",
    "sep": "SEP",
    "bias": "bias",
    "r2": "R2",
    "rpd": "RPD",
    "accuracy": "OA",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "within": "within intervals",
}


def line_of(row: Mapping[str, Any]) -> str:
    """A method's scores, each with its spread over the seeds."""
    shown = []
    for name in (name for name in row if f"{name}_sd" in row):
        spread = row[f"{name}_sd"]
        about = "" if spread is None else f" ± {spread:.2g}"
        shown.append(f"{_NAMES[name]} {row[name]:#.4g}{about}")
    return f"{row['method']:16} {'  '.join(shown)}  n {row['n']}  {row['seconds']} s"


def facts_of(one: Any) -> dict[str, float | None]:
    """Scores by name, None where they have no meaning, which JSON can say."""
    scores = getattr(one, "scores", one)
    found = {name: getattr(scores, name) for name in _NAMES if hasattr(scores, name)}
    for name in ("within", "level"):
        value = getattr(one, name, None)
        found |= {} if value is None else {name: value}
    known = {name: value if math.isfinite(value) else None for name, value in found.items()}
    return {**known, "n": scores.n}


def words_of(one: PredictedValues | ValueScores | ClassScores) -> str:
    """Scores in one line, those that have a meaning."""
    facts = facts_of(one)
    level = facts.pop("level", None)
    names = _NAMES | ({} if level is None else {"within": f"within {100 * level:g} % intervals"})
    return "  ".join(
        f"{names.get(name, name)} {value:.4g}" for name, value in facts.items() if value is not None
    )
