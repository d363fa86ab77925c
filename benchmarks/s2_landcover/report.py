"""The tables of docs/benchmarks.md, as Markdown on standard output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from measure import (
    RGB_NIR,
    SCORED,
    Score,
    forest_scores,
    network_scores,
    rule_scores,
    with_bands,
    with_offset,
)
from recipe import restore
from sets import Parts


def tables(sets: dict[str, Parts], runs: Sequence[Path]) -> None:
    """Measure every seed, and the baselines with as many seeds."""
    networks = [restore(path) for path in runs]
    print("| held out | method | accuracy | macro F1 | F1 by class |\n|---|---|---|---|---|")
    for name in SCORED:
        pieces = sets[name].held_out
        few = with_bands(pieces, RGB_NIR)
        methods = {
            "s2-landcover": [network_scores(*each, name, pieces) for each in networks],
            "the same, RGB and NIR only": [network_scores(*each, name, few) for each in networks]
            if name != "Tokyo"
            else [],
            "the same, -1000 forgotten": [
                network_scores(*each, name, with_offset(pieces, 0.1)) for each in networks
            ],
            "random forest, spectrum": [
                forest_scores(name, sets[name], context=False, seed=s) for s in range(len(runs))
            ],
            "random forest, spectrum and 5 x 5": [
                forest_scores(name, sets[name], context=True, seed=s) for s in range(len(runs))
            ],
            "rules": [rule_scores(name, pieces)],
        }
        for method, scores in methods.items():
            if scores:
                print(_row(f"{name} ({scores[0].n:,} pixels)", method, scores), flush=True)


def _row(name: str, method: str, scores: list[Score]) -> str:
    by_class = ", ".join(f"{c} {np.mean([s.f1[c] for s in scores]):.2f}" for c in scores[0].f1)
    accuracy = _spread([s.accuracy for s in scores])
    return (
        f"| {name} | {method} | {accuracy} | {_spread([s.macro_f1 for s in scores])} | {by_class} |"
    )


def _spread(values: list[float]) -> str:
    """Mean, and deviation where there are several."""
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
