"""Bayesian smoothing of class probabilities by those of the neighbours (Camara et al. 2024).

Of each class the log-odds of a pixel are taken for a measurement with a known variance, and those of its
neighbours for a prior: the estimate lies between the pixel and the mean of its neighbours, nearer to
the mean where neighbours agree. Of the neighbours only those with the highest log-odds are taken, so
that at a border between two classes each side learns from its own.

Camara, G., Assunção, R., Carvalho, A., Simões, R., Souza, F., Carlos, F., Souza, A., Rorato, A.,
Dal'Asta, A. P. (2024): Bayesian inference for post-processing of remote-sensing image
classification. Remote Sensing 16(23), 4572. The R package sits does it in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["log_odds", "smoothed"]

_Floats = npt.NDArray[np.float64]

_MOST_VALUES = 2**23  # of windows that are held at a time


def log_odds(probabilities: npt.NDArray[Any], least: float) -> _Floats:
    """Compute the log-odds of each class against all others.

    Parameters
    ----------
    probabilities : (classes, rows, cols), NaN where nodata.
    least : above 0; probabilities nearer to 0 or 1 are moved there.
    """
    limited = np.clip(probabilities.astype(np.float64), least, 1 - least)
    odds: _Floats = np.log(limited / (limited.sum(axis=0) - limited))
    return odds


def smoothed(around: _Floats, smoothness: npt.NDArray[Any], side: int, share: float) -> _Floats:
    """Smooth log-odds, each class by itself.

    With ``m`` and ``s2`` the mean and variance of the highest log-odds in the square around a pixel,
    its own ``x`` becomes ``w x + (1 - w) m``, where ``w = s2 / (s2 + smoothness)``.

    Parameters
    ----------
    around : (classes, rows + side - 1, cols + side - 1) log-odds of the pixels asked for and of those
        around them; NaN where there is none, which counts for nothing.
    smoothness : (classes,) variance of the log-odds within a class, above 0; larger ones smooth more.
    side : of the square in pixels, odd.
    share : of the pixels of a square whose log-odds are the highest, 0 to 1.

    Returns
    -------
    (classes, rows, cols) log-odds; NaN where the pixel has none.
    """
    leg = side // 2
    own = around[:, leg : around.shape[1] - leg, leg : around.shape[2] - leg]
    made = np.empty(own.shape)
    for band, plane in enumerate(around):
        for rows in _row_groups(own.shape[1:], side):
            squares = np.lib.stride_tricks.sliding_window_view(
                plane[rows.start : rows.stop + side - 1], (side, side)
            )
            mean, variance = _prior(squares.reshape(-1, side * side), share)
            weight = variance / (variance + smoothness[band])
            x = own[band, rows].ravel()
            made[band, rows] = (weight * x + (1 - weight) * mean).reshape(-1, own.shape[2])
    return made


def _row_groups(shape: tuple[int, int], side: int) -> Iterator[slice]:
    step = max(1, _MOST_VALUES // (shape[1] * side * side))
    for first in range(0, shape[0], step):
        yield slice(first, min(first + step, shape[0]))


def _prior(neighbours: _Floats, share: float) -> tuple[_Floats, _Floats]:
    """Mean and variance of the highest values of each row (n, neighbours)."""
    n = neighbours.shape[1]
    known = n - np.isnan(neighbours).sum(axis=1)
    mean, variance = np.zeros(len(neighbours)), np.zeros(len(neighbours))
    # Rows with as many values are computed together; but for borders of nodata these are all.
    for count in np.unique(known):
        if not count:
            continue
        rows = known == count
        taken = math.ceil(share * count)
        values = neighbours if rows.all() else neighbours[rows]
        if count < n:
            values = np.where(np.isnan(values), -np.inf, values)
        highest = values if taken == n else np.partition(values, n - taken, axis=1)[:, n - taken :]
        mean[rows] = highest.mean(axis=1)
        if taken > 1:
            variance[rows] = highest.var(axis=1, ddof=1)
    return mean, variance
