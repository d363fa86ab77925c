"""Running sums over the passes of a tile: their mean, and how far they are apart.

Entropies and their names follow Gal 2016, "Uncertainty in Deep Learning", 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from georaster_dl.models.package.calibration import Calibration
from georaster_dl.models.package.values import Target
from georaster_dl.models.runtime.probabilities import calibrated_logits

__all__ = ["ClassSums", "Sums", "ValueSums", "class_measures"]


_CACHED = 2**18  # numbers that are added at a time


class Sums(Protocol):
    """Sums over the passes of one batch of images; all means, so that neighbours may be blended."""

    def add(self, planes: Tensor, calibration: Calibration) -> None:
        """Add a pass: the network's planes (N, planes, rows, cols)."""

    def planes(self) -> Tensor:
        """Compute the planes (N, planes, rows, cols) of the passes so far."""


class ClassSums:
    """Probabilities, their entropies and their squares; the logits of the classes are added."""

    def __init__(self) -> None:
        self._passes = 0
        self._sums: Tensor | None = None

    def add(self, planes: Tensor, calibration: Calibration) -> None:
        """Add the logits (N, classes, rows, cols) of a pass."""
        n, classes, n_rows, n_cols = planes.shape
        if self._sums is None:
            size = (n, classes + 2, n_rows, n_cols)
            self._sums = torch.zeros(size, dtype=torch.float32, device=planes.device)
        # Some rows at a time, which stay in the processor's cache: that halves the time.
        step = max(_CACHED // (n * classes * n_cols), 1)
        for first in range(0, n_rows, step):
            rows = slice(first, first + step)
            logits = calibrated_logits(planes[:, :, rows].contiguous(), calibration)
            self._add(torch.log_softmax(logits, dim=1), self._sums[:, :, rows])
        self._passes += 1

    def _add(self, logs: Tensor, sums: Tensor) -> None:
        """Add logarithms of probabilities (N, classes, rows, cols) to their part of the sums."""
        shares, n = logs.exp(), logs.shape[1]
        sums[:, n] -= logs.mul_(shares).sum(dim=1)
        sums[:, :n] += shares
        sums[:, n + 1] += shares.square_().sum(dim=1)

    def planes(self) -> Tensor:
        """Mean probabilities, mean entropy in nats, and mean sum of squared probabilities."""
        if self._sums is None:
            raise ValueError("There is no mean of no passes.")
        return self._sums / self._passes


def class_measures(planes: Tensor) -> Tensor:
    """Compute the measures of ``kinds.CLASS_MEASURES`` of one tile.

    Parameters
    ----------
    planes : (classes + 2, rows, cols) as ``ClassSums`` gives them.

    Returns
    -------
    (5, rows, cols), each from 0 to 1: the entropies and the mutual information, their difference, are
    divided by the logarithm of the number of classes; the variance is the sum of the classes'.
    """
    shares, expected, squares = planes[:-2], planes[-2], planes[-1]
    most = math.log(max(len(shares), 2))
    total = torch.special.entr(shares).sum(dim=0)
    # Rounding must not take a difference below 0 or beyond the entropy.
    information = torch.minimum((total - expected).clamp_(min=0.0), total)
    variance = (squares - shares.square().sum(dim=0)).clamp_(min=0.0)
    measures = [total / most, expected / most, information / most, variance, shares.amax(dim=0)]
    return torch.stack(measures).clamp_(0.0, 1.0)


class ValueSums:
    """Means and variances of quantities, in the quantities' units.

    Parameters
    ----------
    lines : mean and std that turn each plane of the network into a value.
    targets : the quantities, the first planes; where planes follow them, these are their spreads
        within a pass, whose squares add to the variance.
    """

    def __init__(self, lines: Sequence[tuple[float, float]], targets: Sequence[Target]) -> None:
        self._lines = lines
        self._count = len(targets)
        self._passes = 0
        self._mean: Tensor | None = None
        self._apart: Tensor | None = None

    def add(self, planes: Tensor, calibration: Calibration) -> None:
        """Add the standardised planes (N, planes, rows, cols) of a pass; Welford 1962."""
        lines = torch.tensor(self._lines[: planes.shape[1]], device=planes.device)
        values = planes.float() * lines[:, 1, None, None] + lines[:, 0, None, None]
        values, spreads = values[:, : self._count], values[:, self._count :]
        self._passes += 1
        if self._mean is None or self._apart is None:
            self._mean, self._apart = values.clone(), torch.zeros_like(values)
        else:
            step = values - self._mean
            self._mean += step / self._passes
            self._apart += step * (values - self._mean)
        if spreads.shape[1]:
            self._apart += spreads.square()

    def planes(self) -> Tensor:
        """Mean of each quantity, and behind them the variances."""
        if self._mean is None or self._apart is None:
            raise ValueError("There is no mean of no passes.")
        return torch.cat([self._mean, self._apart / self._passes], dim=1)
