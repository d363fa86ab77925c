"""Objects that touch, separated at their narrow places by a watershed of the distance to their border.

Peaks of the distance are the middles of objects, and passes between them the narrow places. Each pixel belongs to the peak
that the steepest way up leads to; a peak that rises little above the pass to a higher one is part of that (its
dynamic: Grimaud 1992). All objects of an array are done at once, and each depends on its own pixels alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = ["split"]

_Numbers = npt.NDArray[np.int32]

_RISE = 0.25
"""Least rise of a peak above a pass, as a share of its own height; chosen on training tiles of buildings."""

_LEAST_RISE = 1.0  # pixels, so that stairs of a border make no peaks
_SLOPE = 0.9  # height that the probability of a boundary takes off
_BOUNDARY = 0.5  # probability from which a pixel is between two objects


def split(numbers: _Numbers, boundaries: npt.NDArray[Any] | None = None) -> _Numbers:
    """Separate each object of an array (rows, cols) at its narrow places.

    Parameters
    ----------
    numbers : of the object of each pixel, each connected and whole; 0 is none.
    boundaries : (rows, cols) probability that a pixel is the boundary of an object, NaN where unknown; the distance is then
        that to the next boundary.

    Returns
    -------
    (rows, cols) number of the part of each pixel, from 1 in the order of their peaks; 0 is none.
    """
    heights = _distances(numbers, boundaries)
    peaks = _ascended(numbers, heights)
    places, basins = np.unique(peaks, return_inverse=True)
    basins = basins.reshape(numbers.shape)
    merged = _merged(heights.ravel()[places], *_passes(numbers, heights, basins))
    is_object = numbers.ravel()[places] > 0
    parts = np.zeros(len(places), np.int32)
    roots = np.unique(merged[is_object])
    parts[is_object] = np.searchsorted(roots, merged[is_object]) + 1
    return parts[basins]


def _distances(numbers: _Numbers, boundaries: npt.NDArray[Any] | None) -> npt.NDArray[np.float32]:
    """Distance (rows, cols) in pixels to the next pixel at the border of an object, and one more; 0 outside of all.

    Such a pixel of another object is never nearer than one of its own.
    """
    around = np.pad(numbers, 1)
    least, most = ndimage.minimum_filter(around, 3), ndimage.maximum_filter(around, 3)
    inner = (least == most)[1:-1, 1:-1]
    if boundaries is not None:
        inner &= ~(boundaries >= _BOUNDARY)
    if inner.all():
        return np.zeros(numbers.shape, np.float32)
    heights: npt.NDArray[np.float32] = ndimage.distance_transform_edt(inner).astype(np.float32) + 1
    if boundaries is not None:
        # So that pixels of a boundary, which all are as high, belong to the side that they are more probably of.
        heights -= _SLOPE * np.nan_to_num(boundaries, copy=True).astype(np.float32)
    heights[numbers == 0] = 0
    return heights


def _ascended(numbers: _Numbers, heights: npt.NDArray[np.float32]) -> _Numbers:
    """Place of the peak (rows, cols), as row * cols + col, to which the steepest way from each pixel leads."""
    places = np.arange(numbers.size, dtype=np.int32).reshape(numbers.shape)
    up, height = places.copy(), heights.copy()
    # Of equal heights the later pixel is higher; so a plain has a peak, too.
    for here, there in (
        (np.s_[1:, :], np.s_[:-1, :]),
        (np.s_[:, 1:], np.s_[:, :-1]),
        (np.s_[:, :-1], np.s_[:, 1:]),
        (np.s_[:-1, :], np.s_[1:, :]),
    ):
        higher = numbers[here] == numbers[there]
        higher &= (heights[there] > height[here]) | (
            (heights[there] == height[here]) & (places[there] > up[here])
        )
        up[here][higher], height[here][higher] = places[there][higher], heights[there][higher]
    way = up.ravel()
    while True:
        further = way[way]
        if np.array_equal(further, way):
            return way.reshape(numbers.shape)
        way = further


def _passes(
    numbers: _Numbers, heights: npt.NDArray[np.float32], basins: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Pairs (m, 2) of neighbouring basins of one object, the highest pass first, and its height (m,)."""
    of, at = [], []
    for one, other in (
        (np.s_[:, :-1], np.s_[:, 1:]),
        (np.s_[:-1, :], np.s_[1:, :]),
    ):
        met = (basins[one] != basins[other]) & (numbers[one] == numbers[other]) & (numbers[one] > 0)
        of.append(np.stack([basins[one][met], basins[other][met]], axis=1))
        at.append(np.minimum(heights[one][met], heights[other][met]))
    pairs, passes = np.sort(np.concatenate(of), axis=1), np.concatenate(at)
    order = np.lexsort((pairs[:, 1], pairs[:, 0], -passes))
    return pairs[order], passes[order]


def _merged(
    peaks: npt.NDArray[np.float32], pairs: npt.NDArray[np.int64], passes: npt.NDArray[np.float32]
) -> npt.NDArray[np.int64]:
    """Basin (n,) that each becomes part of: that of the highest peak from which it is not separate."""
    of = list(range(len(peaks)))

    def root(one: int) -> int:
        while of[one] != one:
            of[one] = one = of[of[one]]
        return one

    height = peaks.tolist()
    for (one, other), at in zip(pairs.tolist(), passes.tolist(), strict=True):
        low, high = sorted((root(one), root(other)), key=lambda basin: (height[basin], basin))
        if low != high and height[low] - at < max(_LEAST_RISE, _RISE * height[low]):
            of[low] = high
    return np.array([root(one) for one in range(len(of))], np.int64)
