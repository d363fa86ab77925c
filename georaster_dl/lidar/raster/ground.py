"""Terrain under the points: of terrain points (class 2), or of a morphological filter of the lowest points."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = ["filtered_ground", "levels_of", "reach", "spread"]

_Floats = npt.NDArray[np.float64]

_LARGEST_M = 50.0
"""Side of the largest opening: objects that are narrower are removed."""
_SLOPE = 0.15
_STEP_M = 0.3
"""Heights above an opening, and their growth with its half side, from which a cell is an object."""
_SMOOTH_M = 1.0
_TRUNCATE = 4.0
_GAP_M = 32.0
"""Size of gaps that a surface is continued over, from each side."""


def levels_of(side_m: float) -> int:
    """Number of doublings after which a cell is as large as the gaps to close."""
    return max(1, math.ceil(math.log2(_GAP_M / side_m)))


def reach(side_m: float, *, filtered: bool) -> int:
    """Cells around a cell that its terrain depends on, as a multiple of the coarsest level's cells."""
    coarsest: int = 2 ** levels_of(side_m)
    window = 2 * _radii(side_m)[-1] + math.ceil(_TRUNCATE * _SMOOTH_M / side_m) if filtered else 0
    return coarsest * (3 + math.ceil(window / coarsest))


def spread(total: _Floats, count: _Floats, levels: int) -> _Floats:
    """Continue means of cells over cells without any (pull and push).

    A gap takes the mean of the cells around it at the finest level that has one, bilinearly between cells.

    Parameters
    ----------
    total, count : sum and number of values in each cell, as (rows, cols), both multiples of 2 ** ``levels``.
    levels : times that cells are joined, two by two.

    Returns
    -------
    (rows, cols) of means; NaN where a gap is wider than the coarsest cells.
    """
    with np.errstate(invalid="ignore"):
        mean = total / count
    if levels == 0 or count.all():
        return mean
    coarse = spread(_joined(total), _joined(count), levels - 1)
    known = np.isfinite(coarse).astype(np.float64)
    values, weights = _twice(np.where(known > 0, coarse, 0.0)), _twice(known)
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, mean, values / weights)


def filtered_ground(lowest: _Floats, side_m: float) -> _Floats:
    """Find the terrain under the lowest points of cells by a progressive morphological filter (Zhang et al. 2003).

    Cells above a grey opening by more than a height that grows with its window are objects; the others are
    smoothed by a Gaussian and continued below the objects.

    Parameters
    ----------
    lowest : height of the lowest point of each cell as (rows, cols); NaN where there is none.
    """
    known = np.isfinite(lowest)
    for radius in _radii(side_m):
        # Openings of larger squares absorb those of smaller: each may begin with the heights themselves.
        opened = _opened(lowest, 2 * radius + 1)
        with np.errstate(invalid="ignore"):
            known &= lowest - opened <= _STEP_M + _SLOPE * radius * side_m
    sigma = _SMOOTH_M / side_m
    total, weight = (
        ndimage.gaussian_filter(each, sigma, mode="constant", truncate=_TRUNCATE)
        for each in (np.where(known, lowest, 0.0), known.astype(np.float64))
    )
    return spread(np.where(known, total, 0.0), np.where(known, weight, 0.0), levels_of(side_m))


def _opened(lowest: _Floats, window: int) -> _Floats:
    """Open heights by a square; cells without points have no say."""
    heights = np.where(np.isnan(lowest), np.inf, lowest)
    eroded = ndimage.minimum_filter(heights, window, mode="constant", cval=np.inf)
    eroded[np.isinf(eroded)] = -np.inf
    opened: _Floats = ndimage.maximum_filter(eroded, window, mode="constant", cval=-np.inf)
    return opened


def _radii(side_m: float) -> list[int]:
    """Half sides of the openings in cells: doubled up to the largest."""
    largest = max(1, round(_LARGEST_M / side_m / 2))
    return [*(2**n for n in range(largest.bit_length()) if 2**n < largest), largest]


def _joined(values: _Floats) -> _Floats:
    rows, cols = values.shape
    summed: _Floats = values.reshape(rows // 2, 2, cols // 2, 2).sum(axis=(1, 3))
    return summed


def _twice(values: _Floats) -> _Floats:
    """Interpolate (rows, cols) bilinearly at cells of half the side; nothing beyond the edge."""
    for axis in (0, 1):
        padded = np.pad(values, [(1, 1) if axis == each else (0, 0) for each in (0, 1)])
        before, here, after = (
            np.take(padded, range(first, first + values.shape[axis]), axis=axis)
            for first in (0, 1, 2)
        )
        halves = [0.75 * here + 0.25 * before, 0.75 * here + 0.25 * after]
        shape = list(values.shape)
        shape[axis] *= 2
        values = np.stack(halves, axis=axis + 1).reshape(shape)
    return values
