"""The tables of docs/benchmarks.md, as Markdown on standard output."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import sets
from recipe import restore

from accuracy import clouds, parts, places, points
from accuracy.maps import restore_package

SECTIONS = ("places", "points", "clouds", "parts")


def measure(
    data: Path, runs: Path, before: Path, *, only: Collection[str] = SECTIONS, forests: bool = True
) -> None:
    """Print the tables of some sections; figures for the card go to ``runs / "places.json"``."""
    if "places" in only:
        print("## Places held out\n")
        counted = places.tables(data, runs, before, forests=forests)
        figures = json.dumps(places.card_figures(counted), indent=1)
        (runs / "places.json").write_text(figures)
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
