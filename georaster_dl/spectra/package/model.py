"""Models of packages, of any method, applied to tables of spectra."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from georaster_dl.models.package.card import Card
from georaster_dl.models.package.class_limits import ClassLimits
from georaster_dl.spectra.preprocess.chain import Preprocessing

if TYPE_CHECKING:
    from torch import nn

__all__ = ["SpectralModel"]

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SpectralModel:
    """A network of single spectra, or a method that was fitted, with its card, in double precision.

    Attributes
    ----------
    network : from (n, bands, 1, 1) normalised to planes (n, planes, 1, 1), in float64.
    preprocessing : as it was fitted.
    """

    card: Card
    network: nn.Module = field(repr=False)
    preprocessing: Preprocessing = field(repr=False)

    @cached_property
    def wavelengths_nm(self) -> _Floats:
        """(bands,) of the spectra."""
        return np.array([band.wavelength_nm for band in self.card.bands], np.float64)

    @cached_property
    def mean(self) -> _Floats:
        """(bands,) means of the preprocessed training spectra."""
        return np.array([band.mean for band in self.card.bands])

    @cached_property
    def std(self) -> _Floats:
        """(bands,) standard deviations of the preprocessed training spectra."""
        return np.array([band.std for band in self.card.bands])

    @cached_property
    def classes(self) -> npt.NDArray[np.object_]:
        """(classes,) names; empty where values are predicted."""
        return np.array([entry.name for entry in self.card.classes], object)

    @cached_property
    def class_limits(self) -> dict[str, ClassLimits | None]:
        """Limits by the name of the class; empty where no class has any."""
        return dict(zip(self.classes, self.card.class_limits, strict=False))

    def predict(self, spectra: _Floats, return_std: bool = False) -> Any:
        """Predict (n, targets) values or (n,) classes of spectra (n, bands) as they were measured.

        Parameters
        ----------
        return_std : give, of values, the (n, targets) standard deviations of an ensemble's members, too;
            0 for all other models.
        """
        if not self.card.targets:
            return self.classes[self.predict_proba(spectra).argmax(axis=1)]
        values, *spread = np.split(self._values(spectra), 1 + self.card.gives_spread, axis=1)
        if not return_std:
            return values
        return values, spread[0] if spread else np.zeros_like(values)

    def predict_proba(self, spectra: _Floats) -> _Floats:
        """Predict (n, classes) probabilities of spectra (n, bands) as they were measured."""
        from scipy.special import softmax

        return np.asarray(softmax(self._planes(spectra), axis=1))

    def _values(self, spectra: _Floats) -> _Floats:
        """(n, planes) values, behind them an ensemble's standard deviations."""
        scale = np.array([(mean, std) for _name, mean, std in self.card.value_planes])
        return np.asarray(self._planes(spectra) * scale[:, 1] + scale[:, 0])

    def _planes(self, spectra: _Floats) -> _Floats:
        import torch

        normalised = (self.preprocessing.transform(spectra) - self.mean) / self.std
        with torch.inference_mode():
            planes = self.network(torch.from_numpy(normalised)[:, :, None, None])
        return np.asarray(planes[:, :, 0, 0].numpy())
