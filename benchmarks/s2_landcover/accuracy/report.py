"""The tables of docs/s2-landcover.md, as Markdown on standard output."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import sets
from recipe import restore
from world import FOLDS

from accuracy import absent, clouds, parts, places, points
from accuracy.maps import restore_package

SECTIONS = ("places", "points", "clouds", "parts")


def measure(
    data: Path, runs: Path, before: Path, *, only: Collection[str] = SECTIONS, forests: bool = True
) -> None:
    """Print the tables of some sections.

    Parameters
    ----------
    runs : folder of ``fold{k}_seed{s}.pt``, trained without the places of fold k, and of
        ``seed{s}.pt``, trained on all that may ship. Places and the chips of clouds are measured
        with the first kind, all else with the second. Where all folds are there, figures for the
        card are written to ``places.json``: see :func:`accuracy.places.card_figures` and
        :func:`accuracy.absent.figures`.
    before : model file to measure beside them.
    forests : whether to measure forests too, which takes about four minutes a seed.
    """
    if "places" in only:
        print("## Places held out\n")
        counted = places.tables(data, runs, before, forests=forests)
        if len({each.chip.fold for each in counted[0]}) == FOLDS:
            figures = places.card_figures(counted) | {"absent_bands": absent.figures(data, runs)}
            (runs / "places.json").write_text(json.dumps(figures, indent=1))
    networks = [restore(path) for path in sorted(runs.glob("seed*.pt"))]
    if "points" in only:
        print("## Points of the world\n")
        points.tables(data, networks, restore_package(before), forests=forests)
    if "clouds" in only:
        print("## Clouds and shadows\n")
        clouds.tables(data, runs, networks, restore_package(before))
    if "parts" in only:
        print("## Held-out parts\n")
        parts.tables(sets.load(data), networks, restore_package(before), forests=forests)
