"""Shapes of parcels, as networks of pixel sets take them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["SHAPE_NAMES", "parcel_shapes"]

SHAPE_NAMES = ("log perimeter", "log pixels", "cover of the bounding box", "perimeter / area")
"""Values that describe a parcel, in their order: those of Garnot et al. 2020, sizes as logarithms."""

_LEAST = 1e-6  # a parcel without any extent has a shape, too

Numbers = npt.NDArray[np.floating] | npt.NDArray[np.integer]


def parcel_shapes(
    perimeter_m: Numbers, area_m2: Numbers, box_area_m2: Numbers, n_pixels: Numbers
) -> npt.NDArray[np.float32]:
    """Compute the values that describe the shapes of parcels to a network.

    Parameters
    ----------
    perimeter_m, area_m2 : of each parcel (N,), holes included.
    box_area_m2 : of its bounding box, along the axes of the grid.
    n_pixels : pixels of the grid inside the parcel, all of them and not only those drawn for training.

    Returns
    -------
    (N, 4) finite values in the order of ``SHAPE_NAMES``. Networks normalise them by statistics of the
    training.
    """
    perimeter, area, box, pixels = (
        np.maximum(np.asarray(numbers, np.float64), _LEAST)
        for numbers in (perimeter_m, area_m2, box_area_m2, n_pixels)
    )
    shapes = [
        np.log(perimeter),
        np.log(np.maximum(pixels, 1)),
        np.minimum(area / box, 1),
        np.minimum(perimeter / area, 1),
    ]
    return np.stack(shapes, axis=-1).astype(np.float32)
