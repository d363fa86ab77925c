"""Training of a generator against its critic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from georaster_dl.spectra.simulate.adversarial.losses import LOSSES, AdversarialLoss
from georaster_dl.spectra.simulate.adversarial.networks import NOISE, Critic, Generator

__all__ = ["Recipe", "make_vectors", "train_generator"]

_KEPT = 0.999  # of the running mean of the generator's weights, a step
_LOGGED = 100  # generator's steps between two reports


@dataclass(frozen=True)
class Recipe:
    """Loss, length and speed of a training.

    Attributes
    ----------
    loss : of ``losses.LOSSES``.
    steps : of the generator.
    batch : vectors of a step.
    learning_rate : of Adam, for both networks.
    """

    loss: AdversarialLoss = LOSSES["wasserstein"]
    steps: int = 3000
    batch: int = 64
    learning_rate: float = 1e-4


def train_generator(
    vectors: Tensor,
    conditions: Tensor,
    recipe: Recipe,
    seed: int,
    log: Callable[[int, float], None] = lambda step, distance: None,
) -> nn.Module:
    """Train a generator; returns it with the running mean of its weights.

    Parameters
    ----------
    vectors : (n, values) standardised.
    conditions : (n, conditions) of these.
    log : called every 100 steps with their number and the critic's loss without its penalty: with
        the Wasserstein loss less the distance that it sees between real and made vectors.
    """
    loss = recipe.loss
    # The caller's own random numbers stay as they were.
    with torch.random.fork_rng(devices=[]), _one_thread():
        torch.manual_seed(seed)
        sizes = vectors.shape[1], conditions.shape[1]
        pair = _Pair(Generator(*sizes), Critic(*sizes), loss, recipe)
        mean = get_ema_multi_avg_fn(_KEPT)  # type: ignore[no-untyped-call]
        kept = AveragedModel(pair.generator, multi_avg_fn=mean)
        for step in range(1, recipe.steps + 1):
            for _ in range(loss.critic_steps):
                rows = torch.randint(len(vectors), (recipe.batch,))
                seen = pair.teach_critic(vectors[rows], conditions[rows])
            pair.teach_generator(conditions[torch.randint(len(vectors), (recipe.batch,))])
            kept.update_parameters(pair.generator)
            if step % _LOGGED == 0 or step == recipe.steps:
                log(step, seen)
    generator: nn.Module = kept.module
    return generator.eval()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute in one thread."""
    # Several wait for each other longer than such small products take.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class _Pair:
    """Generator and critic with their optimisers."""

    def __init__(
        self, generator: Generator, critic: Critic, loss: AdversarialLoss, recipe: Recipe
    ) -> None:
        self.generator, self.critic, self._loss = generator, critic, loss
        self._of_generator, self._of_critic = (
            torch.optim.Adam(
                network.parameters(), lr=recipe.learning_rate, betas=(0.0, 0.9), fused=True
            )
            for network in (generator, critic)
        )

    def teach_critic(self, real: Tensor, conditions: Tensor) -> float:
        with torch.no_grad():
            made = self.generator(torch.randn(len(real), NOISE), conditions)
        shares = torch.rand(len(real), 1)
        loss = self._loss.critic_loss(self.critic, real, made, conditions, shares)
        self._of_critic.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._of_critic.step()
        return loss.item()

    def teach_generator(self, conditions: Tensor) -> None:
        made = self.generator(torch.randn(len(conditions), NOISE), conditions)
        loss = self._loss.of_generator(self.critic(made, conditions))
        self._of_generator.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._of_generator.step()


@torch.inference_mode()
def make_vectors(generator: nn.Module, conditions: Tensor, seed: int) -> Tensor:
    """Make a vector (n, values) for each condition (n, conditions)."""
    noise = torch.randn(len(conditions), NOISE, generator=torch.Generator().manual_seed(seed))
    made: Tensor = generator(noise, conditions)
    return made
