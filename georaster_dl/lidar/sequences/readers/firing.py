"""Firing order and times of points, from their azimuth in the sensor's frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["azimuth_of", "firing_share", "in_firing_order", "passed_turns"]

_Floats = npt.NDArray[np.floating[Any]]
_LOOKS = 64  # places of a rotation at which its order is judged


def azimuth_of(xyz: _Floats) -> npt.NDArray[np.float64]:
    """Compute azimuths (n,) of points (n, 3), counter-clockwise from x, -pi to pi."""
    return np.arctan2(xyz[:, 1].astype(np.float64), xyz[:, 0].astype(np.float64))


def passed_turns(azimuth: _Floats) -> npt.NDArray[np.float64]:
    """Count the turns (n,) that the sensor has made since the first point, of azimuths (n,) in firing order.

    The direction is that of the points. Lasers look some degrees ahead or back, but none is fired before the one before it,
    so the count never falls.
    """
    turned = np.unwrap(azimuth.astype(np.float64))
    direction = 1.0 if turned[-1] >= turned[0] else -1.0
    passed = direction * (turned - turned[0]) / (2 * np.pi)
    return np.maximum(np.maximum.accumulate(passed), 0.0)


def in_firing_order(azimuth: _Floats) -> bool:
    """Find out whether azimuths (n,) in this order are one turn, up to the scatter of the lasers of a firing.

    Files that are sorted by laser turn once for each laser.
    """
    turned = np.unwrap(azimuth.astype(np.float64))
    steps = np.unwrap(azimuth[:: max(len(azimuth) // _LOOKS, 1)].astype(np.float64))
    one = bool(abs(turned[-1] - turned[0]) < 3 * np.pi)
    return one and bool((np.abs(np.diff(steps)) < np.pi / 2).all())


def firing_share(azimuth: _Floats) -> npt.NDArray[np.float64]:
    """Compute the share of the turn, 0 to 1, at which points of these azimuths (n,) were fired.

    In firing order the turn starts at the first point and has the direction of the file. Otherwise it starts at the rear
    and is counter-clockwise, as KITTI's sensor turns and Helix4D slices it.
    """
    if in_firing_order(azimuth):
        return np.minimum(passed_turns(azimuth), 1.0)
    return np.clip((azimuth.astype(np.float64) + np.pi) / (2 * np.pi), 0.0, 1.0)
