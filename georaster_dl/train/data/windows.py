"""Windows of the stored ground: physical values, where they are valid, and labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import Band
from georaster_dl.tiling.sampling import Window
from georaster_dl.tiling.split_blocks import SplitMask
from georaster_dl.train.data.cache import CachedScene

__all__ = ["WindowReader"]

Float = npt.NDArray[np.float32]
Target = npt.NDArray[Any]  # class indexes, or float32 numbers
Mask = npt.NDArray[np.bool_]


class WindowReader:
    """Cuts windows out of the stored ground.

    Parameters
    ----------
    stored, masks : one each per scene.
    part : whose ground is read; everything else is nodata.
    """

    def __init__(
        self, stored: Sequence[CachedScene], masks: Sequence[SplitMask], part: int
    ) -> None:
        self._stored = tuple(stored)
        self._masks = tuple(masks)
        self._part = part

    @property
    def bands(self) -> tuple[Band, ...]:
        """What each plane is."""
        return self._stored[0].ground.scene.bands

    def read(self, window: Window) -> tuple[Float, Mask, Target]:
        """Physical values (bands, side, side), where they are valid, and labels (side, side).

        Labels are class indices with -1 where there is none, or numbers with NaN; beyond the
        scene and beyond the part's ground nothing is valid and nothing labelled.
        """
        ground = self._stored[window.scene].ground
        shape = (window.side, window.side)
        image = np.zeros((len(ground.scene.planes), *shape), np.float32)
        valid = np.zeros(shape, bool)
        target: Target = (
            np.full(shape, np.nan, np.float32) if ground.numeric else np.full(shape, -1, np.int64)
        )
        rows, cols = (
            slice(max(start, 0), min(start + window.side, n))
            for start, n in zip((window.row, window.col), ground.scene.shape, strict=True)
        )
        if rows.start >= rows.stop or cols.start >= cols.stop:
            return image, valid, target
        place = (
            slice(rows.start - window.row, rows.stop - window.row),
            slice(cols.start - window.col, cols.stop - window.col),
        )
        numbers, measured, labels = self._stored[window.scene].store.read(rows, cols)
        valid[place] = measured & self._masks[window.scene].window(self._part, rows, cols)
        image[:, *place] = ground.scene.to_physical(numbers)
        target[place] = np.where(valid[place], labels, target[place])
        return image, valid, target
