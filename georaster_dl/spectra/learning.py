"""How a network learns a table: a short loop, because tables are small."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Loss", "Recipe", "class_loss", "learn", "planes_of", "value_loss"]

Loss = Callable[[Tensor, Tensor], Tensor]
"""Mean loss of planes (n, planes) and their targets."""


@dataclass(frozen=True)
class Recipe:
    """How long and how fast a network learns.

    Attributes
    ----------
    epochs : most of them.
    batch : spectra of a step.
    learning_rate : at first; it is halved after ``patience`` / 2 epochs without gain.
    weight_decay : of AdamW.
    patience : epochs without gain on the held-out rows after which training ends.
    """

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    patience: int


def learn(
    network: nn.Module,
    recipe: Recipe,
    inputs: Callable[[], Tensor],
    targets: Tensor,
    held: tuple[Tensor, Tensor],
    *,
    loss: Loss,
    told: Callable[[int, float], None],
) -> None:
    """Train a network in place; it keeps the weights that were best on the held-out rows.

    Randomness is torch's own: seed it, and the same network comes out.

    Parameters
    ----------
    inputs : gives the training spectra (n, bands) of an epoch, normalised and varied.
    targets : (n, ...) of these.
    held : inputs and targets of rows that choose the epoch; of none, the last epoch is kept.
    told : is called after every epoch with their number and the loss of the held-out rows.
    """
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=0.5, patience=recipe.patience // 2
    )
    best, kept, waited = torch.inf, network.state_dict(), 0
    for epoch in range(recipe.epochs):
        learnt = _epoch(network, optimiser, inputs(), targets, loss, recipe.batch)
        error = _measured(network, held, loss) if len(held[0]) else learnt
        schedule.step(error)
        told(epoch + 1, error)
        waited += 1
        if error < best or not len(held[0]):
            best, kept, waited = error, copy.deepcopy(network.state_dict()), 0
        if waited > recipe.patience:
            break
    network.load_state_dict(kept)
    network.eval()


def _epoch(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    inputs: Tensor,
    targets: Tensor,
    loss: Loss,
    batch: int,
) -> float:
    """Mean loss of one pass."""
    network.train()
    total = 0.0
    for rows in torch.randperm(len(inputs)).to(inputs.device).split(batch):  # type: ignore[no-untyped-call]
        error = loss(planes_of(network, inputs[rows]), targets[rows])
        optimiser.zero_grad()
        error.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total += error.item() * len(rows)
    return total / len(inputs)


@torch.inference_mode()
def _measured(network: nn.Module, held: tuple[Tensor, Tensor], loss: Loss) -> float:
    network.eval()
    return loss(planes_of(network, held[0]), held[1]).item()


def planes_of(network: nn.Module, inputs: Tensor) -> Tensor:
    """Planes (n, planes) of spectra (n, bands), by a network of images."""
    planes: Tensor = network(inputs[:, :, None, None])
    return planes[:, :, 0, 0]


def value_loss(planes: Tensor, targets: Tensor) -> Tensor:
    """Mean square error (n, targets), of the targets that are known, that is not NaN."""
    known = ~targets.isnan()
    # A batch of unknown targets alone has a gradient of 0, not none.
    return (planes[known] - targets[known]).square().sum() / known.sum().clamp(min=1)


def class_loss(planes: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of class numbers (n,)."""
    return functional.cross_entropy(planes, targets)
