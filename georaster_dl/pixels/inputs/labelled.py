"""Labelled pixels for training and testing, drawn from a split like that of a network's training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend
from georaster_dl.pixels.inputs.sample import Sample
from georaster_dl.tiling.split_blocks import PARTS, TEST, TRAIN, VALIDATION
from georaster_dl.training.data.cache import CachedScene, CacheFolder, drop_absent_classes
from georaster_dl.training.data.class_counts import check_class_counts, warn_missing_classes
from georaster_dl.training.data.labelled_scenes import (
    open_labelled_scenes,
    warn_implausible,
)
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.data.split import Split
from georaster_dl.training.data.split_kinds import split_scenes
from georaster_dl.training.settings.config import TrainConfig

__all__ = ["LabelledRaster", "Pixels", "draw_pixels", "open_labelled"]

# Of the parts that only measure; drawn at random, so shares of classes are those of the labels.
_MEASURED = {VALIDATION: 20_000, TEST: 50_000}
_PATCH = 64  # side in pixels of the units of a random split


@dataclass(frozen=True)
class LabelledRaster:
    """A raster with its labels, counted and split; the labels' pixels are decoded."""

    split: Split

    @property
    def cached(self) -> CachedScene:
        """The raster and its labels."""
        return self.split.scenes[0]

    @property
    def legend(self) -> Legend:
        """The classes that have a valid pixel."""
        legend = self.cached.legend
        if legend is None:
            raise OptionError(
                "A classifier needs classes, but these labels are a quantity; train a network on them instead."
            )
        return legend


@dataclass(frozen=True)
class Pixels:
    """Labelled pixels of one part.

    Attributes
    ----------
    values : (pixels, bands) physical values.
    classes : (pixels,) index into the legend.
    """

    values: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int16]


def open_labelled(
    pair: SceneWithLabels, config: TrainConfig, folder: CacheFolder, warn: Callable[[str], None]
) -> LabelledRaster:
    """Open a raster with its labels, count and split them.

    Parameters
    ----------
    folder : cache of the labels' pixels.
    warn : called with each warning.

    Raises
    ------
    GeoRasterError
        When raster or labels cannot be used, or leave too little to learn from.
    """
    opened = open_labelled_scenes([pair], config)
    warn_implausible(opened, warn)
    scenes = [CachedScene.fill(opened[0], folder, 0, reach=0)]
    check_class_counts(scenes, warn)
    split = split_scenes(drop_absent_classes(scenes), config.split, patch=_PATCH, seed=config.seed)
    labelled = LabelledRaster(split)
    _check_parts(labelled, warn)
    return labelled


def _check_parts(labelled: LabelledRaster, warn: Callable[[str], None]) -> None:
    """Require two classes for training and a pixel for validation; warn of classes that a part lacks."""
    for part, fewest in ((TRAIN, 2), (VALIDATION, 1), (TEST, 0)):
        counts = labelled.split.labelled(part)
        if np.count_nonzero(counts) < fewest:
            needed = "two classes" if fewest > 1 else "a labelled pixel"
            raise OptionError(
                f"The split leaves {PARTS[part]} without {needed} ({labelled.split.note}); use smaller "
                f"blocks, a smaller buffer, or label more places."
            )
        warn_missing_classes(labelled.split, part, warn)


def draw_pixels(labelled: LabelledRaster, per_class: int, seed: int) -> dict[int, Pixels]:
    """Draw random pixels of each part that has any.

    Parameters
    ----------
    per_class : most training pixels of a class; of the other parts all classes are drawn together.
    """
    n_classes = len(labelled.legend.classes)
    samples = {TRAIN: [Sample(per_class, [seed, TRAIN, i]) for i in range(n_classes)]}
    for part, most in _MEASURED.items():
        samples[part] = [Sample(most, [seed, part])]
    for part, values, classes in _labelled_pixels(labelled):
        if part != TRAIN:
            samples[part][0].add(values, classes)
            continue
        for index in np.unique(classes):
            selected = classes == index
            samples[TRAIN][index].add(values[selected], classes[selected])
    drawn = {part: _joined(several) for part, several in samples.items()}
    return {part: pixels for part, pixels in drawn.items() if pixels is not None}


def _joined(samples: Sequence[Sample]) -> Pixels | None:
    filled = [sample.columns() for sample in samples if sample.seen]
    if not filled:
        return None
    values, classes = (np.concatenate(columns) for columns in zip(*filled, strict=True))
    return Pixels(values, classes)


def _labelled_pixels(
    labelled: LabelledRaster,
) -> Iterator[tuple[int, npt.NDArray[np.float32], npt.NDArray[Any]]]:
    """Part, values (pixels, bands) and classes (pixels,), a row of cells after the other."""
    index, mask = labelled.cached.index, labelled.split.masks[0]
    n_rows, n_cols = index.shape
    for row in np.unique(index.rows):
        across = index.cols[index.rows == row]
        rows = slice(int(row) * index.cell, min((int(row) + 1) * index.cell, n_rows))
        cols = slice(
            int(across.min()) * index.cell, min((int(across.max()) + 1) * index.cell, n_cols)
        )
        numbers, _, labels = labelled.cached.cache.read(rows, cols)
        for part in range(len(PARTS)):
            selected = (labels >= 0) & mask.window(part, rows, cols)
            if selected.any():
                values = labelled.cached.scene.to_physical(numbers[:, selected].T, axis=1)
                yield part, values, labels[selected]
