"""Images of a turn, whose pixels hold the number of a point, -1 without any."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["seen_from_above", "seen_from_sensor"]

_Floats = npt.NDArray[np.floating[Any]]
_Numbers = npt.NDArray[np.int64]
_ROWS = 64  # of a sensor whose lasers are not numbered


def seen_from_above(xyz: _Floats, *, reach_m: float, cell_m: float) -> _Numbers:
    """Choose the highest point (rows, cols) of each cell around the sensor, x to the right and y up.

    Parameters
    ----------
    xyz : (n, 3) metres, in the sensor's frame.
    reach_m : distance of the image's sides from the sensor.
    """
    side = max(round(2 * reach_m / cell_m), 1)
    cols = np.floor((xyz[:, 0] + reach_m) / cell_m).astype(np.int64)
    rows = side - 1 - np.floor((xyz[:, 1] + reach_m) / cell_m).astype(np.int64)
    inside = np.flatnonzero((np.minimum(rows, cols) >= 0) & (np.maximum(rows, cols) < side))
    order = inside[np.argsort(xyz[inside, 2], kind="stable")]
    return _placed((side, side), rows, cols, order)


def seen_from_sensor(
    xyz: _Floats, fiber: npt.NDArray[np.integer[Any]] | None, *, columns: int
) -> _Numbers:
    """Choose the nearest point (lasers, columns) in each direction: a range image.

    Parameters
    ----------
    xyz : (n, 3) metres, in the sensor's frame.
    fiber : (n,) number of the laser; None takes 64 rows of equal elevation. The uppermost is the first row.
    columns : of the turn, from the rear by the left side to the front and back: the front is in the middle.
    """
    reach = np.linalg.norm(xyz, axis=1)
    elevation = np.arctan2(xyz[:, 2], np.hypot(xyz[:, 0], xyz[:, 1]))
    turned = (np.pi - np.arctan2(xyz[:, 1], xyz[:, 0])) / (2 * np.pi)
    cols = np.minimum((turned * columns).astype(np.int64), columns - 1)
    if fiber is None:
        low, high = (elevation.min(), elevation.max()) if len(xyz) else (0.0, 1.0)
        share = (high - elevation) / max(high - low, 1e-9)
        rows, n_rows = np.minimum((share * _ROWS).astype(np.int64), _ROWS - 1), _ROWS
    else:
        lasers, of_laser = np.unique(fiber, return_inverse=True)
        mean = np.bincount(of_laser, elevation) / np.bincount(of_laser)
        rows, n_rows = np.argsort(np.argsort(-mean))[of_laser], max(len(lasers), 1)
    return _placed((n_rows, columns), rows, cols, np.argsort(-reach, kind="stable"))


def _placed(
    shape: tuple[int, int], rows: _Numbers, cols: _Numbers, order: npt.NDArray[np.intp]
) -> _Numbers:
    """Draw numbers of points in an order; of several at a place the last is seen."""
    image = np.full(shape, -1, np.int64)
    flat = rows[order] * shape[1] + cols[order]
    # Of equal places NumPy keeps the last.
    image.reshape(-1)[flat] = order
    return image
