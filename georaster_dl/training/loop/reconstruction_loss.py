"""Losses of an autoencoder: the error of its bands, and the angle between spectra.

What is no target, as pixels that are not valid and what a masked autoencoder sees, is taken out before anything
is computed, so it has no gradient at all, and a batch without any target costs 0.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

__all__ = ["build_reconstruction_loss", "spectral_angle", "valid_spectra"]


def build_reconstruction_loss(
    name: Literal["mse", "sam"], mean: npt.NDArray[np.float64], std: npt.NDArray[np.float64]
) -> nn.Module:
    """Loss of reconstructed bands.

    Parameters
    ----------
    name : ``mse``, the mean square error of the normalised bands, or ``sam``, that and the mean
        spectral angle in radians (the spectral angle mapper of Kruse et al. 1993). The angle is
        one of physical values: an illumination that is twice as bright leaves it as it is, and
        normalised spectra, which scatter about 0, have no such angle.
    mean, std : (bands,) statistics that the bands were normalised by.

    Returns
    -------
    Module from outputs (N, bands, rows, cols) and normalised values of the same shape, NaN where
    there is no target, to a float32 scalar. The angle is of the pixels that have all bands as targets.
    """
    return _ReconstructionLoss(mean, std, angle=name == "sam")


class _ReconstructionLoss(nn.Module):
    """The loss that ``build_reconstruction_loss`` describes."""

    mean: Tensor
    std: Tensor

    def __init__(
        self, mean: npt.NDArray[np.float64], std: npt.NDArray[np.float64], *, angle: bool
    ) -> None:
        super().__init__()
        self._angle = angle
        # Not persistent: they are the card's, and no part of a model.
        for key, values in (("mean", mean), ("std", std)):
            self.register_buffer(key, torch.from_numpy(values).float(), persistent=False)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        wanted = target.isfinite()
        values = output[wanted].float()
        if not len(values):
            return values.sum()
        loss = F.mse_loss(values, target[wanted].float())
        if not self._angle:
            return loss
        spectra, true = valid_spectra(output, target)
        if not len(spectra):
            return loss
        angles = spectral_angle(spectra * self.std + self.mean, true * self.std + self.mean)
        return loss + angles.mean()


def valid_spectra(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Select output and target (n, bands) of the pixels of (N, bands, rows, cols) with targets in all bands, in float32."""
    valid = target.isfinite().all(dim=1)
    spectra, true = (values.movedim(1, -1)[valid].float() for values in (output, target))
    return spectra, true


def spectral_angle(spectra: Tensor, others: Tensor) -> Tensor:
    """Compute the angles (n,) in radians between pairs of spectra (n, bands).

    By Kahan's formula: the arc cosine has an infinite slope where two spectra are alike.
    """
    a, b = F.normalize(spectra, dim=1), F.normalize(others, dim=1)
    # vector_norm has the gradient 0 where two spectra are one.
    apart, along = (torch.linalg.vector_norm(each, dim=1) for each in (a - b, a + b))
    return 2 * torch.atan2(apart, along)
