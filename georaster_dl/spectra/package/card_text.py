"""What the card of a network of a table says of its training, and how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from georaster_dl.core.wording import counted, listed
from georaster_dl.models.package.values import Interval
from georaster_dl.spectra.scoring.scores import ClassScores, ValueScores
from georaster_dl.spectra.scoring.split import Division
from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["Scores", "card_limitations", "card_metrics", "training_facts"]

Scores = ValueScores | ClassScores


def card_metrics(scores: Mapping[str, Mapping[str, Scores]], method: str) -> dict[str, float]:
    """The figures of a method on the test rows, as a card has them."""
    found: dict[str, float] = {}
    for name, of_methods in scores.items():
        entry = of_methods[method]
        if isinstance(entry, ClassScores):
            found |= {
                "OA, test": entry.accuracy,
                "balanced accuracy, test": entry.balanced_accuracy,
                "macro F1, test": entry.macro_f1,
            }
        else:
            shown = {"RMSEP": entry.rmsep, "bias": entry.bias, "R2": entry.r2, "RPD": entry.rpd}
            found |= {f"{key} {name[:40]}, test": value for key, value in shown.items()}
    return {key: round(value, 6) for key, value in found.items() if math.isfinite(value)}


def training_facts(
    table: SpectraTable,
    division: Division,
    scores: Mapping[str, Mapping[str, Scores]],
    baseline: str,
    intervals: Sequence[Interval | None],
) -> dict[str, str]:
    """Where the model comes from, and how the baseline did on the same rows."""
    if len(division.held_out) > 1:
        counts = {"learnt from, in turn a part of them to choose the epoch": division.learnt}
    else:
        held_out = division.held_out[0]
        counts = {"learnt from": division.learnt & ~held_out, "chose the epoch": held_out}
    counts |= {
        **({"set the intervals": division.calibrated} if any(intervals) else {}),
        "tested": division.test,
    }
    facts = {
        "table": table.name,
        "split": division.said,
        "spectra": ", ".join(f"{int(rows.sum())} {what}" for what, rows in counts.items()),
    }
    for name, of_methods in scores.items():
        entry = of_methods[baseline]
        shown = (
            asdict(entry).items() if isinstance(entry, ValueScores) else [("OA", entry.accuracy)]
        )
        facts[f"{baseline} on the same rows, {name[:40]}"] = ", ".join(
            f"{key} {value:.4g}" for key, value in shown
        )
    return facts


def card_limitations(
    division: Division, *, by_chance: bool, intervals: Sequence[Interval | None]
) -> str:
    """Where figures and intervals should not be trusted; ``intervals`` are empty for classes."""
    said = []
    if by_chance:
        said.append(
            "Rows were divided by chance: if samples were scanned several times, the figures flatter."
        )
    if any(intervals):
        n = int(division.calibrated.sum())
        origin = (
            f"{counted(n, 'spectrum')} that nothing else was learnt from"
            if division.spared
            else f"the {counted(n, 'spectrum')} that also chose the epoch, so they may be a little narrow"
        )
        levels = listed(sorted({f"{interval.level:.0%}" for interval in intervals if interval}))
        said.append(
            f"Intervals ({levels}) hold for spectra like those of the table; they come from {origin}."
        )
    elif intervals:
        said.append("Too few spectra were left to say how wide intervals are.")
    return " ".join(said)
