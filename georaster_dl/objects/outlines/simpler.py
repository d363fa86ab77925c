"""Outlines of objects made simpler and smoother; a border that two share is changed for both alike.

Polygons are in cols and rows, so that vertices are whole numbers and equal ones are found exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

__all__ = ["simplified", "smoothed"]

_Polygons = npt.NDArray[Any]
IsOther: TypeAlias = Callable[[_Polygons], npt.NDArray[np.bool_]]
_Floats = npt.NDArray[np.float64]

_CUT = 0.25  # of an edge, by which each of its ends is cut off (Chaikin 1974)
_TIMES = 2
_MOST_REPAIRS = 20
_NEAR = 1.0  # pixels around a crossing


def simplified(
    polygons: _Polygons, tolerance: float, shape: tuple[int, int], is_other: IsOther
) -> _Polygons:
    """Remove vertices from the borders of polygons (n,), but of those that would be other objects without.

    The vertices left are some of those before, no shared border opens and none crosses another (GEOS's coverage
    simplifier, by Visvalingam & Whyatt 1993). The edge of the map stays straight. The tolerance is doubled until it is
    what is asked for, so that a polygon for which it is too large keeps the outline of a smaller one.

    Parameters
    ----------
    polygons : of pixels, with vertices where others meet them.
    shape : rows, cols of the map.
    tolerance : side of a square in pixels; a vertex goes where its triangle with its neighbours is smaller than that.
    is_other : whether each polygon (n,) is too far from what it was.
    """
    fixed = np.zeros(len(polygons), bool)
    for doublings in range(max(0, math.ceil(math.log2(tolerance))), -1, -1):
        polygons = _simplified(polygons, tolerance / 2**doublings, shape, is_other, fixed)
    return polygons


def smoothed(polygons: _Polygons, shape: tuple[int, int], is_other: IsOther) -> _Polygons:
    """Cut corners off the borders of polygons (n,), twice (Chaikin 1974).

    Vertices at which three borders meet, and those at the edge of the map, stay. So do corners without which
    borders would cross, and those of polygons that would be other objects without.

    Parameters
    ----------
    polygons : with vertices where others meet them, simplified or not.
    shape : rows, cols of the map.
    is_other : whether each polygon (n,) is too far from what it was.
    """
    rings = _Rings(polygons)
    keys = _keys(rings.places)
    fixed = rings.ends() | rings.at_edge(shape)
    for _ in range(_MOST_REPAIRS):
        smooth = rings.cut(fixed)
        crossings = _crossings(smooth)
        wrong = is_other(smooth)[rings.polygon]
        if not len(crossings) and not wrong.any():
            return smooth
        wrong[
            shapely.STRtree(shapely.points(rings.places)).query(
                crossings, predicate="dwithin", distance=_NEAR
            )[1]
        ] = True
        # Of a border that two share, both have the vertex.
        fixed |= np.isin(keys, keys[wrong])
    bad = ~shapely.is_valid(smooth) | is_other(smooth)
    fixed |= np.isin(keys, keys[bad[rings.polygon]])
    return rings.cut(fixed)


def _simplified(
    polygons: _Polygons,
    tolerance: float,
    shape: tuple[int, int],
    is_other: IsOther,
    fixed: npt.NDArray[np.bool_],
) -> _Polygons:
    """Simplify polygons (n,) by one tolerance, but those ``fixed``; those that would be other objects become so."""
    framed = np.concatenate([polygons, _frame(polygons, shape)])
    while True:
        # Vertices in more than two rings stay, for both sides of a border: so rings that come three times are fixed.
        together = np.concatenate([framed, polygons[fixed], polygons[fixed]])
        simple = np.asarray(shapely.coverage_simplify(together, tolerance), object)[: len(polygons)]
        others = is_other(simple) & ~fixed
        if not others.any():
            return simple
        fixed |= others


def _frame(polygons: _Polygons, shape: tuple[int, int]) -> _Polygons:
    """Four polygons around the map, with which the others share its edge, and which meet at its corners."""
    n_rows, n_cols = shape
    x, y = shapely.get_coordinates(polygons).T
    made = []
    for row, beyond in ((0, -1), (n_rows, n_rows + 1)):
        inner = [
            (col, row) for col in np.unique(np.append(x[y == row], [-1, 0, n_cols, n_cols + 1]))
        ]
        made.append(shapely.Polygon([*inner, (n_cols + 1, beyond), (-1, beyond)]))
    for col, beyond in ((0, -1), (n_cols, n_cols + 1)):
        inner = [(col, row) for row in np.unique(np.append(y[x == col], [0, n_rows]))]
        made.append(shapely.Polygon([*inner, (beyond, n_rows), (beyond, 0)]))
    return np.array(made, object)


def _keys(places: _Floats) -> npt.NDArray[np.int64]:
    """One number (n,) for each place (n, 2) of whole cols and rows."""
    whole = places.astype(np.int64)
    keys: npt.NDArray[np.int64] = (whole[:, 0] << 32) + whole[:, 1]
    return keys


class _Rings:
    """Vertices of polygons, each ring without its repeated last vertex.

    Attributes
    ----------
    places : (vertices, 2) cols and rows.
    polygon : (vertices,) polygon of each.
    """

    def __init__(self, polygons: _Polygons) -> None:
        rings, self._owner = shapely.get_rings(polygons, return_index=True)
        places, ring = shapely.get_coordinates(rings, return_index=True)
        last = np.append(ring[1:] != ring[:-1], True)
        self.places, self._ring = places[~last], ring[~last]
        self.polygon = self._owner[self._ring]

    def ends(self) -> npt.NDArray[np.bool_]:
        """Where other than two borders meet: (vertices,)."""
        _, next_ = _neighbours(self._ring)
        keys, place = np.unique(_keys(self.places), return_inverse=True)
        edges = np.sort(np.stack([place, place[next_]], axis=1), axis=1)
        edges = np.unique(edges[:, 0] * len(keys) + edges[:, 1])
        ends = np.concatenate([edges // len(keys), edges % len(keys)])
        found: npt.NDArray[np.bool_] = (np.bincount(ends, minlength=len(keys)) != 2)[place]
        return found

    def at_edge(self, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """Where the map ends: (vertices,)."""
        cols, rows = self.places.T
        edge: npt.NDArray[np.bool_] = (
            (cols == 0) | (rows == 0) | (cols == shape[1]) | (rows == shape[0])
        )
        return edge

    def cut(self, fixed: npt.NDArray[np.bool_]) -> _Polygons:
        """Polygons whose corners are cut, but for those that are fixed (vertices,)."""
        places, ring = self.places, self._ring
        for _ in range(_TIMES):
            before, after = _neighbours(ring)
            # A cut depends on its corner and that neighbour alone, so it is the same from both sides.
            cuts = np.stack(
                [
                    places + _CUT * (places[before] - places),
                    places + _CUT * (places[after] - places),
                ],
                axis=1,
            )
            cuts[fixed] = places[fixed, None]
            wanted = np.stack([np.ones_like(fixed), ~fixed], axis=1)
            places = cuts[wanted]
            ring = np.repeat(ring, 2 - fixed)
            fixed = np.repeat(fixed, 2 - fixed)
        made = shapely.linearrings(places, indices=ring)
        return np.asarray(shapely.polygons(made, indices=self._owner), object)


def _neighbours(ring: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Vertices (n,) before and after each in its ring."""
    n = len(ring)
    first = np.flatnonzero(np.append(True, ring[1:] != ring[:-1]))
    last = np.append(first[1:], n) - 1
    before, after = np.arange(n) - 1, np.arange(n) + 1
    before[first], after[last] = last, first
    return before, after


def _crossings(polygons: _Polygons) -> npt.NDArray[Any]:
    """Points and lines at which borders cross, of themselves or of others."""
    invalid = polygons[~shapely.is_valid(polygons)]
    texts = np.asarray(shapely.is_valid_reason(invalid), str)
    places = [text[text.index("[") + 1 : -1].split() for text in texts if "[" in text]
    points = shapely.points(np.array(places, float)) if places else np.empty(0, object)
    if len(invalid):
        return np.asarray(points, object)
    overlaps = np.asarray(shapely.coverage_invalid_edges(polygons), object)
    found: npt.NDArray[Any] = overlaps[~shapely.is_empty(overlaps)]
    return found
