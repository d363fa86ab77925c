"""Distribute leaves over 18 classes of inclination, for 4SAIL, in torch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["ANGLES_DEG", "bimodal", "ellipsoidal"]

_CLASSES = 18
_STEP_DEG = 90 / _CLASSES

ANGLES_DEG = (np.arange(_CLASSES) + 0.5) * _STEP_DEG
"""Middles of the classes of inclination, from flat to upright."""


def ellipsoidal(mean_angle: Tensor) -> Tensor:
    """Distribute leaves over classes of inclination like the surface of an ellipsoid (Campbell 1990).

    Parameters
    ----------
    mean_angle : mean inclination in degrees, (samples,): about 27 is planophile, 57 spherical, 63 erectophile.

    Returns
    -------
    (samples, 18), in classes of 5 degrees from flat to upright; each row sums to 1.

    Source: Campbell 1990, doi 10.1016/0168-1923(90)90030-A; the axes from the mean angle as in PROSAIL.
    """
    angle = mean_angle[:, None, None]
    axes = (3.2491 + angle * (-1.2390e-1 + angle * (2.1145e-3 - 1.6184e-5 * angle))).exp()
    # the density is smooth, so five points a class integrate it to rounding
    nodes, weights = (
        torch.as_tensor(part, dtype=mean_angle.dtype, device=mean_angle.device)
        for part in np.polynomial.legendre.leggauss(5)
    )
    lower = (
        torch.arange(_CLASSES, dtype=mean_angle.dtype, device=mean_angle.device)[:, None]
        * _STEP_DEG
    )
    theta = (lower + _STEP_DEG * (nodes + 1) / 2).deg2rad()
    density = theta.sin() / (theta.cos() ** 2 + axes**2 * theta.sin() ** 2) ** 2
    share = (density * weights).sum(dim=-1)
    return share / share.sum(dim=1, keepdim=True)


def bimodal(slope: Tensor, bimodality: Tensor) -> Tensor:
    """Distribute leaves over classes of inclination by Verhoef's two numbers, LIDFa and LIDFb.

    Parameters
    ----------
    slope, bimodality : (samples,), their absolute values at most 1 in sum: planophile (1, 0), erectophile
        (-1, 0), plagiophile (0, -1), extremophile (0, 1), spherical (-0.35, -0.15), uniform (0, 0).

    Returns
    -------
    (samples, 18), in classes of 5 degrees from flat to upright; each row sums to 1.

    Source: Verhoef 1998, Theory of radiative transfer models applied in optical remote sensing of
    vegetation canopies.
    """
    a, b = slope[:, None], bimodality[:, None]
    edges = torch.arange(_CLASSES + 1, dtype=slope.dtype, device=slope.device)[None] * _STEP_DEG
    twice = 2 * edges.deg2rad()

    def wave(x: Tensor) -> Tensor:
        return a * x.sin() + b * (2 * x).sin() / 2

    with torch.no_grad():
        x = twice.expand(len(slope), -1)
        for _ in range(200):
            x = (x + twice + wave(x)) / 2
    # one step of Newton, whose gradient is that of the solution
    x = x - (x - twice - wave(x)) / (1 - a * x.cos() - b * (2 * x).cos()).clamp(min=1e-6)
    inside = (2 * wave(x) + twice)[:, 1:-1] / torch.pi
    below = torch.cat([torch.zeros_like(a), inside, torch.ones_like(a)], dim=1)
    return below.diff(dim=1)
