"""Pictures of proposed areas with their surroundings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from georaster_dl.core.disk import writing
from georaster_dl.core.legend import Legend
from georaster_dl.core.wording import counted
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.scenes.scene import Scene, SceneReader
from georaster_dl.proposals.candidates import Candidates
from georaster_dl.proposals.scene_scores import SceneCandidates
from georaster_dl.render.contact_sheet import Tile, contact_sheet_png
from georaster_dl.render.stretch import red_green_blue, stretched

__all__ = ["MOST", "area_tiles", "write_contact_sheet"]

MOST = 200
"""Areas on a sheet."""
_AROUND = 0.75  # of an area's longer side that is seen on each side of it
_SMALLEST = 12  # pixels: of a smaller area, more of its surroundings is seen
_FINEST = 160  # pixels of a picture's side
_LONGEST_NAME = 17

_Window = tuple[slice, slice]


def write_contact_sheet(
    path: Path, opened: Sequence[SceneCandidates], chosen: Candidates, legend: Legend
) -> None:
    """Write a PNG of the areas in the order of their rank, with rank, score and suggested class.

    Raises
    ------
    GeoRasterError
        When a scene cannot be read or the file cannot be written.
    """
    tiles: dict[int, Tile] = {}
    for index, each in enumerate(opened):
        ranks = np.flatnonzero(chosen.scene[:MOST] == index)
        outlines = each.zones.outlines(chosen.number[ranks])
        titles = [_title(chosen, rank, legend) for rank in ranks.tolist()]
        tiles |= dict(zip(ranks.tolist(), area_tiles(each.scene, outlines, titles), strict=True))
    n = len(chosen)
    title = f"{counted(n, 'area')} to label" + (f", the first {MOST}" if n > MOST else "")
    png = contact_sheet_png([tiles[rank] for rank in sorted(tiles)], title)
    with writing(path):
        path.write_bytes(png)


def _title(chosen: Candidates, rank: int, legend: Legend) -> str:
    name = legend.names[chosen.classes[rank]]
    short = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
    return f"{rank + 1}   {chosen.score[rank]:.2g}\n{short}?"


def area_tiles(
    scene: Scene, outlines: npt.NDArray[np.object_], titles: Sequence[str]
) -> list[Tile]:
    """Draw areas of a scene with their surroundings, stretched together so that they compare.

    Parameters
    ----------
    outlines : (n,) geometries in cols and rows of the scene.
    titles : two short lines for each.

    Raises
    ------
    SceneError
        When the scene cannot be read.
    """
    if not len(outlines):
        return []
    shown = scene.select(red_green_blue(scene.bands))
    windows = [_window(outline.bounds, scene.shape) for outline in outlines]
    images, masks = [], []
    with gdal_environment(), SceneReader(shown) as reader:
        for rows, cols in windows:
            stored, valid = reader.read(rows, cols)
            step = _step((rows, cols))
            images.append(shown.to_physical(stored[:, ::step, ::step]))
            masks.append(valid[::step, ::step])
    colors = _stretched_together(images, masks)
    return [
        Tile(picture, _rings(outline, window), title)
        for picture, outline, window, title in zip(colors, outlines, windows, titles, strict=True)
    ]


def _window(bounds: tuple[float, ...], shape: tuple[int, int]) -> _Window:
    left, top, right, bottom = bounds
    half = max(right - left, bottom - top, _SMALLEST) * (0.5 + _AROUND)
    spans = []
    for middle, length in (((top + bottom) / 2, shape[0]), ((left + right) / 2, shape[1])):
        spans.append(slice(max(int(middle - half), 0), min(int(np.ceil(middle + half)), length)))
    return spans[0], spans[1]


def _step(window: _Window) -> int:
    rows, cols = window
    longest: int = max(rows.stop - rows.start, cols.stop - cols.start)
    return -(-longest // _FINEST)


def _stretched_together(
    images: Sequence[npt.NDArray[Any]], masks: Sequence[npt.NDArray[np.bool_]]
) -> list[npt.NDArray[np.float64]]:
    pixels = np.concatenate([image.reshape(3, -1) for image in images], axis=1)
    valid = np.concatenate([mask.ravel() for mask in masks])
    colors = stretched(pixels[:, None], valid[None])[0]
    ends = np.cumsum([mask.size for mask in masks])[:-1]
    parts = np.split(colors, ends)
    return [part.reshape(*mask.shape, 3) for part, mask in zip(parts, masks, strict=True)]


def _rings(outline: shapely.Geometry, window: _Window) -> list[npt.NDArray[np.float64]]:
    rows, cols = window
    polygons = shapely.get_parts(outline)
    return [
        (shapely.get_coordinates(ring) - (cols.start, rows.start)) / _step(window)
        for polygon in polygons
        for ring in shapely.get_rings(polygon)
    ]
