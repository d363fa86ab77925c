"""The linear mixing model as a network: fully constrained least squares with known members."""

from __future__ import annotations

import torch
from torch import Tensor

from georaster_dl.models.zoo.chemometrics.per_spectrum import PerSpectrum
from georaster_dl.models.zoo.unmixing.fcls import fcls

__all__ = ["LinearMixing"]

_BLACK = 1e-6  # of light: what is left is rounding


class LinearMixing(PerSpectrum):
    """Fractions of members by fully constrained least squares (Heinz & Chang 2001).

    Parameters
    ----------
    in_bands, planes : bands in, members out.
    shade : whether black takes part as a further member, whose share is then given to the others in proportion.

    Attributes
    ----------
    members : (planes, bands) spectra in the unit of the scene.
    mean, std : (bands,) by which the network's input is normalised.
    """

    members: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, in_bands: int, planes: int, *, shade: bool = False) -> None:
        super().__init__(values=3 * in_bands + (planes + 1) ** 2)
        self._shade = shade
        self.register_buffer("members", torch.zeros(planes, in_bands))
        self.register_buffer("mean", torch.zeros(in_bands))
        self.register_buffer("std", torch.ones(in_bands))

    def planes(self, spectra: Tensor) -> Tensor:
        """Fractions (n, planes) of normalised spectra (n, bands), both float64."""
        return self.mixtures(spectra)[0]

    def mixtures(self, spectra: Tensor) -> tuple[Tensor, Tensor]:
        """Compute fractions (n, planes), and the root mean squares (n,) of the residuals.

        Parameters
        ----------
        spectra : (n, bands) normalised spectra, float64.
        """
        measured = spectra * self.std.double() + self.mean.double()
        members = self.members.double()
        if self._shade:
            members = torch.cat([members, torch.zeros_like(members[:1])])
        fractions = fcls(measured, members)
        rmse = (measured - fractions @ members).square().mean(1).sqrt()
        return (_lit(fractions) if self._shade else fractions), rmse


def _lit(fractions: Tensor) -> Tensor:
    """Leave out the last member, black, and scale the others' fractions to a sum of 1; all alike where there is no other."""
    lit = fractions[:, :-1]
    share = lit.sum(1, keepdim=True)
    return torch.where(share > _BLACK, lit / share, 1 / lit.shape[1])
