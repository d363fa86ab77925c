"""Rows and cols that each object of a raster of numbers covers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Extents", "find_extents"]

_Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Extents:
    """Extents of the objects of a raster.

    Attributes
    ----------
    top, bottom, left, right : (n + 1,) first and last row, first and last col of each, by its number.
    last : (n + 1,) place of its last pixel, row * cols + col.
    """

    top: _Numbers
    bottom: _Numbers
    left: _Numbers
    right: _Numbers
    last: _Numbers


def find_extents(
    read: Callable[[slice], npt.NDArray[np.int32]], strips: Sequence[slice], n: int
) -> Extents:
    """Find the extents of ``n`` objects.

    Parameters
    ----------
    read : rows to the number of the object of each pixel (rows, cols), 0 where there is none.
    strips : of full-width rows that cover the raster from its top.
    """
    most = np.iinfo(np.int64).max
    top, left = np.full((2, n + 1), most)
    bottom, right, place = np.full((3, n + 1), -1)
    for rows in strips:
        numbers = read(rows)
        starts = np.ones(numbers.shape, bool)
        np.not_equal(numbers[:, 1:], numbers[:, :-1], out=starts[:, 1:])
        ends = np.roll(starts.ravel(), -1).reshape(numbers.shape)
        row, first = np.nonzero(starts)
        last = np.nonzero(ends)[1]
        of = numbers[starts]
        # Runs are in the order of their rows: of each object, the first written last, and the other way round.
        top[of[::-1]] = np.minimum(top[of[::-1]], row[::-1] + rows.start)
        bottom[of] = row + rows.start
        place[of] = (row + rows.start) * numbers.shape[1] + last
        np.minimum.at(left, of, first)
        np.maximum.at(right, of, last)
    return Extents(top, bottom, left, right, place)
