"""Labelled scenes split into training, validation and test, and the pixels of each part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import Band
from georaster_dl.core.geography import Georeference
from georaster_dl.tiling.sampling import LabelIndex, PatchSampler, Sampling, Window
from georaster_dl.tiling.split_blocks import SplitMask
from georaster_dl.training.data.cache import CachedScene

__all__ = ["Owners", "Split", "WindowReader"]

Float = npt.NDArray[np.float32]
Target = npt.NDArray[Any]  # class indexes, or float32 values
Mask = npt.NDArray[np.bool_]
Owners = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Split:
    """Scenes and the part of the split that each of their cells belongs to.

    Attributes
    ----------
    scenes, masks : one mask per scene.
    note : how the scenes are split, in one line.
    caution : limits of the accuracies measured on this split; empty where they are sound.
    owners : of each scene, the part of each polygon, by its number in the label file, where the labels are those of
        whole polygons; empty for other labels.
    """

    scenes: tuple[CachedScene, ...]
    masks: tuple[SplitMask, ...]
    note: str
    caution: str = ""
    owners: tuple[Owners, ...] = ()

    def placed_masks(self) -> dict[str, tuple[Georeference, SplitMask]]:
        """Georeference and mask of each scene, by its name."""
        return {
            each.scene.name: (each.scene.geobox, mask)
            for each, mask in zip(self.scenes, self.masks, strict=True)
        }

    def indexes(self, part: int) -> list[LabelIndex]:
        """Labelled pixels of a part, counted by cell, one index per scene."""
        return [
            scene.index.within(mask.cells(part))
            for scene, mask in zip(self.scenes, self.masks, strict=True)
        ]

    def labelled(self, part: int) -> npt.NDArray[np.int64]:
        """(classes,) labelled pixels of a part."""
        counts: npt.NDArray[np.int64] = np.sum([i.totals for i in self.indexes(part)], axis=0)
        return counts

    def sampler(self, part: int, kind: Sampling, side: int) -> PatchSampler:
        """Sampler of windows of ``side`` pixels around the labels of a part."""
        return PatchSampler(self.indexes(part), kind, side)

    def reader(self, part: int, *, boundaries: bool = False) -> WindowReader:
        """Reader of the pixels of a part; see ``WindowReader``."""
        return WindowReader(self, part, boundaries=boundaries)


class WindowReader:
    """Reads windows of cached scenes, restricted to one part of the split.

    Parameters
    ----------
    part : part whose pixels are valid; all others are nodata.
    boundaries : whether labels of classes are followed by the nearness to the boundaries of objects.
    """

    def __init__(self, split: Split, part: int, *, boundaries: bool = False) -> None:
        self._scenes, self._masks, self._owners = split.scenes, split.masks, split.owners
        self._part = part
        self._boundaries = boundaries

    @property
    def bands(self) -> tuple[Band, ...]:
        """Bands of the images."""
        return self._scenes[0].scene.bands

    def read(self, window: Window) -> tuple[Float, Mask, Target]:
        """Read physical values (bands, side, side), validity and labels (side, side), or (fractions, side, side).

        Labels are class indices with -1 where there is none, or values with NaN; beyond the
        scene and in other parts of the split nothing is valid and nothing labelled. With boundaries they are
        (2, side, side): class indices, and 0 to ``STEPS``.
        """
        cached = self._scenes[window.scene]
        shape = (window.side, window.side)
        image = np.zeros((len(cached.scene.planes), *shape), np.float32)
        valid = np.zeros(shape, bool)
        target: Target = (
            np.full((*cached.planes, *shape), np.nan, np.float32)
            if cached.numeric
            else np.full((2, *shape) if self._boundaries else shape, -1, np.int64)
        )
        rows, cols = (
            slice(max(start, 0), min(start + window.side, n))
            for start, n in zip((window.row, window.col), cached.scene.shape, strict=True)
        )
        if rows.start >= rows.stop or cols.start >= cols.stop:
            return image, valid, target
        place = (
            slice(rows.start - window.row, rows.stop - window.row),
            slice(cols.start - window.col, cols.stop - window.col),
        )
        stored, measured, labels = cached.cache.read(rows, cols)
        valid[place] = measured & self._masks[window.scene].window(self._part, rows, cols)
        image[:, *place] = cached.scene.to_physical(stored)
        labelled = valid[place]
        if self._owners:
            labelled = labelled & self._is_own(labels[-1], self._owners[window.scene])
        if self._boundaries:
            labelled = labelled & (labels >= 0)
            labels = np.stack([labels, cached.cache.boundaries(rows, cols)])
        target[..., *place] = np.where(labelled, labels, target[..., *place])
        return image, valid, target

    def _is_own(self, polygons: Float, owner: Owners) -> Mask:
        """Mask the pixels whose polygon is of the part."""
        own = np.zeros(polygons.shape, bool)
        some = np.isfinite(polygons)
        own[some] = owner[polygons[some].astype(np.int64)] == self._part
        return own
