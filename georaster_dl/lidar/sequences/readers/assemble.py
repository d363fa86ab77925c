"""Rotations made of the columns of a file: in firing order, without points that have no return."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.lidar.sequences.rotation import Rotation

__all__ = ["assemble"]


def assemble(
    xyz: npt.NDArray[np.floating[Any]],
    intensity: npt.NDArray[np.floating[Any]],
    seconds: npt.NDArray[np.floating[Any]],
    *,
    measured: npt.NDArray[np.bool_],
    pose: npt.NDArray[np.float64],
    name: str,
    fiber: npt.NDArray[Any] | None = None,
    label: npt.NDArray[np.integer[Any]] | None = None,
) -> Rotation:
    """Make a rotation of all points of a file, each array (n,) or (n, 3).

    Parameters
    ----------
    measured : (n,) False where there was no return.
    """
    kept = np.flatnonzero(measured)
    order = kept[np.argsort(seconds[kept], kind="stable")]
    return Rotation(
        xyz=xyz[order].astype(np.float32),
        intensity=np.clip(intensity[order], 0, 255).astype(np.float32),
        seconds=seconds[order].astype(np.float64),
        fiber=None if fiber is None else fiber[order].astype(np.int16),
        label=None if label is None else label[order].astype(np.int32),
        pose=pose,
        name=name,
        index=order.astype(np.int64),
        source_points=len(xyz),
    )
