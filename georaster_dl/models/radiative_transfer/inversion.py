"""Inversion of radiative transfer models: the likeliest traits of many spectra at once."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from georaster_dl.models.radiative_transfer.traits import Trait

__all__ = ["TYPICAL_MISFIT", "LogisticSpace", "SpectrumModel", "improve", "invert"]

TYPICAL_MISFIT = 0.004
"""Standard deviation of measured reflectances from those of PROSPECT with offset, at their best fit."""

_STEP = 1e-5  # of finite differences, in double precision
_FARTHEST = 2.0  # a step, in the logistic space
_FROM_TYPICAL = 30


class SpectrumModel(Protocol):
    """A law from traits to spectra, differentiable and without weights.

    Attributes
    ----------
    traits : in the order of the values.
    expected : mean and standard deviation of each before anything is measured.
    """

    traits: tuple[Trait, ...]
    expected: tuple[tuple[float, float], ...]

    def __call__(self, values: Tensor) -> Tensor:
        """Compute spectra (..., bands) of traits (..., traits)."""


class LogisticSpace(nn.Module):
    """Space in which traits are unbounded, with their prior distribution.

    value = low + (high - low) / (1 + exp(-z)); before anything is measured, z is normal with ``mean`` and ``sd``.

    Attributes
    ----------
    low, high, mean, sd : (traits,).
    """

    low: Tensor
    high: Tensor
    mean: Tensor
    sd: Tensor

    def __init__(self, model: SpectrumModel) -> None:
        super().__init__()
        bounds = torch.tensor([(t.low, t.high) for t in model.traits], dtype=torch.float64)
        low, high = bounds.unbind(-1)
        typical, spread = torch.tensor(model.expected, dtype=torch.float64).unbind(-1)
        share = (typical - low) / (high - low)
        constants = {
            "low": low,
            "high": high,
            "mean": torch.logit(share),
            "sd": spread / ((high - low) * share * (1 - share)),
        }
        for name, constant in constants.items():
            self.register_buffer(name, constant, persistent=False)

    def values(self, z: Tensor) -> Tensor:
        """Traits (..., traits) within their bounds."""
        return self.low + (self.high - self.low) * torch.sigmoid(z)


def invert(
    model: SpectrumModel,
    spectra: Tensor,
    *,
    steps: int = _FROM_TYPICAL,
    misfit: float = TYPICAL_MISFIT,
) -> tuple[Tensor, Tensor]:
    """Seek the likeliest traits of spectra (n, bands), float64, from typical traits onwards.

    Returns
    -------
    place in the logistic space (n, traits), and what is left of the spectra (n, bands).
    """
    space = LogisticSpace(model).to(spectra.device)
    start = space.mean.expand(len(spectra), -1)
    z = improve(model, space, spectra, start, steps=steps, misfit=misfit)
    return z, spectra - model(space.values(z))


def improve(
    model: SpectrumModel,
    space: LogisticSpace,
    spectra: Tensor,
    start: Tensor,
    *,
    steps: int,
    misfit: float = TYPICAL_MISFIT,
) -> Tensor:
    """Step towards the likeliest traits of spectra by damped least squares (Levenberg 1944, Marquardt 1963).

    The prior counts as further measurements. A step that makes a spectrum less likely is not taken.

    Parameters
    ----------
    spectra : (n, bands), float64.
    start : (n, traits) in the logistic space.
    misfit : standard deviation of measured from modelled spectra.

    Returns
    -------
    (n, traits) in the logistic space.
    """
    weight = space.sd**-2
    count = len(space.mean)
    directions = _STEP * torch.eye(count, dtype=spectra.dtype, device=spectra.device)

    def misfits(z: Tensor) -> Tensor:
        return (model(space.values(z)) - spectra) / misfit

    def loss(r: Tensor, z: Tensor) -> Tensor:
        return r.square().sum(-1) + (weight * (z - space.mean) ** 2).sum(-1)

    z, damping = start, torch.full_like(spectra[:, 0], 1e-2)
    left = misfits(z)
    least = loss(left, z)
    for _ in range(steps):
        moved = misfits(z + directions[:, None])
        slopes = ((moved - left) / _STEP).movedim(0, 1)
        curvature = slopes @ slopes.mT + torch.diag(weight)
        gradient = (slopes @ left[..., None])[..., 0] + weight * (z - space.mean)
        damped = curvature + torch.diag_embed(
            damping[:, None] * curvature.diagonal(dim1=-2, dim2=-1)
        )
        tried = z - torch.linalg.solve(damped, gradient).clamp(-_FARTHEST, _FARTHEST)
        left_there = misfits(tried)
        there = loss(left_there, tried)
        better = there < least
        z = torch.where(better[:, None], tried, z)
        left = torch.where(better[:, None], left_there, left)
        least = torch.where(better, there, least)
        damping = torch.where(better, damping / 3, damping * 4)
    return z
