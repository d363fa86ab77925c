"""Texts of a spectral model's card: metrics, training data, limitations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from georaster_dl.core.wording import counted, listed
from georaster_dl.models.package.values import Interval
from georaster_dl.spectra.scoring.scores import ClassScores, ValueScores
from georaster_dl.spectra.scoring.split import RowSplit
from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["Scores", "card_limitations", "card_metrics", "training_summary"]

Scores = ValueScores | ClassScores


def card_metrics(scores: Mapping[str, Mapping[str, Scores]], method: str) -> dict[str, float]:
    """Return the scores of a method on the test rows by the names of a card's metrics."""
    metrics: dict[str, float] = {}
    for name, of_methods in scores.items():
        entry = of_methods[method]
        if isinstance(entry, ClassScores):
            metrics |= {
                "OA, test": entry.accuracy,
                "balanced accuracy, test": entry.balanced_accuracy,
                "macro F1, test": entry.macro_f1,
            }
        else:
            shown = {"RMSEP": entry.rmsep, "bias": entry.bias, "R2": entry.r2, "RPD": entry.rpd}
            metrics |= {f"{key} {name[:40]}, test": value for key, value in shown.items()}
    return {key: round(value, 6) for key, value in metrics.items() if math.isfinite(value)}


def training_summary(
    table: SpectraTable,
    split: RowSplit,
    scores: Mapping[str, Mapping[str, Scores]],
    baseline: str,
    intervals: Sequence[Interval | None],
) -> dict[str, str]:
    """Describe the training data, and the scores of the baseline on the same rows."""
    if len(split.validation) > 1:
        counts = {"learnt from, in turn a part of them to choose the epoch": split.train}
    else:
        validation = split.validation[0]
        counts = {"learnt from": split.train & ~validation, "chose the epoch": validation}
    counts |= {
        **({"set the intervals": split.calibration} if any(intervals) else {}),
        "tested": split.test,
    }
    summary = {
        "table": table.name,
        "split": split.description,
        "spectra": ", ".join(f"{int(rows.sum())} {what}" for what, rows in counts.items()),
    }
    for name, of_methods in scores.items():
        entry = of_methods[baseline]
        shown = (
            asdict(entry).items() if isinstance(entry, ValueScores) else [("OA", entry.accuracy)]
        )
        summary[f"{baseline} on the same rows, {name[:40]}"] = ", ".join(
            f"{key} {value:.4g}" for key, value in shown
        )
    return summary


def card_limitations(
    split: RowSplit, *, by_chance: bool, intervals: Sequence[Interval | None]
) -> str:
    """Say where figures and intervals should not be trusted; ``intervals`` are empty for classes."""
    sentences = []
    if by_chance:
        sentences.append(
            "Rows were divided by chance: if samples were scanned several times, the figures flatter."
        )
    if any(intervals):
        n = int(split.calibration.sum())
        origin = (
            f"{counted(n, 'spectrum')} that nothing else was learnt from"
            if split.has_own_calibration
            else f"the {counted(n, 'spectrum')} that also chose the epoch, so they may be a little narrow"
        )
        levels = listed(sorted({f"{interval.level:.0%}" for interval in intervals if interval}))
        sentences.append(
            f"Intervals ({levels}) hold for spectra like those of the table; they come from {origin}."
        )
    elif intervals:
        sentences.append("Too few spectra were left to say how wide intervals are.")
    return " ".join(sentences)
