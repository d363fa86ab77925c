"""Training of networks beside PLS: one branch learns its residuals, another the target, and both are blended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from georaster_dl.spectra.network.loop import Loss

__all__ = ["Spectra", "best_share", "blended_loss", "branch_planes", "loss_of_both"]

_SHARES = 10  # steps from 0 to 1 that are tried
_UNKNOWN = 0.5  # share where no spectra are held out


@dataclass(frozen=True, eq=False)
class Spectra:
    """Spectra (n, bands) as the branches see them, and planes (n, planes) of the linear path.

    PLS was fitted to spectra as they are, so it does not see them augmented.
    """

    inputs: Tensor
    linear: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, rows: Tensor, /) -> Spectra:
        return Spectra(self.inputs[rows], self.linear[rows])


def branch_planes(network: Any, batch: Spectra) -> Tensor:
    """Compute planes (n, 2 planes) by ``PLSNet``: PLS with its residuals, then the second branch."""
    residuals, target = network.branches(batch.inputs)
    return torch.cat([batch.linear + residuals, target], 1)


def loss_of_both(loss: Loss) -> Loss:
    """Return the loss by which both branches learn, each for itself."""

    def both(planes: Tensor, targets: Tensor) -> Tensor:
        first, second = (loss(part, targets) for part in planes.chunk(2, 1))
        return first + second

    return both


def blended_loss(loss: Loss) -> Loss:
    """Return the loss of the best blend of both branches, by which the epoch is chosen."""

    def blended(planes: Tensor, targets: Tensor) -> Tensor:
        return _losses(loss, planes, targets).min()

    return blended


def best_share(loss: Loss, planes: Tensor, targets: Tensor) -> float:
    """Choose the share of the first branch by planes (n, 2 planes) of held-out spectra."""
    if not len(targets):
        return _UNKNOWN
    return int(_losses(loss, planes, targets).argmin()) / _SHARES


def _losses(loss: Loss, planes: Tensor, targets: Tensor) -> Tensor:
    """(shares,) losses of the blends."""
    first, second = planes.chunk(2, 1)
    shares = torch.linspace(0, 1, _SHARES + 1).tolist()
    return torch.stack([loss(torch.lerp(second, first, share), targets) for share in shares])
