"""Majority filter: each pixel takes the most frequent class around it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["majority"]


def majority(around: npt.NDArray[Any], side: int, nodata: int) -> npt.NDArray[Any]:
    """Give each pixel the most frequent class in the square around it.

    Where several are equally frequent, a pixel keeps its class if that is one of them, else it takes
    the smallest value. Nodata counts for nothing and stays.

    Parameters
    ----------
    around : (rows + side - 1, cols + side - 1) class values of the pixels asked for and of those around
        them; nodata beyond the map's border.
    side : of the square in pixels, odd.

    Returns
    -------
    (rows, cols) class values.
    """
    leg = side // 2
    own = around[leg : around.shape[0] - leg, leg : around.shape[1] - leg]
    best = np.zeros(own.shape, np.int32)
    chosen = own.copy()
    for value in np.unique(around):
        if value == nodata:
            continue
        # Twice, and one more for the pixel's own class, which so wins among equals.
        count = 2 * _box_sums(around == value, side) + (own == value)
        better = count > best
        best[better] = count[better]
        chosen[better] = value
    return np.where(own == nodata, own, chosen)


def _box_sums(mask: npt.NDArray[np.bool_], side: int) -> npt.NDArray[np.int32]:
    """Count the pixels that are set in each whole square of a mask."""
    counts = mask.astype(np.int32)
    for axis in (0, 1):
        sums = np.cumsum(counts, axis=axis, dtype=np.int32)
        sums = np.insert(sums, 0, 0, axis=axis)
        length = sums.shape[axis]
        after, before = (
            np.take(sums, np.arange(start, start + length - side), axis=axis) for start in (side, 0)
        )
        counts = after - before
    return counts
