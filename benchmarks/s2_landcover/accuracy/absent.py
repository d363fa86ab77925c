"""What the map of held-out places loses where bands are absent, for the card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from recipe import restore
from sets import BANDS, CLASSES
from world import chips

from accuracy.maps import at_levels, fold_weights, mapper_of, out_of_fold
from accuracy.parts import with_bands
from accuracy.tally import SURFACES, Figures, alike_places

GROUPS = (
    ("B11", "B12"),
    ("B05", "B06", "B07"),
    ("B02",),
    ("B05", "B06", "B07", "B11", "B12"),
)
FIGURE = "balanced accuracy of places held out"
_NAMED = 0.1  # of a class's recall, that it must lose to be named


def figures(data: Path, runs: Path) -> list[dict[str, object]]:
    """Balanced accuracy with all bands and without each group, by networks of the first seed.

    Places count alike, at both levels; only chips that have the bands of a group are compared.
    """
    paths = fold_weights(runs)[0]
    mappers = {fold: mapper_of(restore(path)) for fold, path in paths.items()}
    leveled = [each for each in at_levels(chips(data)) if each[1].fold in paths]
    made = []
    for absent in GROUPS:
        needed = [BANDS.index(name) for name in absent]
        having = [each for each in leveled if each[1].piece.present[needed].all()]
        left = tuple(name for name in BANDS if name not in absent)
        lacking = [
            (level, replace(chip, piece=with_bands([chip.piece], left)[0]))
            for level, chip in having
        ]
        whole, without = (
            Figures.of(alike_places(out_of_fold(some, mappers.__getitem__)), fewest=0)
            for some in (having, lacking)
        )
        made.append(
            {
                "bands": list(absent),
                "figure": FIGURE,
                "whole": round(whole.balanced, 3),
                "without": round(without.balanced, 3),
                "worst": _worst(whole, without),
            }
        )
    return made


def _worst(whole: Figures, without: Figures) -> str:
    """Classes that are found less often by a tenth or more, the worst first."""
    lost = {c: whole.recall[c] - without.recall[c] for c in SURFACES if c in whole.recall}
    named: Sequence[int] = sorted(
        (c for c, loss in lost.items() if loss >= _NAMED and not np.isnan(loss)),
        key=lambda c: -lost[c],
    )
    return ", ".join(CLASSES[c][0] for c in named)
