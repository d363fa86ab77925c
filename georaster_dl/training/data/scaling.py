"""Normalisation by mean and standard deviation of the bands, and of a regression's labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import Band, find_band
from georaster_dl.core.errors import OptionError
from georaster_dl.io.output.statistics import BandStatistics
from georaster_dl.models.package.card import Card
from georaster_dl.tiling.sampling import Window
from georaster_dl.training.data.split import WindowReader

__all__ = ["Scaling"]

Float = npt.NDArray[np.float32]
Target = npt.NDArray[Any]  # int64 class indexes, or float32 numbers
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of every band, and of a regression's labels, over training pixels.

    Attributes
    ----------
    mean, std : (bands,) in physical units.
    target : mean and standard deviation of the labels; None for classes and fractions.
    """

    mean: npt.NDArray[np.float64]
    std: npt.NDArray[np.float64]
    target: tuple[float, float] | None = None

    @classmethod
    def measure(cls, reader: WindowReader, windows: Iterable[Window]) -> Scaling:
        """Measure over the valid pixels of windows.

        Raises
        ------
        OptionError
            When the labels of a regression are all the same.
        """
        bands, labels = BandStatistics(len(reader.bands)), BandStatistics(1)
        for window in windows:
            image, valid, target = reader.read(window)
            bands.add(image[:, valid])
            if np.issubdtype(target.dtype, np.floating) and target.ndim == 2:
                labels.add(target)
        # A band that never varies says nothing: normalised it is 0, whatever it is divided by.
        std = np.where(bands.std > 0, bands.std, 1.0)
        if not labels.count[0]:
            return cls(bands.mean, std)
        if not labels.std[0] > 0:
            raise OptionError(
                f"All labels have the same number, {labels.mean[0]:g}, so there is nothing to learn; "
                f"check the labels and their field."
            )
        return cls(bands.mean, std, (float(labels.mean[0]), float(labels.std[0])))

    def with_bands_of(self, bands: Sequence[Band], card: Card) -> Scaling:
        """Replace the statistics of the bands that a model has by the model's own.

        Weights that start from the model expect them: the same value must stay as bright.
        """
        mean, std = self.mean.copy(), self.std.copy()
        for index, band in enumerate(bands):
            place = find_band(band, card.bands)
            if place is not None:
                mean[index], std[index] = card.bands[place].mean, card.bands[place].std
        return replace(self, mean=mean, std=std)

    def drift_from(self, other: Scaling) -> npt.NDArray[np.float64]:
        """Compute the differences of the bands' means from others, (bands,) in standard deviations of the others."""
        drift: npt.NDArray[np.float64] = (self.mean - other.mean) / other.std
        return drift

    def apply(self, image: Float, valid: Mask) -> Float:
        """Normalise an image; pixels that are not valid are 0."""
        gain = (1.0 / self.std).astype(np.float32)[:, None, None]
        bias = (-self.mean / self.std).astype(np.float32)[:, None, None]
        return np.where(valid, image * gain + bias, np.float32(0.0))

    def apply_target(self, target: Target) -> Target:
        """Normalise the values of a regression; classes stay."""
        if self.target is None:
            return target
        mean, std = self.target
        return ((target - mean) / std).astype(np.float32)
