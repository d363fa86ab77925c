"""Minimum mapping unit: areas that are too small go to their neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.cleaning.merging import Borders, merge_small
from georaster_dl.io.blocks import strips
from georaster_dl.tiling.areas import Areas, find_areas, pixel_edges

__all__ = ["sieve"]

STRIP_PIXELS = 2**22  # some 150 MiB with all that is computed of them

_Ids = npt.NDArray[np.int64]


def sieve(
    pixels: npt.NDArray[Any],
    least: int,
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
    small = (areas.sizes < least) & (areas.values != nodata)
    if not small.any():
        return 0
    listed, classes = np.unique(areas.values, return_inverse=True)
    n_small = int(small.sum())
    # Large areas take part as one for each class: which of them it is, is the same to a small one.
    numbers = np.where(small, np.cumsum(small) - 1, n_small + classes)
    numbers[areas.values == nodata] = -1
    borders = _borders(areas, numbers, n_small, n_small + len(listed))
    joined = merge_small(
        np.concatenate([classes[small], np.arange(len(listed))]),
        np.concatenate([areas.sizes[small], np.full(len(listed), float(least))]),
        # Those of large areas never count.
        np.concatenate([areas.first[small], -1 - np.arange(len(listed))]),
        borders,
        least,
    )
    after = areas.values.copy()
    after[small] = listed[joined[:n_small]]
    for rows, ids in areas.numbers():
        pixels[rows] = after[ids]
    return int((after[small] != areas.values[small]).sum())


def _borders(areas: Areas, numbers: _Ids, n_small: int, n: int) -> Borders:
    """Measure the borders of the small areas, whose numbers are below ``n_small``; -1 is nodata."""
    numbered = (numbers[ids] for _rows, ids in areas.numbers())
    parts = [_of_edges(*sides, n_small, n) for sides in pixel_edges(numbered)]
    source, target, length = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("source", "target", "length")
    )
    return Borders.summed(source, target, length, n)


def _of_edges(one: _Ids, other: _Ids, n_small: int, n: int) -> Borders:
    differ = one != other
    ends = np.stack([one[differ], other[differ]])
    least = ends.min(axis=0)
    ends = ends[:, (least >= 0) & (least < n_small)]
    source, target = ends.ravel(), ends[::-1].ravel()
    small = source < n_small
    return Borders.summed(source[small], target[small], np.ones(int(small.sum()), np.int64), n)
