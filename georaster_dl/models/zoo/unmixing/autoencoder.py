"""Autoencoder whose decoder is the mixing law: its weights are the members."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["UnmixingAutoencoder"]

_HIDDEN = (64, 32)
_SLOPE = 0.02


class UnmixingAutoencoder(nn.Module):
    """Encoder from bands to fractions, and a decoder that mixes members, without bias and never negative.

    Parameters
    ----------
    in_bands, planes : bands in, members out.
    bilinear : whether pairs of members also reflect light together (Fan et al. 2009): the decoder adds
        g a_i a_j m_i m_j / unit of each pair, with g from 0 to 1 given by the encoder.

    Attributes
    ----------
    encoder : to logits of the fractions, and of g of each pair.
    free_members : (planes, bands) whose softplus, times ``unit``, are the members.
    unit : that softplus gives; the largest value of the members to start from.
    stride : total down-sampling, 1.
    """

    unit: Tensor

    def __init__(self, in_bands: int, planes: int, *, bilinear: bool = False) -> None:
        super().__init__()
        self.stride = 1
        self._planes = planes
        self._pairs = list(combinations(range(planes), 2)) if bilinear else []
        first, second = _HIDDEN
        self.encoder = nn.Sequential(
            nn.Conv2d(in_bands, first, 1),
            nn.LeakyReLU(_SLOPE),
            nn.Conv2d(first, second, 1),
            nn.LeakyReLU(_SLOPE),
            nn.Conv2d(second, planes + len(self._pairs), 1),
        )
        self.free_members = nn.Parameter(torch.zeros(planes, in_bands))
        self.register_buffer("unit", torch.ones(()))

    @property
    def members(self) -> Tensor:
        """Members (planes, bands) in the unit of the scene."""
        return functional.softplus(self.free_members) * self.unit

    def start_from(self, members: Tensor) -> None:
        """Set the members, in place; (planes, bands)."""
        unit = members.amax()
        above = (members / unit).clamp_min(1e-6)
        with torch.no_grad():
            self.unit.copy_(unit)
            self.free_members.copy_(above + torch.log(-torch.expm1(-above)))

    def forward(self, image: Tensor) -> Tensor:
        """Fractions (N, planes, rows, cols) of a normalised image (N, bands, rows, cols)."""
        return self._fractions(self.encoder(image))

    def mixtures(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Fractions (N, planes, rows, cols) and the image (N, bands, rows, cols) that they mix, in the scene's unit."""
        encoded = self.encoder(image)
        fractions, members = self._fractions(encoded), self.members
        if self._pairs:
            one, other = map(list, zip(*self._pairs, strict=True))
            shares = encoded[:, self._planes :].float().sigmoid()
            both = shares * fractions[:, one] * fractions[:, other]
            members = torch.cat([members, members[one] * members[other] / self.unit])
            return fractions, torch.einsum(
                "nkrc,kb->nbrc", torch.cat([fractions, both], 1), members
            )
        return fractions, torch.einsum("nkrc,kb->nbrc", fractions, members)

    def _fractions(self, encoded: Tensor) -> Tensor:
        return encoded[:, : self._planes].float().softmax(1)
