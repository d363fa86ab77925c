"""Outlines compared with others: exact lengths within a tolerance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import shapely

__all__ = ["length_near", "segments_of"]

_CHUNK = 200_000  # segments at a time: some 200 MiB with the pairs that they make

_Floats = npt.NDArray[np.float64]


def segments_of(lines: npt.NDArray[np.object_]) -> _Floats:
    """Take lines (of several parts, too) apart: (segments, 2 ends, 2 coordinates)."""
    parts = shapely.get_parts(shapely.get_parts(lines))  # collections hold lines of several parts
    xy, owner = shapely.get_coordinates(parts, return_index=True)
    same = owner[1:] == owner[:-1]
    ends: _Floats = np.stack([xy[:-1][same], xy[1:][same]], axis=1)
    moved: npt.NDArray[np.bool_] = (ends[:, 0] != ends[:, 1]).any(axis=1)
    return ends[moved]


def length_near(segments: _Floats, others: _Floats, distance: float) -> tuple[float, float]:
    """Measure the length of segments within a distance of others.

    Parameters
    ----------
    segments, others : as :func:`segments_of` gives them.
    distance : in the unit of their coordinates.

    Returns
    -------
    The length that does, and the whole length. They are exact: what of a segment is near another one is an
    interval of it, and such intervals are united.
    """
    whole = float(np.hypot(*np.diff(segments, axis=1)[:, 0].T).sum())
    if not len(segments) or not len(others):
        return 0.0, whole
    tree = shapely.STRtree(shapely.linestrings(others))
    near = 0.0
    for start in range(0, len(segments), _CHUNK):
        part = segments[start : start + _CHUNK]
        around = part.min(axis=1) - distance, part.max(axis=1) + distance
        i, j = tree.query(shapely.box(*around[0].T, *around[1].T))
        first, last = _near(part[i], others[j], distance)
        lengths = np.hypot(*np.diff(part, axis=1)[:, 0].T)
        near += float((_covered(i, first, last, len(part)) * lengths).sum())
    return min(near, whole), whole  # a sum of parts may be a rounding above


def _near(segments: _Floats, others: _Floats, distance: float) -> tuple[_Floats, _Floats]:
    """Find where each segment, from 0 to 1, enters and leaves the surroundings of its other one.

    These are convex (a rectangle and two discs), so that the least entry and the last exit are those of all three.
    """
    start, along = segments[:, 0], segments[:, 1] - segments[:, 0]
    first, last = np.full(len(segments), np.inf), np.full(len(segments), -np.inf)

    def unite(enters: _Floats, leaves: _Floats) -> None:
        there = enters <= leaves
        first[there] = np.minimum(first[there], enters[there])
        last[there] = np.maximum(last[there], leaves[there])

    square = (along**2).sum(axis=1)
    for end in (others[:, 0], others[:, 1]):
        middle = ((end - start) * along).sum(axis=1) / square
        apart = ((start + middle[:, None] * along - end) ** 2).sum(axis=1)
        half = np.sqrt(np.maximum(distance**2 - apart, 0) / square)
        half[apart > distance**2] = -np.inf
        unite(middle - half, middle + half)
    axis = others[:, 1] - others[:, 0]
    length = np.hypot(*axis.T)
    axis = axis / length[:, None]
    across = np.stack([-axis[:, 1], axis[:, 0]], axis=1)
    offset = start - others[:, 0]
    enters, leaves = np.full(len(segments), -np.inf), np.full(len(segments), np.inf)
    for direction, low, high in ((axis, 0 * length, length), (across, -distance, distance)):
        place, speed = (offset * direction).sum(axis=1), (along * direction).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = np.sort(np.stack([(low - place) / speed, (high - place) / speed]), axis=0)
        still = speed == 0
        outside = still & ((place < low) | (place > high))
        ends[:, still] = np.array([[-np.inf], [np.inf]])
        enters = np.maximum(enters, np.where(outside, np.inf, ends[0]))
        leaves = np.minimum(leaves, np.where(outside, -np.inf, ends[1]))
    unite(enters, leaves)
    return np.clip(first, 0, 1), np.clip(last, 0, 1)


def _covered(owner: npt.NDArray[np.intp], first: _Floats, last: _Floats, n: int) -> _Floats:
    """Add up, for each of ``n`` owners, the length that its intervals within 0..1 cover together."""
    order = np.lexsort((first, owner))
    owner, first, last = owner[order], first[order], np.maximum(last[order], first[order])
    # Owners lie 2 apart, so that no interval reaches into those of the next one.
    shift = 2.0 * owner
    reached = np.maximum.accumulate(last + shift)
    before = np.concatenate([[-np.inf], reached[:-1]]) - shift
    gained = np.maximum(last - np.maximum(first, before), 0)
    return np.bincount(owner, weights=gained, minlength=n).astype(np.float64)
