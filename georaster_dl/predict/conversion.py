"""Tiles as a model of spectra reads them: on its wavelengths, and treated as in training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.io.scene import Scene
from georaster_dl.predict.fit import Fit
from georaster_dl.predict.strips import TileInput
from georaster_dl.spectra.preprocess import Preprocessing

__all__ = ["Conversion", "conversion_of"]

_BLOCK = 2**22  # numbers that are converted at once


@dataclass(frozen=True)
class Conversion:
    """From stored numbers of a scene to treated values of the model's bands.

    Attributes
    ----------
    scale, offset : (bands of the scene,) value = number * scale + offset.
    resampling : (bands of the model, bands of the scene) weights; None where they are the same.
    treatment : of spectra on the model's wavelengths; None where there is none.
    """

    scale: npt.NDArray[np.float32]
    offset: npt.NDArray[np.float32]
    resampling: npt.NDArray[np.float32] | None
    treatment: Preprocessing | None

    def __call__(self, tile: TileInput) -> TileInput:
        """The tile with treated values (model's bands, rows, cols) as its numbers.

        A pixel whose spectrum cannot be treated, such as a flat one by snv, is no longer valid.
        """
        valid = tile.valid.copy()
        spectra = tile.numbers[:, valid].T
        bands = spectra.shape[1] if self.resampling is None else len(self.resampling)
        values = np.zeros((bands, *valid.shape), np.float32)
        made = self._converted(spectra, bands)
        usable = np.isfinite(made).all(axis=1)
        valid[valid] = usable
        values[:, valid] = made[usable].T
        return replace(tile, numbers=values, valid=valid)

    def _converted(self, spectra: npt.NDArray[Any], bands: int) -> npt.NDArray[np.float32]:
        """(pixels, bands) of stored numbers (pixels, bands of the scene), NaN where impossible."""
        made = np.empty((len(spectra), bands), np.float32)
        size = max(1, _BLOCK // spectra.shape[1])
        for first in range(0, len(spectra), size):
            block = spectra[first : first + size] * self.scale + self.offset
            if self.resampling is not None:
                block = block @ self.resampling.T
            if self.treatment is not None:
                block = self.treatment.treated_or_nan(block)
            made[first : first + size] = block
        return made


def conversion_of(fit: Fit) -> Conversion | None:
    """What a scene needs before the model can read it; None where its numbers will do.

    Raises
    ------
    OptionError
        When the model's treatment of spectra is damaged.
    """
    treatment = fit.card.treatment
    if fit.resampling is None and treatment is None:
        return None
    scale, offset = _calibration(fit.scene)
    return Conversion(
        scale,
        offset,
        fit.resampling,
        None if treatment is None else Preprocessing.from_json(treatment.model_dump()),
    )


def _calibration(scene: Scene) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    scale = np.array([plane.scale for plane in scene.planes], np.float32)
    return scale, np.array([plane.offset for plane in scene.planes], np.float32)
