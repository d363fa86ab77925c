"""Leave out labels near a border, where register and image disagree first."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter, minimum_filter

__all__ = ["Erosion"]

Counts = npt.NDArray[np.int64]


@dataclass
class Erosion:
    """Rule that leaves out labels near a border between classes, or to unlabelled pixels, with counts.

    Attributes
    ----------
    pixels : distance in rows and cols within which labels are left out, 0 for none. The end of the scene is no border.
    shape : rows and cols of the scene.
    labelled, removed : pixels that had a label, and that lost it, in all windows that were read.
    """

    pixels: int
    shape: tuple[int, int]
    labelled: int = 0
    removed: int = 0
    _had: Counts = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)
    _kept: Counts = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)

    def around(self, rows: slice, cols: slice) -> tuple[slice, slice]:
        """Widen a window by the distance, within the scene."""
        down, across = (
            slice(max(side.start - self.pixels, 0), min(side.stop + self.pixels, length))
            for side, length in zip((rows, cols), self.shape, strict=True)
        )
        return down, across

    def apply(
        self,
        around: npt.NDArray[np.int16],
        rows: slice,
        cols: slice,
        features: npt.NDArray[np.int64] | None = None,
    ) -> npt.NDArray[np.int16]:
        """Leave out labels near a border.

        Parameters
        ----------
        around : class indexes of the window ``around(rows, cols)``, -1 where unlabelled.
        features : (rows, cols) number of the feature that labels a pixel, negative where none does; None of rasters.

        Returns
        -------
        (rows, cols) class indexes of the window itself.
        """
        down, across = self.around(rows, cols)
        inner = (
            slice(rows.start - down.start, rows.stop - down.start),
            slice(cols.start - across.start, cols.stop - across.start),
        )
        side = 2 * self.pixels + 1
        alike = (
            minimum_filter(around, side, mode="nearest")[inner]
            == (maximum_filter(around, side, mode="nearest")[inner])
        )
        before = around[inner]
        kept = np.where(alike, before, np.int16(-1))
        self.labelled += int((before >= 0).sum())
        self.removed += int((before >= 0).sum() - (kept >= 0).sum())
        if features is not None:
            of_features = (before >= 0) & (features >= 0)
            self._had = _added(self._had, features[of_features])
            self._kept = _added(self._kept, features[of_features & (kept >= 0)])
        return kept

    @property
    def vanished(self) -> tuple[int, int]:
        """Number of features without a label left, and of all with labels before."""
        kept = np.pad(self._kept, (0, len(self._had) - len(self._kept)))
        return int(((self._had > 0) & (kept == 0)).sum()), int((self._had > 0).sum())


def _added(counts: Counts, numbers: npt.NDArray[np.int64]) -> Counts:
    """Add a number's pixels to counts, which become as long as the largest number needs."""
    more = np.bincount(numbers, minlength=len(counts)).astype(np.int64)
    more[: len(counts)] += counts
    return more
