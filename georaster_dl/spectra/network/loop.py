"""Training loop of networks of tables, of spectra or of time series: short, because tables are small."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, Self, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "Loss",
    "Recipe",
    "Samples",
    "class_loss",
    "fraction_loss",
    "learn",
    "planes_of",
    "rate",
    "value_loss",
]

Loss = Callable[[Tensor, Tensor], Tensor]
"""Mean loss of planes (n, planes) and their targets."""


class Samples(Protocol):
    """Inputs of n samples, from which rows can be taken as from a tensor (n, ...)."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Tensor, /) -> Self: ...


S = TypeVar("S", bound=Samples)

_DECAY = 0.98  # of the running mean of the weights, a step
_LEAST_FRACTION = 1e-7  # whose logarithm is finite
_RISING = 5  # epochs until the highest learning rate


@dataclass(frozen=True)
class Recipe:
    """Length and speed of a training.

    Attributes
    ----------
    epochs : that are gone through.
    batch : samples of a step.
    learning_rate : the highest; it rises for a few epochs and then falls to 0 as a cosine does.
    weight_decay : of AdamW.
    """

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float


def learn(  # noqa: PLR0913 - a training has so many parts
    network: nn.Module,
    recipe: Recipe,
    inputs: Callable[[], S],
    targets: Tensor,
    held: tuple[S, Tensor],
    *,
    planes: Callable[[nn.Module, S], Tensor],
    loss: Loss,
    log: Callable[[int, float], None],
    judge: Loss | None = None,
) -> None:
    """Train a network in place; it gets the running mean of its weights of the best epoch.

    From one step to the next the weights of a network that sees few samples jump about, and the
    best of many epochs on a few held-out rows is best by luck. Their running mean is steadier and
    better (Izmailov et al. 2018). Randomness is torch's own: seed it, and the same network comes out.

    Parameters
    ----------
    inputs : gives the n training samples of an epoch, normalised and augmented.
    targets : (n, ...) of these.
    held : inputs and targets of rows that choose the epoch; of none, the last epoch is kept.
    planes : runs the network on a batch of inputs, to planes (n, planes).
    log : called after every epoch with their number and the loss of the held-out rows.
    judge : loss of the held-out rows; that of training when None.
    """
    optimiser = torch.optim.AdamW(
        network.parameters(),
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        fused=True,  # of so small networks the steps take a third of the time
    )
    steps = -(-len(targets) // recipe.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, partial(rate, rising=_RISING * steps, total=recipe.epochs * steps)
    )
    averaged = _RunningMean(network)

    def step(batch: S, wanted: Tensor) -> float:
        network.train()
        error = loss(planes(network, batch), wanted)
        error.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        averaged.update()
        optimiser.zero_grad()
        return error.item()

    @torch.inference_mode()
    def measured(mean: nn.Module) -> float:
        mean.eval()
        return (judge or loss)(planes(mean, held[0]), held[1]).item()

    best, best_weights = torch.inf, network.state_dict()
    for epoch in range(recipe.epochs):
        learnt = _epoch(inputs(), targets, recipe.batch, step)
        error = measured(averaged.module) if len(held[0]) else learnt
        log(epoch + 1, error)
        if error < best or not len(held[0]):
            best, best_weights = error, copy.deepcopy(averaged.module.state_dict())
    network.load_state_dict(best_weights)
    network.eval()


def rate(step: int, *, rising: int, total: int) -> float:
    """Share of the highest learning rate: it rises for some steps and then falls to 0 as a cosine does."""
    return min((step + 1) / rising, 1) * (1 + math.cos(math.pi * min(step / total, 1))) / 2


class _RunningMean:
    """Copy of a network with the mean of its weights over some 50 steps, at first over all steps so far.

    As ``torch.optim.swa_utils.AveragedModel``, which looks for all modules again at every step.
    """

    def __init__(self, network: nn.Module) -> None:
        self.module = copy.deepcopy(network)
        self._weights = list(zip(self.module.parameters(), network.parameters(), strict=True))
        self._buffers = list(zip(self.module.buffers(), network.buffers(), strict=True))
        self._steps = 0

    @torch.no_grad()
    def update(self) -> None:
        rate = max(1 - _DECAY, 9 / (10 + self._steps)) if self._steps else 1.0
        for mean, weight in self._weights:
            mean.lerp_(weight, rate)
        for kept, now in self._buffers:
            kept.copy_(now)
        self._steps += 1


def _epoch(inputs: S, targets: Tensor, batch: int, step: Callable[[S, Tensor], float]) -> float:
    """Mean loss of one pass."""
    total = 0.0
    for rows in torch.randperm(len(inputs)).to(targets.device).split(batch):  # type: ignore[no-untyped-call]
        total += step(inputs[rows], targets[rows]) * len(rows)
    return total / len(inputs)


def planes_of(network: nn.Module, inputs: Tensor) -> Tensor:
    """Planes (n, planes) of spectra (n, bands), by a network of images."""
    planes: Tensor = network(inputs[:, :, None, None])
    return planes[:, :, 0, 0]


def value_loss(planes: Tensor, targets: Tensor) -> Tensor:
    """Mean square error (n, targets), of the targets that are known, that is not NaN."""
    known = ~targets.isnan()
    # A batch of unknown targets alone has a gradient of 0, not none.
    return (planes[known] - targets[known]).square().sum() / known.sum().clamp(min=1)


def fraction_loss(planes: Tensor, targets: Tensor) -> Tensor:
    """Soft cross-entropy of fractions (n, planes) of sum 1, which the planes are themselves."""
    return -(targets * planes.clamp(min=_LEAST_FRACTION).log()).sum(1).mean()


def class_loss(planes: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of class numbers (n,)."""
    return functional.cross_entropy(planes, targets)
