"""Terrain under the points: of terrain points (class 2), or of a morphological filter of the lowest points."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = ["filtered_ground", "reach", "spread"]

_Floats = npt.NDArray[np.float64]

_WINDOW_M = 31.0
"""Side of the opening: objects that are narrower are removed."""
_SMOOTH_M = 2.0
_GAP_M = 32.0
"""Size of gaps that a surface is continued over, from each side."""


def levels_of(side_m: float) -> int:
    """Number of halvings after which a cell is as large as the gaps to close."""
    return max(1, math.ceil(math.log2(_GAP_M / side_m)))


def reach(side_m: float, *, filtered: bool) -> int:
    """Cells around a cell that its terrain depends on, as a multiple of the coarsest level's cells."""
    coarsest: int = 2 ** levels_of(side_m)
    window = _window(side_m) + math.ceil(3 * _SMOOTH_M / side_m) if filtered else 0
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
    """Find the terrain under the lowest points of cells: grey opening, then a Gaussian (Zhang et al. 2003, one window).

    Parameters
    ----------
    lowest : height of the lowest point of each cell as (rows, cols); NaN where there is none.
    """
    window = 2 * _window(side_m) + 1
    known = np.isfinite(lowest)
    eroded = ndimage.minimum_filter(
        np.where(known, lowest, np.inf), window, mode="constant", cval=np.inf
    )
    opened = ndimage.maximum_filter(
        np.where(np.isinf(eroded), -np.inf, eroded), window, mode="constant", cval=-np.inf
    )
    sigma = _SMOOTH_M / side_m
    total = ndimage.gaussian_filter(
        np.where(known, opened, 0.0), sigma, mode="constant", truncate=3.0
    )
    weight = ndimage.gaussian_filter(known.astype(np.float64), sigma, mode="constant", truncate=3.0)
    smooth = np.where(known, total, 0.0), np.where(known, weight, 0.0)
    return spread(*smooth, levels_of(side_m))


def _window(side_m: float) -> int:
    """Half of the opening in cells."""
    return max(1, round(_WINDOW_M / side_m / 2))


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
