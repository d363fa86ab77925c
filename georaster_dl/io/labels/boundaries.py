"""Nearness of pixels to the boundaries of labelled objects, each of which is a polygon."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.io.labels.vector import features_of
from georaster_dl.io.vectors.layers import is_vector

__all__ = ["REACH", "STEPS", "check_objects", "nearness"]

REACH = 3
"""Pixels from a boundary to where it is no longer felt."""
STEPS = 100
"""Nearness on a boundary."""


def nearness(objects: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Compute the nearness of pixels to the boundaries of objects.

    Parameters
    ----------
    objects : (rows, cols) number of the object that a pixel belongs to; that of no object is a number, too.

    Returns
    -------
    (rows, cols), ``STEPS`` for pixels beside one of another number, falling evenly to 0 at ``REACH`` pixels from those. Right
    where all pixels within that distance and one more are among ``objects``; their end is no boundary.
    """
    beside = np.zeros(objects.shape, bool)
    for one, other in (
        (np.s_[1:], np.s_[:-1]),
        (np.s_[:, 1:], np.s_[:, :-1]),
    ):
        differs = objects[one] != objects[other]
        beside[one] |= differs
        beside[other] |= differs
    if not beside.any():
        return np.zeros(objects.shape, np.uint8)
    distance = distance_transform_edt(~beside)
    near: npt.NDArray[np.uint8] = np.round(STEPS * (1 - distance / REACH).clip(min=0)).astype(
        np.uint8
    )
    return near


def check_objects(path: Path, options: LabelOptions) -> None:
    """Check that labels are polygons, of which each is an object.

    Raises
    ------
    OptionError
        When they are a raster, lines or points, or cannot be read.
    """
    if not is_vector(path):
        raise OptionError(
            f"`instances=True` learns where objects end, but {path} is a raster, which does not tell touching objects "
            f"apart; give polygons, one for each object, or leave it out."
        )
    frame = features_of(path, options, numbers=False)[0]
    kinds = set(frame.geometry[frame["label"].notna()].dropna().geom_type)
    if not kinds <= {"Polygon", "MultiPolygon"}:
        other = min(kinds - {"Polygon", "MultiPolygon"})
        raise OptionError(
            f"`instances=True` learns where objects end, but {path} has features that are no polygons ({other}); give "
            f"polygons, one for each object, or leave it out."
        )
