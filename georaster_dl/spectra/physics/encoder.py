"""Training of an encoder through its decoder, without labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from georaster_dl.models.radiative_transfer.inversion import TYPICAL_MISFIT, invert
from georaster_dl.spectra.network.fit_members import TrainingLog

__all__ = ["train_encoder"]

_SIMULATED = 3000
_BATCH = 256
_OF_MEASURED = 0.02  # weight of the measured spectra's loss, a sum over bands
_RATE = 1e-3
_WIDER = 1.5  # simulations reach beyond the traits of the measured spectra
_LOGGED = 50


def train_encoder(
    network: Any,
    spectra: Tensor,
    *,
    epochs: int,
    seed: int = 0,
    log: TrainingLog | None = None,
) -> None:
    """Train the encoder of a ``PhysicsEncoder`` in place, without labels.

    Two losses are summed. Of simulations: the negative log-likelihood of their traits; they are drawn around the
    inverted spectra and from the prior, and carry what the law leaves of measured spectra as noise. Of measured
    spectra, in the last third of the training: that of the spectrum, decoded from traits that the encoder draws, and
    the divergence from the prior (Zerah et al. 2024, PROSAIL-VAE).

    Parameters
    ----------
    spectra : (n, bands) measured, normalised; in double precision.
    epochs : of 10 steps each.
    log : called after every 50 steps.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in network.encoder:
            if hasattr(layer, "reset_parameters"):
                layer.reset_parameters()
        _Training(network.double(), spectra)(10 * epochs, log)
    network.float().eval()


class _Training:
    def __init__(self, network: Any, spectra: Tensor) -> None:
        self._network = network
        self._scale = network.std[network.places], network.mean[network.places]
        self._measured = spectra[:, network.places]
        std, mean = self._scale
        self._z, self._left = invert(network.decoder, self._measured * std + mean)
        self._true = self._simulated()
        with torch.no_grad():
            self._simulations = network.decoder(network.space.values(self._true))

    def __call__(self, steps: int, log: Callable[[int, int, float], None] | None) -> None:
        optimiser = torch.optim.Adam(self._network.encoder.parameters(), _RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for step in range(steps):
            loss = self._of_simulations()
            if step >= 2 * steps // 3:
                loss = loss + _OF_MEASURED * self._of_measured()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self._network.encoder.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            if log is not None and (step + 1) % _LOGGED == 0:
                log(step + 1, steps, loss.item())

    def _simulated(self) -> Tensor:
        """Traits (n, traits) in the logistic space, two thirds of them around the measured spectra."""
        space, (count, traits) = self._network.space, self._z.shape
        prior: Tensor = space.mean + space.sd * torch.randn(_SIMULATED, traits, dtype=torch.float64)
        if count < 2 * traits:
            return prior
        cover = _WIDER * torch.cov(self._z.T) + torch.diag((space.sd / 2) ** 2)
        near = torch.randn(2 * _SIMULATED, traits, dtype=torch.float64)
        return torch.cat([self._z.mean(0) + near @ torch.linalg.cholesky(cover).T, prior])

    def _of_simulations(self) -> Tensor:
        std, mean = self._scale
        rows = torch.randint(len(self._true), (_BATCH,))
        left = self._left[torch.randint(len(self._left), (_BATCH,))]
        noise = left * torch.randn(_BATCH, 1) + TYPICAL_MISFIT / 4 * torch.randn(left.shape)
        z, log_sd = self._network.encode((self._simulations[rows] + noise - mean) / std)
        loss: Tensor = (log_sd + ((self._true[rows] - z) / log_sd.exp()).square() / 2).mean()
        return loss

    def _of_measured(self) -> Tensor:
        std, mean = self._scale
        space = self._network.space
        rows = torch.randint(len(self._measured), (_BATCH // 8,))
        z, log_sd = self._network.encode(self._measured[rows])
        drawn = z + log_sd.exp() * torch.randn_like(z)
        decoded = self._network.decoder(space.values(drawn))
        misfit = (decoded - self._measured[rows] * std - mean) / TYPICAL_MISFIT
        away = ((z - space.mean).square() + log_sd.exp().square()) / space.sd**2
        loss: Tensor = misfit.square().sum(-1) / 2 + (away / 2 - log_sd).sum(-1)
        return loss.mean()
