"""Novelty statistics of a trained model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from georaster_dl.models.novelty.fit import fit_novelty
from georaster_dl.models.package.novelty import NoveltyStatistics
from georaster_dl.tiling.sampling import Window
from georaster_dl.tiling.split_blocks import TRAIN, VALIDATION
from georaster_dl.training.data.training_data import TrainingData

__all__ = ["training_novelty"]

_MOST_WINDOWS = 200  # of the validation part
_MOST_PIXELS = 4000  # of a window


def training_novelty(data: TrainingData) -> NoveltyStatistics:
    """Fit the statistics to the training part, with limits from windows of the validation part."""
    training = _pixels(data, TRAIN, data.statistics_windows())
    held_out = _pixels(data, VALIDATION, data.evaluation_windows(VALIDATION, _MOST_WINDOWS))
    names = [band.name for band in data.bands]
    return fit_novelty(names, training, held_out, quantity=data.quantity, seed=data.config.seed)


def _pixels(
    data: TrainingData, part: int, windows: Sequence[Window]
) -> list[npt.NDArray[np.float32]]:
    """Valid pixels (pixels, bands) of each window that has any, in physical units."""
    reader = data.split.reader(part)
    rng = np.random.default_rng(data.config.seed)
    found = []
    for window in windows:
        image, valid, _ = reader.read(window)
        pixels = image[:, valid].T
        if len(pixels) > _MOST_PIXELS:
            pixels = pixels[rng.choice(len(pixels), _MOST_PIXELS, replace=False)]
        if len(pixels):
            found.append(pixels)
    return found
