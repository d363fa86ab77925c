"""PLS as a network: a coefficient for each band."""

from __future__ import annotations

import torch
from torch import Tensor

from georaster_dl.models.zoo.chemometrics.per_spectrum import PerSpectrum

__all__ = ["PLS"]


class PLS(PerSpectrum):
    """PLS regression of each target, or of the indicators of classes (PLS-DA).

    Parameters
    ----------
    in_bands, planes : planes in and out.

    Attributes
    ----------
    coefficients : (planes, bands) of normalised spectra.
    intercept : (planes,).
    """

    coefficients: Tensor
    intercept: Tensor

    def __init__(self, in_bands: int, planes: int) -> None:
        super().__init__(values=in_bands)
        self.register_buffer("coefficients", torch.zeros(planes, in_bands))
        self.register_buffer("intercept", torch.zeros(planes))

    def planes(self, spectra: Tensor) -> Tensor:
        """Planes (n, planes) of normalised spectra (n, bands)."""
        return spectra @ self.coefficients.double().T + self.intercept.double()
