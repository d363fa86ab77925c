"""Losses of critic and generator: by the Wasserstein distance, or of the original alternation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

__all__ = ["LOSSES", "AdversarialLoss", "gradient_penalty"]

Judge = Callable[[Tensor, Tensor], Tensor]
"""Critic: vectors (n, values) and conditions (n, conditions) to a number each, (n,)."""


@dataclass(frozen=True)
class AdversarialLoss:
    """Losses of critic and generator, which take turns.

    Attributes
    ----------
    of_critic : of its numbers (n,) of real and of made vectors.
    of_generator : of the critic's numbers (n,) of made vectors.
    critic_steps : of the critic for one of the generator.
    penalty : weight of the critic's gradient penalty; 0 without one.
    """

    of_critic: Callable[[Tensor, Tensor], Tensor]
    of_generator: Callable[[Tensor], Tensor]
    critic_steps: int
    penalty: float

    def critic_loss(
        self, critic: Judge, real: Tensor, made: Tensor, conditions: Tensor, shares: Tensor
    ) -> Tensor:
        """Compute the critic's loss, penalty included.

        Parameters
        ----------
        real, made : (n, values), of the same conditions (n, conditions).
        shares : (n, 1) of the real vector, 0..1, in the one between both at which the penalty is taken.
        """
        # Both at once, in two thirds of the time.
        judged = critic(torch.cat([real, made]), torch.cat([conditions, conditions]))
        loss = self.of_critic(judged[: len(real)], judged[len(real) :])
        if not self.penalty:
            return loss
        between = shares * real + (1 - shares) * made
        penalty = gradient_penalty(critic, between, conditions)
        return loss + self.penalty * penalty


def gradient_penalty(critic: Judge, vectors: Tensor, conditions: Tensor) -> Tensor:
    """Compute the mean square of how far the norm of the critic's gradient is from 1 (Gulrajani et al. 2017)."""
    vectors = vectors.detach().requires_grad_()
    judged = critic(vectors, conditions)
    (gradient,) = torch.autograd.grad(judged.sum(), vectors, create_graph=True)
    off: Tensor = gradient.norm(dim=1) - 1
    return off.square().mean()


LOSSES: Mapping[str, AdversarialLoss] = {
    "wasserstein": AdversarialLoss(
        of_critic=lambda real, made: made.mean() - real.mean(),
        of_generator=lambda made: -made.mean(),
        critic_steps=5,
        penalty=10.0,
    ),
    # The critic's numbers are logits of being real; the generator's loss does not saturate.
    "original": AdversarialLoss(
        of_critic=lambda real, made: softplus(-real).mean() + softplus(made).mean(),
        of_generator=lambda made: softplus(-made).mean(),
        critic_steps=1,
        penalty=0.0,
    ),
}
"""By name: of Gulrajani et al. 2017, and of Goodfellow et al. 2014."""
