"""Slices of a rotation, by the time of firing."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from georaster_dl.lidar.sequences.rotation import Rotation
    from georaster_dl.models.zoo.lidar.helix4d import LidarSlice

__all__ = ["as_slice", "slices_of", "window_of"]


def slices_of(rotation: Rotation, slices: int, period_s: float) -> list[slice]:
    """Divide the points of a rotation into slices of equal time; the last takes the remainder.

    Parameters
    ----------
    slices : of a turn; 1 is the whole turn.
    period_s : seconds of a turn.
    """
    ends = rotation.seconds[0] + period_s * np.arange(1, slices) / slices
    cuts = [0, *np.searchsorted(rotation.seconds, ends).tolist(), len(rotation)]
    return [slice(begin, end) for begin, end in pairwise(cuts)]


def window_of(rotation: Rotation, start: float, share: float, period_s: float) -> slice:
    """Take the points that were fired within ``share`` of a turn, from ``start`` turns after the rotation's first."""
    begin = rotation.seconds[0] + period_s * start
    first, last = np.searchsorted(rotation.seconds, [begin, begin + period_s * share])
    return slice(int(first), len(rotation) if start + share >= 1 else int(last))


def as_slice(rotation: Rotation, points: slice, device: str, *, whole: bool) -> LidarSlice:
    """Put points of a rotation on a device, as a network reads them."""
    import torch

    from georaster_dl.models.zoo.lidar.helix4d import LidarSlice

    return LidarSlice(
        torch.from_numpy(rotation.xyz[points]).to(device),
        torch.from_numpy(rotation.intensity[points]).to(device),
        torch.from_numpy(rotation.pose).to(device),
        whole,
    )
