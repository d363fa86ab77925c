"""Places of single pixels of a scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["PixelPlaces"]

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PixelPlaces:
    """Places of pixels, in the order of their rows.

    Attributes
    ----------
    row, col : (n,) in the scene; row ascends.
    """

    row: _Ints
    col: _Ints

    def __len__(self) -> int:
        return len(self.row)

    def within(self, rows: slice, cols: slice) -> _Ints:
        """Find the numbers of the pixels in a window of the scene."""
        first, last = np.searchsorted(self.row, (rows.start, rows.stop))
        col = self.col[first:last]
        inside: _Ints = first + np.flatnonzero((col >= cols.start) & (col < cols.stop))
        return inside

    def mask(self, rows: slice, cols: slice) -> npt.NDArray[np.bool_]:
        """Mask (rows, cols) of a window, True at these pixels."""
        inside = self.within(rows, cols)
        asked = np.zeros((rows.stop - rows.start, cols.stop - cols.start), bool)
        asked[self.row[inside] - rows.start, self.col[inside] - cols.start] = True
        return asked
