"""Pictures of suspect labels with their surroundings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import shapely

from georaster_dl.core.legend import Legend
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.io.vectors.placing import in_coordinates_of
from georaster_dl.label_check.polygons import LabelPolygons
from georaster_dl.label_check.suspects import Suspects
from georaster_dl.proposals.cells import grid_of
from georaster_dl.proposals.contact_sheet import area_tiles
from georaster_dl.render.contact_sheet import Tile

__all__ = ["MOST", "suspect_tiles"]

MOST = 100
"""Suspects that are shown."""
_AROUND_POINT = 3.0  # pixels: radius of the circle that shows a point, or of the band along a line
_LONGEST_NAME = 16

_Indexes = npt.NDArray[np.intp]


def suspect_tiles(
    found: Suspects,
    polygons: Sequence[LabelPolygons],
    scenes: Sequence[Scene],
    scene_of: _Indexes,
    legend: Legend,
) -> list[Tile]:
    """Draw the most suspect labels by rank, each titled with rank, classes and score.

    Parameters
    ----------
    scene_of : (labels,) position of the scene in which a label is shown.

    Raises
    ------
    GeoRasterError
        When a scene cannot be read.
    """
    chosen = found.order[: min(int(found.suspect.sum()), MOST)]
    tiles: dict[int, Tile] = {}
    for number, scene in enumerate(scenes):
        ranks = np.flatnonzero(scene_of[chosen] == number)
        outlines = _outlines(polygons, chosen[ranks], scene)
        titles = [_title(found, rank, chosen[rank], legend) for rank in ranks.tolist()]
        tiles |= dict(zip(ranks.tolist(), area_tiles(scene, outlines, titles), strict=True))
    return [tiles[rank] for rank in sorted(tiles)]


def _title(found: Suspects, rank: int, label: int, legend: Legend) -> str:
    own, suggested = (
        name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
        for name in (legend.names[found.own[label]], legend.names[found.suggested[label]])
    )
    return f"{rank + 1}   {own}\n{suggested}?  {found.score[label]:.2f}"


def _outlines(
    polygons: Sequence[LabelPolygons], labels: _Indexes, scene: Scene
) -> npt.NDArray[np.object_]:
    """(n,) shapes in cols and rows of the scene."""
    out = np.empty(len(labels), object)
    first = 0
    for each in polygons:
        here = (labels >= first) & (labels < first + len(each.frame))
        if here.any():
            grid = grid_of(scene)
            frame = each.frame[["geometry"]].iloc[labels[here] - first]
            placed = in_coordinates_of(frame, grid, title=each.title).geometry
            shapes = placed.affine_transform((~grid.affine).to_shapely()).to_numpy()
            flat = shapely.get_dimensions(shapes) < 2
            out[here] = np.where(flat, shapely.buffer(shapes, _AROUND_POINT), shapes)
        first += len(each.frame)
    return out
