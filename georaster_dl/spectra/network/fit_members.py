"""Training and prediction of an estimator's networks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils import check_random_state
from torch import Tensor, nn

from georaster_dl.models.registry import create_model
from georaster_dl.models.runtime.device import Device
from georaster_dl.spectra.network.augment import SpectralAugmentation
from georaster_dl.spectra.network.beside_pls import (
    Spectra,
    best_share,
    blended_loss,
    branch_planes,
    loss_of_both,
)
from georaster_dl.spectra.network.linear_start import LinearStart
from georaster_dl.spectra.network.loop import (
    Recipe,
    class_loss,
    fraction_loss,
    learn,
    planes_of,
    value_loss,
)
from georaster_dl.spectra.network.start import start_from

__all__ = ["TrainingLog", "planes_of_members", "train_members"]

TrainingLog = Callable[[int, int, float], None]
"""Called after every epoch: epochs done, epochs at most, loss of the held-out spectra."""

_Floats = npt.NDArray[np.float64]


class _Estimator(Protocol):
    """Settings of an estimator of networks, its parts of held-out rows, and those of each member."""

    architecture: str
    wavelengths_nm: Sequence[float] | None
    members: int
    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    augment: bool | Mapping[str, float]
    device: str
    head: str
    init: str | None
    random_state: Any
    parts_: Any
    learnt_: Any
    held_out_: Any
    std_: Any

    def normalised(self, spectra: _Floats) -> _Floats: ...


def train_members(
    estimator: _Estimator,
    spectra: _Floats,
    targets: npt.NDArray[Any],
    planes: int,
    log: TrainingLog | None,
) -> list[nn.Module]:
    """Train the networks of an estimator in turn, on its device.

    Parameters
    ----------
    spectra : (n, bands) as they were measured.
    targets : (n,) class numbers, or (n, targets) standardised values, NaN where one is not known.
    planes : that the networks give.

    Returns
    -------
    The members, on the CPU.
    """
    seeds = check_random_state(estimator.random_state).randint(2**31 - 1, size=estimator.members)
    learn_one = _Learning(estimator, spectra, targets, planes)
    members: list[nn.Module] = []
    for number, (seed, rest) in enumerate(zip(seeds, estimator.held_out_, strict=True)):
        learnt = estimator.learnt_[number % len(estimator.learnt_)]
        epochs = number * estimator.epochs, len(seeds) * estimator.epochs
        members.append(learn_one(int(seed), learnt, rest, partial(_log_epoch, log, *epochs)))
    return members


class _Learning:
    """Training of one member after another; called with the seed of a member, its rows (n,) and its held-out rows."""

    def __init__(
        self, estimator: _Estimator, spectra: _Floats, targets: npt.NDArray[Any], planes: int
    ) -> None:
        self._estimator = estimator
        self._spectra = spectra
        self._numbers = targets
        self._planes = planes
        self._where = Device.choose(estimator.device, "fp32").torch_device
        kind = torch.int64 if targets.ndim == 1 else torch.float32
        self._targets = torch.from_numpy(targets).to(self._where, kind)
        self._loss = class_loss if targets.ndim == 1 else value_loss
        self._head = estimator.head
        if self._head == "fractions":
            self._loss = fraction_loss
        self._recipe = Recipe(
            estimator.epochs, estimator.batch, estimator.learning_rate, estimator.weight_decay
        )

    def __call__(
        self,
        seed: int,
        learnt: npt.NDArray[np.bool_],
        rest: npt.NDArray[np.bool_],
        log: Callable[[int, float], None],
    ) -> nn.Module:
        # A fit leaves the user's own random numbers as they were.
        with torch.random.fork_rng(devices=[self._where] if self._where.type == "cuda" else []):
            torch.manual_seed(seed)
            network = create_model(
                self._estimator.architecture,
                in_bands=self._spectra.shape[1],
                n_classes=self._planes,
                wavelengths_nm=self._estimator.wavelengths_nm,
                head=self._head,
            )
            if self._estimator.init is not None:
                start_from(network, self._estimator.init)
            network.to(self._where)
            inputs = _inputs(self._estimator, self._spectra[learnt], self._where, seed)
            held = _seen(self._estimator, self._spectra[rest], self._where)
            # A linear model of fractions is none of what a softmax makes fractions of.
            if hasattr(network, "start_from") and self._head == "plain":
                self._learn_beside_pls(network, inputs, held, learnt, rest, log)
            else:
                learn(
                    network,
                    self._recipe,
                    inputs,
                    self._targets[learnt],
                    (held, self._targets[rest]),
                    planes=planes_of,
                    loss=self._loss,
                    log=log,
                )
        return network.cpu()

    def _learn_beside_pls(
        self,
        network: Any,
        inputs: Callable[[], Tensor],
        held: Tensor,
        learnt: npt.NDArray[np.bool_],
        rest: npt.NDArray[np.bool_],
        log: Callable[[int, float], None],
    ) -> None:
        start = (torch.from_numpy(part).float() for part in self._pls.fit(learnt))
        network.start_from(*start)
        plain = _seen(self._estimator, self._spectra[learnt], self._where)
        with torch.no_grad():
            linear, of_held = network.linear(plain), network.linear(held)
        shown = Spectra(held, of_held), self._targets[rest]
        learn(
            network,
            self._recipe,
            lambda: Spectra(inputs(), linear),
            self._targets[learnt],
            shown,
            planes=branch_planes,
            loss=loss_of_both(self._loss),
            log=log,
            judge=blended_loss(self._loss),
        )
        with torch.inference_mode():
            planes = branch_planes(network, shown[0])
        network.blend(best_share(self._loss, planes, shown[1]))

    @cached_property
    def _pls(self) -> LinearStart:
        return LinearStart.choose(
            self._estimator.normalised(self._spectra),
            self._estimator.std_,
            self._numbers,
            self._planes,
            self._estimator.parts_,
            self._estimator.learnt_,
        )


def _log_epoch(log: TrainingLog | None, before: int, most: int, epoch: int, loss: float) -> None:
    if log is not None:
        log(before + epoch, most, loss)


def _inputs(
    estimator: _Estimator, spectra: _Floats, where: torch.device, seed: int
) -> Callable[[], Tensor]:
    """Return a function that gives an epoch's training spectra: augmented as measured, then preprocessed."""
    augmentation = SpectralAugmentation.of(estimator.augment)
    if augmentation is None:
        inputs = _seen(estimator, spectra, where)
        return lambda: inputs
    measured, spread = torch.from_numpy(spectra).float(), float(spectra.std())
    generator = torch.Generator().manual_seed(seed)

    def epoch() -> Tensor:
        # Changed in single precision, in half the time; derivatives need double.
        changed = augmentation.apply(measured, spread, generator).double()
        return _seen(estimator, changed.numpy(), where)

    return epoch


def _seen(estimator: _Estimator, spectra: _Floats, where: torch.device) -> Tensor:
    if not len(spectra):
        return torch.empty(0, spectra.shape[1], device=where)
    return torch.from_numpy(estimator.normalised(spectra)).to(where, torch.float32)


@torch.inference_mode()
def planes_of_members(networks: Sequence[nn.Module], inputs: _Floats, device: str) -> _Floats:
    """Run the networks on normalised spectra (n, bands); returns (members, n, planes).

    In double precision, so that a spectrum's prediction does not depend on the others.
    """
    where = Device.choose(device, "fp32").torch_device
    spectra = torch.from_numpy(inputs).to(where)
    outputs = [planes_of(copy.deepcopy(n).to(where).double(), spectra).cpu() for n in networks]
    return np.asarray(torch.stack(outputs).numpy())
