"""Leaf model PROSPECT-D and PROSPECT-PRO: reflectance and transmittance from traits."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from georaster_dl.core.errors import OptionError
from georaster_dl.models.radiative_transfer.constants import ABSORBERS, leaf_constants
from georaster_dl.models.radiative_transfer.traits import span

__all__ = ["Leaf", "Prospect", "prospect"]

_SERIES_BELOW, _SERIES_TERMS, _FRACTION_TERMS = 2.0, 20, 30
_TINY = 1e-30


class Leaf(NamedTuple):
    """Optical properties of leaves, (..., bands), 0 to 1.

    Attributes
    ----------
    reflectance, transmittance : directional-hemispherical.
    """

    reflectance: Tensor
    transmittance: Tensor


def prospect(
    traits: Mapping[str, Tensor | float], wavelengths_nm: Sequence[float] | np.ndarray
) -> Leaf:
    """Compute reflectance and transmittance of leaves (Jacquemoud & Baret 1990; Feret et al. 2017, 2021).

    Differentiable with respect to all traits. It computes in the type of the traits that are tensors, in
    float64 where all are numbers.

    Parameters
    ----------
    traits : names of :data:`~georaster_dl.models.radiative_transfer.LEAF_TRAITS` and their values, numbers
        or tensors that can be broadcast to one shape. ``n`` is needed; what is absent is 0.
    wavelengths_nm : within 400 to 2500 nm.

    Returns
    -------
    tensors of the traits' shape and, last, the bands.

    Raises
    ------
    OptionError
        When a trait is unknown, ``n`` is absent or below 1, anything is negative or not finite, dry matter
        is given both as ``cm`` and as ``prot`` and ``cbc``, or a wavelength lies outside the constants.
    """
    given = [v for v in traits.values() if isinstance(v, Tensor) and v.is_floating_point()]
    dtype = (
        functools.reduce(torch.promote_types, (v.dtype for v in given)) if given else torch.float64
    )
    device = given[0].device if given else torch.device("cpu")
    values = {
        name: torch.as_tensor(value, device=device, dtype=dtype) for name, value in traits.items()
    }
    _check(values)
    leaf: Leaf = Prospect(wavelengths_nm).to(device=device, dtype=dtype)(values)
    return leaf


class Prospect(nn.Module):
    """PROSPECT at fixed wavelengths, a module of constants without parameters.

    Parameters
    ----------
    wavelengths_nm : within 400 to 2500 nm.
    """

    index: Tensor
    absorption: Tensor
    t40: Tensor
    t90: Tensor

    def __init__(self, wavelengths_nm: Sequence[float] | np.ndarray) -> None:
        super().__init__()
        constants = leaf_constants(wavelengths_nm)
        for name in ("index", "absorption", "t40", "t90"):
            value = torch.as_tensor(getattr(constants, name))
            self.register_buffer(name, value, persistent=False)

    def forward(self, traits: Mapping[str, Tensor]) -> Leaf:
        """Compute leaves of unchecked traits, tensors that can be broadcast; see :func:`prospect`."""
        amounts = [(traits[name], row) for name, row in self._absorbers() if name in traits]
        total = sum(
            (amount[..., None] * row for amount, row in amounts), torch.zeros_like(self.t90)
        )
        return self.from_absorption(total, traits["n"])

    def from_absorption(self, total: Tensor, plates: Tensor) -> Leaf:
        """Compute leaves of a given absorption.

        Parameters
        ----------
        total : (..., bands), sum of amounts times specific absorption, over all plates.
        plates : (...), their number, 1 or more.
        """
        layers = plates[..., None]
        absorbed = _absorbed(total / layers)
        through = 1 - absorbed
        # Interfaces from outside (40 and 90 degrees) and from inside.
        t12, t90 = self.t40, self.t90
        t21 = t90 / self.index**2
        r21 = 1 - t21
        inside = t21 * through / (1 - (r21 * through) ** 2)
        # First plate, lit within 40 degrees, and the others, lit from everywhere.
        ta, t1 = t12 * inside, (t90 * inside).clamp(min=_TINY)
        ra, r1 = 1 - t12 + r21 * through * ta, 1 - t90 + r21 * through * t1
        # 1 - r1 - t1, without the cancellation
        lost = t90 * absorbed / (1 - r21 * through)
        rs, ts = _stack(r1, t1, lost, layers - 1)
        between = 1 - rs * r1
        return Leaf(ra + ta * rs * t1 / between, ta * ts / between)

    def _absorbers(self) -> list[tuple[str, Tensor]]:
        return list(zip(ABSORBERS, self.absorption, strict=True))


def _stack(r: Tensor, t: Tensor, lost: Tensor, plates: Tensor) -> tuple[Tensor, Tensor]:
    """Reflectance and transmittance of a pile of equal plates (Stokes 1862).

    The usual a and b are exponentials of alpha and beta here: sinh(alpha) = d / 2r, sinh(beta) = d / 2t. So
    nothing cancels where next to nothing is absorbed, and a small constant below the root is the limit of
    nothing at all, with its gradient.
    """
    smallest = 1e-10 if r.dtype == torch.float64 else 1e-7
    d = torch.sqrt((1 + r + t) * (1 + r - t) * (1 - r + t) * lost + smallest)
    alpha, depth = torch.asinh(d / (2 * r)), plates * torch.asinh(d / (2 * t))
    whole = torch.expm1(-2 * (alpha + depth))
    return (
        torch.exp(-alpha) * torch.expm1(-2 * depth) / whole,
        torch.exp(-depth) * torch.expm1(-2 * alpha) / whole,
    )


def _absorbed(k: Tensor) -> Tensor:
    """Share of diffuse light that a plate of absorption k absorbs: 1 - (1 - k) exp(-k) - k^2 E1(k)."""
    k = k + _TINY
    integral: Tensor = _E1.apply(k)
    return -torch.expm1(-k) + k * (torch.exp(-k) - k * integral)


class _E1(torch.autograd.Function):
    """Exponential integral of positive numbers; its derivative is -exp(-k) / k."""

    @staticmethod
    def forward(ctx: Any, k: Tensor) -> Tensor:
        """Sum the series below 2 and the continued fraction above (Abramowitz & Stegun 5.1.11, 5.1.22)."""
        ctx.save_for_backward(k)
        small, large = k.clamp(max=_SERIES_BELOW), k.clamp(min=_SERIES_BELOW)
        series, fraction = torch.zeros_like(k), torch.zeros_like(k)
        for j in range(_SERIES_TERMS, 0, -1):
            series.add_((-1) ** (j + 1) / (j * math.factorial(j))).mul_(small)
        for j in range(_FRACTION_TERMS, 0, -1):
            fraction.neg_().add_(large).add_(2 * j + 1).reciprocal_().mul_(j**2)
        series.sub_(torch.log(small)).sub_(np.euler_gamma)
        return torch.where(k < _SERIES_BELOW, series, torch.exp(-large) / (large + 1 - fraction))

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        """Multiply by the derivative."""
        (k,) = ctx.saved_tensors
        gradient: Tensor = -upstream * torch.exp(-k) / k
        return gradient


def _check(values: Mapping[str, Tensor]) -> None:
    known = ("n", *ABSORBERS)
    if unknown := [name for name in values if name not in known]:
        raise OptionError(
            f"PROSPECT has no trait {unknown[0]!r}; its traits are {', '.join(known)}."
        )
    if "n" not in values:
        raise OptionError(
            "PROSPECT needs the leaf structure `n`, 1 or more; 1.5 is that of many crops."
        )
    if "cm" in values and ("prot" in values or "cbc" in values):
        raise OptionError(
            "Dry matter is given twice, as `cm` and as `prot` and `cbc`; give `cm` alone (PROSPECT-D), or "
            "`prot` and `cbc` (PROSPECT-PRO)."
        )
    for name, value in values.items():
        low = 1.0 if name == "n" else 0.0
        if not bool((torch.isfinite(value) & (value >= low)).all()):
            raise OptionError(
                f"The trait `{name}` must be finite and at least {low:g}, but is {span(value)}."
            )
