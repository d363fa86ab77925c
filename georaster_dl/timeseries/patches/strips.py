"""Strips of patches, and the patches beside others: splits of which no two parts touch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from georaster_dl.timeseries.samples import SeriesSamples

__all__ = ["COL", "ROW", "PatchPlaces"]

ROW, COL = "patch_row", "patch_col"
"""Columns of the samples with the places of patches, counted in patches."""

_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class PatchPlaces:
    """Places of N patches on the grid of a stack, counted in patches."""

    rows: npt.NDArray[np.int64] = field(repr=False)
    cols: npt.NDArray[np.int64] = field(repr=False)

    @classmethod
    def of(cls, samples: SeriesSamples) -> Self | None:
        """Look up the places of samples; None where these have none."""
        if samples.unit != "patch" or not {ROW, COL} <= set(samples.groups):
            return None
        return cls(*(samples.groups[name].to_numpy(np.int64) for name in (ROW, COL)))

    def strips(self, chosen: _Mask, n: int) -> list[_Mask]:
        """Split chosen patches into up to n strips across the longer side of the stack, with as many patches each.

        Few rows or cols of patches make fewer strips.
        """
        along = max(self.rows, self.cols, key=lambda places: int(np.ptp(places[chosen])))
        _, line, count = np.unique(along[chosen], return_inverse=True, return_counts=True)
        # Where the middle of a line of patches lies among all of them.
        middle = (np.cumsum(count) - count / 2) / count.sum()
        strip = np.full(len(chosen), -1)
        strip[chosen] = (middle * n).astype(int)[line]
        return [strip == number for number in np.unique(strip[chosen])]

    def beside(self, chosen: _Mask) -> _Mask:
        """Mark the chosen patches and their neighbours at sides and corners, (N,)."""
        shape = (int(self.rows.max()) + 3, int(self.cols.max()) + 3)
        near = np.zeros(shape, bool)
        for down in range(3):
            for across in range(3):
                near[self.rows[chosen] + down, self.cols[chosen] + across] = True
        return near[self.rows + 1, self.cols + 1]
