"""Conversion of tiles to a model's wavelengths, preprocessed as in training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from georaster_dl.io.scenes.scene import Scene
from georaster_dl.models.package.card import CardPreprocessing
from georaster_dl.predict.engine.strips import TileInput
from georaster_dl.predict.matching.scene_match import SceneMatch

if TYPE_CHECKING:
    from georaster_dl.spectra.preprocess.chain import Preprocessing

__all__ = ["Conversion", "conversion_of"]

_BLOCK = 2**17  # numbers that are converted at once, so that they stay in the processor's cache


@dataclass(frozen=True)
class Conversion:
    """From stored numbers of a scene to preprocessed values of the model's bands.

    Attributes
    ----------
    scene : whose bands are read.
    resampling : (bands of the model, bands of the scene) weights; None where they are the same.
    preprocessing : of spectra on the model's wavelengths; None where there is none.
    """

    scene: Scene
    resampling: npt.NDArray[np.float32] | None
    preprocessing: Preprocessing | None

    def __call__(self, tile: TileInput) -> TileInput:
        """The tile with preprocessed values (model's bands, rows, cols) as its numbers.

        A pixel whose spectrum cannot be preprocessed, such as a flat one by snv, is no longer valid.
        """
        stored = tile.numbers.reshape(len(tile.numbers), -1)
        bands = len(stored) if self.resampling is None else len(self.resampling)
        # Spectrum by spectrum in memory, as they are made and as networks of pixels read them.
        values = np.zeros((stored.shape[1], bands), np.float32)
        usable = np.zeros(stored.shape[1], bool)
        valid = np.flatnonzero(tile.valid)
        size = max(1, _BLOCK // len(stored))
        for first in range(0, len(valid), size):
            pixels = valid[first : first + size]
            made = self.spectra(np.ascontiguousarray(stored[:, _span(pixels)].T))
            fit = np.isfinite(made).all(axis=1)
            if not fit.all():
                pixels, made = pixels[fit], made[fit]
            values[_span(pixels)] = made
            usable[pixels] = True
        shape = tile.valid.shape
        image = values.reshape(*shape, bands).transpose(2, 0, 1)
        return replace(tile, numbers=image, valid=usable.reshape(shape))

    def spectra(self, stored: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Convert stored numbers (pixels, bands of the scene) to (pixels, bands); NaN where impossible."""
        values: npt.NDArray[np.floating[Any]] = self.scene.to_physical(stored, axis=1)
        if self.resampling is not None:
            values = values @ self.resampling.T
        if self.preprocessing is not None:
            values = self.preprocessing.transform_or_nan(values)
        return np.asarray(values, np.float32)


def _span(pixels: npt.NDArray[np.intp]) -> slice | npt.NDArray[np.intp]:
    """Convert indices to a slice where they are contiguous, which copies less."""
    if not len(pixels):
        return slice(0)
    first, stop = int(pixels[0]), int(pixels[-1]) + 1
    return slice(first, stop) if stop - first == len(pixels) else pixels


def conversion_of(match: SceneMatch) -> Conversion | None:
    """Make the conversion from a scene to a model's inputs; None where stored values will do.

    Raises
    ------
    OptionError
        When the model's preprocessing is damaged.
    """
    preprocessing = match.card.preprocessing
    if match.resampling is None and preprocessing is None:
        return None
    return Conversion(
        match.scene,
        match.resampling,
        None if preprocessing is None else _learnt(preprocessing),
    )


def _learnt(preprocessing: CardPreprocessing) -> Preprocessing:
    """Build preprocessing from the card; it takes scikit-learn, which few models need."""
    from georaster_dl.spectra.preprocess.chain import Preprocessing

    return Preprocessing.from_json(preprocessing.model_dump())
