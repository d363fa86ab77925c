"""Outlines with right angles, in the two main directions of each object, as those of buildings have."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from georaster_dl.objects.outlines.limits import LEAST_IOU, intersection_over_union

__all__ = ["right_angled"]

_Floats = npt.NDArray[np.float64]

_FEWEST = 4  # edges


def right_angled(
    polygons: npt.NDArray[Any],
    pixels: npt.NDArray[Any],
    least: _Floats,
    shortest: float,
    room: float,
    shape: tuple[int, int],
) -> npt.NDArray[Any]:
    """Give polygons (n,) right angles, where they stay the same objects and do not come to overlap.

    The main direction is that of most edges, modulo a right angle, or that of the smallest rectangle around the
    polygon, whichever fits better. Edges are turned into it about their middles; those that go on in one direction are one,
    and shorter ones disappear. What leaves the map is cut off.

    Parameters
    ----------
    polygons : simplified, without shared borders, in cols and rows.
    pixels : the same (n,) as they were before.
    least : (n,) areas that they have at least.
    shortest : length of an edge that stays.
    room : by which a polygon may be larger than the box around what it was, on each side.
    shape : rows, cols of the map.

    Returns
    -------
    (n,) polygons; those for which it does not fit (intersection over union with the pixels below 0.8) as they came.
    """
    made = np.empty(len(polygons), object)
    for i, polygon in enumerate(polygons):
        made[i] = _best(polygon, pixels[i], least[i], _candidates(polygon, shortest, room, shape))
    # Of two that have come to overlap, none is changed; again, as what came may overlap what is changed.
    while True:
        one, other = shapely.STRtree(made).query(made, predicate="overlaps")
        changed = [i for i in np.unique(np.concatenate([one, other])) if made[i] is not polygons[i]]
        inside = _contained(made)
        changed = sorted({*changed, *(i for i in inside if made[i] is not polygons[i])})
        if not changed:
            return made
        made[changed] = polygons[changed]


def _contained(polygons: npt.NDArray[Any]) -> list[int]:
    """Return the indexes of polygons within others, and of those others."""
    outer, inner = shapely.STRtree(polygons).query(polygons, predicate="within")
    both = np.unique(np.concatenate([outer, inner])[np.tile(outer != inner, 2)])
    return [int(one) for one in both]


def _candidates(
    polygon: Any, shortest: float, room: float, shape: tuple[int, int]
) -> Iterator[Any]:
    """Yield outlines in each of the main directions, where they are polygons."""
    left, upper, right, lower = polygon.bounds
    allowed = shapely.box(left - room, upper - room, right + room, lower + room)
    n_rows, n_cols = shape
    the_map = shapely.box(0, 0, n_cols, n_rows)
    for angle in _directions(polygon):
        rings = [
            _rectilinear(shapely.get_coordinates(ring)[:-1], angle, shortest)
            for ring in (polygon.exterior, *polygon.interiors)
        ]
        if rings[0] is None:
            continue
        made = shapely.Polygon(rings[0], [ring for ring in rings[1:] if ring is not None])
        if not made.is_valid or not allowed.covers(made):
            continue
        if not the_map.covers(made):
            made = shapely.clip_by_rect(made, 0, 0, n_cols, n_rows)
        if made.geom_type == "Polygon" and made.is_valid:
            yield made


def _best(polygon: Any, pixels: Any, least: float, candidates: Iterable[Any]) -> Any:
    """Outline of the candidates that fits the pixels best, or the polygon where none does."""
    best, found = LEAST_IOU, polygon
    for made in candidates:
        iou = float(intersection_over_union(made, pixels))
        if iou > best and made.area >= least:
            best, found = iou, made
    return found


def _directions(polygon: Any) -> list[float]:
    """Angles of the main directions, in radians."""
    steps = np.diff(shapely.get_coordinates(polygon.exterior), axis=0)
    edges = steps[:, 0] + 1j * steps[:, 1]
    lengths = np.abs(edges)
    # The fourth power makes directions at right angles one; of each edge with the weight of its length.
    of_edges = np.angle(np.sum(edges**4 / lengths**3)) / 4
    box = np.diff(shapely.get_coordinates(shapely.minimum_rotated_rectangle(polygon)), axis=0)
    return [float(of_edges), math.atan2(box[0, 1], box[0, 0])]


def _rectilinear(ring: _Floats, angle: float, shortest: float) -> _Floats | None:
    """Vertices (m, 2) of a ring with edges in two directions; None where fewer than four edges stay."""
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    there = ring @ turn
    steps = np.roll(there, -1, axis=0) - there
    middles = there + steps / 2
    level = np.abs(steps[:, 0]) >= np.abs(steps[:, 1])
    # Across each edge: y of one that is level, x of the others.
    across = np.where(level, middles[:, 1], middles[:, 0])
    lengths = np.where(level, np.abs(steps[:, 0]), np.abs(steps[:, 1]))
    lines = [[bool(a), float(b), float(c)] for a, b, c in zip(level, across, lengths, strict=True)]
    lines = _joined(lines)
    while len(lines) > _FEWEST:
        sides = [abs(lines[i - 1][1] - lines[(i + 1) % len(lines)][1]) for i in range(len(lines))]
        short = int(np.argmin(sides))
        if sides[short] >= shortest:
            break
        del lines[short]
        lines = _joined(lines)
    if len(lines) < _FEWEST:
        return None
    corners = [
        (b[1], a[1]) if a[0] else (a[1], b[1])
        for a, b in zip(lines, [*lines[1:], lines[0]], strict=True)
    ]
    made: _Floats = np.array(corners) @ turn.T
    return made


def _joined(lines: list[list[Any]]) -> list[list[Any]]:
    """Join lines of a ring that follow each other in one direction."""
    made: list[list[Any]] = []
    for line in lines:
        if made and made[-1][0] == line[0]:
            made[-1] = _mean(made[-1], line)
        else:
            made.append(line)
    if len(made) > 1 and made[0][0] == made[-1][0]:
        made[0] = _mean(made.pop(), made[0])
    return made


def _mean(one: list[Any], other: list[Any]) -> list[Any]:
    """One line for two, where most of their length is."""
    length = one[2] + other[2]
    across = (one[1] * one[2] + other[1] * other[2]) / length if length else one[1]
    return [one[0], across, length]
