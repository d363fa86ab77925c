"""Minimum mapping unit: areas that are too small go to their neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.io.blocks import strips
from georaster_dl.tiling.areas import find_areas, pixel_edges
from georaster_dl.tiling.merging import sieved

__all__ = ["sieve"]

STRIP_PIXELS = 2**22  # some 150 MiB with all that is computed of them


def sieve(
    pixels: npt.NDArray[Any],
    least: float,
    nodata: int,
    weights: npt.NDArray[np.int64] | None = None,
    *,
    strip_pixels: int = STRIP_PIXELS,
) -> int:
    """Give areas below a size to their neighbours, in place.

    The map is read three times, strip by strip; the result is the same for any height of the strips.
    An area joins the class with which it shares the longest border, smaller ones before larger ones
    (``merge_small``). One that has no neighbour but nodata stays.

    Parameters
    ----------
    pixels : (rows, cols) class values, perhaps mapped from a file.
    least : size of the smallest area that stays: its pixels, or the sum of their weights.
    nodata : value that is no class; it stays where it is.
    weights : (rows,) of a pixel of each row; 1 by default.
    strip_pixels : pixels that are held at a time.

    Returns
    -------
    Areas that were too small and are gone.
    """
    shape = pixels.shape[0], pixels.shape[1]
    areas = find_areas(
        lambda rows: np.asarray(pixels[rows]), list(strips(shape, strip_pixels)), weights
    )
    sides = (
        (one, other, None) for one, other in pixel_edges(ids for _rows, ids in areas.numbers())
    )
    after = sieved(areas.values, areas.sizes, areas.first, areas.values != nodata, sides, least)
    gone = int((after != areas.values).sum())
    if gone:
        for rows, ids in areas.numbers():
            pixels[rows] = after[ids]
    return gone
