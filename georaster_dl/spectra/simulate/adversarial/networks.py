"""Generator and critic of conditional vectors, without convolutions: scores of spectra have no neighbours."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["NOISE", "Critic", "Generator"]

NOISE = 64
"""Random numbers from which the generator makes a vector."""

_CONDITION = 16  # numbers that a condition is embedded as
_SLOPE = 0.2


class Generator(nn.Module):
    """Vectors from noise and a condition: 95,000 weights for 200 values.

    Parameters
    ----------
    values : that a vector has.
    conditions : numbers of a condition: a class as 0 and 1, standardised quantities, or fractions.
    """

    def __init__(self, values: int, conditions: int) -> None:
        super().__init__()
        self.condition = nn.Linear(conditions, _CONDITION, bias=False)
        self.layers = nn.Sequential(
            nn.Linear(NOISE + _CONDITION, 128),
            nn.LayerNorm(128),
            nn.LeakyReLU(_SLOPE),
            nn.Linear(128, 256),
            nn.LayerNorm(256),
            nn.LeakyReLU(_SLOPE),
            nn.Linear(256, values),
        )

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Make vectors (n, values) from noise (n, 64) and conditions (n, conditions)."""
        made: Tensor = self.layers(torch.cat([noise, self.condition(conditions)], dim=1))
        return made


class Critic(nn.Module):
    """A number for a vector and its condition: 88,000 weights for 200 values.

    No layer looks at other vectors of a batch, as the gradient's norm is of each alone (Gulrajani et al. 2017).

    Parameters
    ----------
    values, conditions : as of ``Generator``.
    """

    def __init__(self, values: int, conditions: int) -> None:
        super().__init__()
        self.condition = nn.Linear(conditions, _CONDITION, bias=False)
        self.layers = nn.Sequential(
            nn.Linear(values + _CONDITION, 256),
            nn.LeakyReLU(_SLOPE),
            nn.Linear(256, 128),
            nn.LeakyReLU(_SLOPE),
            nn.Linear(128, 1),
        )

    def forward(self, vectors: Tensor, conditions: Tensor) -> Tensor:
        """Judge vectors (n, values) of conditions (n, conditions); returns (n,)."""
        judged: Tensor = self.layers(torch.cat([vectors, self.condition(conditions)], dim=1))
        return judged[:, 0]
