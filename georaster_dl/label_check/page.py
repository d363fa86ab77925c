"""Suspect labels as one HTML page that needs no other file and no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.legend import Legend
from georaster_dl.core.wording import counted
from georaster_dl.label_check.suspects import Suspects
from georaster_dl.render.contact_sheet import Tile
from georaster_dl.render.html import render_page
from georaster_dl.render.png import as_image, data_address, encoded

__all__ = ["suspects_page"]


def suspects_page(
    found: Suspects,
    tiles: Sequence[Tile],
    pairs: Mapping[tuple[str, str], int],
    places: Sequence[str],
    legend: Legend,
) -> str:
    """Make the page: how many labels are suspect, which classes are confused, and each of the first in its scene.

    Parameters
    ----------
    tiles : pictures of the most suspect labels, by rank.
    pairs : number of suspects by the class of the label and the class suggested, the most frequent first.
    places : name of the scene of each tile; empty strings where all are of one scene.
    """
    judged, suspects = int((found.items > 0).sum()), int(found.suspect.sum())
    share = f"{100 * suspects / max(judged, 1):.1f} % of {counted(judged, 'label')}"
    cards = [("Suspect labels", f"{suspects:,}", share)]
    if pairs:
        (own, suggested), n = next(iter(pairs.items()))
        cards.append(("Most often", f"{n:,}", f"{own}, where {suggested} is suggested"))
    content = {
        "title": "Labels that are probably wrong",
        "cards": cards,
        "alarms": (),
        "pairs": [(own, suggested, f"{n:,}") for (own, suggested), n in pairs.items()],
        "colors": [entry.color for entry in legend.classes],
        "left_out": suspects - len(tiles),
        "suspects": [
            _shown(found, rank, tile, place, legend)
            for rank, (tile, place) in enumerate(zip(tiles, places, strict=True))
        ],
    }
    return render_page("georaster_dl.label_check", "suspects.html", content)


def _shown(found: Suspects, rank: int, tile: Tile, place: str, legend: Legend) -> dict[str, Any]:
    label = found.order[rank]
    rows, cols = tile.colors.shape[:2]
    own, suggested = int(found.own[label]), int(found.suggested[label])
    return {
        "rank": rank + 1,
        "own": legend.names[own],
        "own_place": own,
        "suggested": legend.names[suggested],
        "suggested_place": suggested,
        "share": f"{100 * found.share[label]:.0f} %",
        "pixels": counted(int(found.items[label]), "pixel"),
        "score": f"{found.score[label]:.2f}",
        "scene": place,
        "picture": data_address(encoded(as_image(tile.colors))),
        "rows": rows,
        "cols": cols,
        "outline": " ".join(map(_path, tile.outlines)),
    }


def _path(ring: npt.NDArray[np.float64]) -> str:
    """Write a ring (points, 2) of cols and rows as a closed path of SVG."""
    points = " ".join(f"{col:.2f},{row:.2f}" for col, row in ring)
    return f"M{points}Z"
