"""Training and prediction of an estimator's networks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils import check_random_state
from torch import Tensor, nn

from georaster_dl.models.registry import create_model
from georaster_dl.models.runtime.device import Device
from georaster_dl.spectra.network.augment import SpectralAugmentation
from georaster_dl.spectra.network.loop import Recipe, class_loss, learn, planes_of, value_loss

__all__ = ["TrainingLog", "planes_of_members", "train_members"]

TrainingLog = Callable[[int, int, float], None]
"""Called after every epoch: epochs done, epochs at most, loss of the held-out spectra."""

_Floats = npt.NDArray[np.float64]


class _Estimator(Protocol):
    """Settings of an estimator of networks, and its rows held out by each member."""

    architecture: str
    wavelengths_nm: Sequence[float] | None
    members: int
    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    augment: bool | Mapping[str, float]
    device: str
    random_state: Any
    held_out_: Any

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
    where = Device.choose(estimator.device, "fp32").torch_device
    kind = torch.int64 if targets.ndim == 1 else torch.float32
    wanted = torch.from_numpy(targets).to(where, kind)
    recipe = Recipe(
        estimator.epochs,
        estimator.batch,
        estimator.learning_rate,
        estimator.weight_decay,
    )
    seeds = check_random_state(estimator.random_state).randint(2**31 - 1, size=estimator.members)
    members: list[nn.Module] = []
    for number, (seed, rest) in enumerate(zip(seeds, estimator.held_out_, strict=True)):
        # A fit leaves the user's own random numbers as they were.
        with torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
            torch.manual_seed(int(seed))
            network = create_model(
                estimator.architecture,
                in_bands=spectra.shape[1],
                n_classes=planes,
                wavelengths_nm=estimator.wavelengths_nm,
            ).to(where)
            learn(
                network,
                recipe,
                _inputs(estimator, spectra[~rest], where, int(seed)),
                wanted[~rest],
                (_seen(estimator, spectra[rest], where), wanted[rest]),
                planes=planes_of,
                loss=class_loss if targets.ndim == 1 else value_loss,
                log=partial(_log_epoch, log, number * recipe.epochs, len(seeds) * recipe.epochs),
            )
        members.append(network.cpu())
    return members


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
    measured, spread = torch.from_numpy(spectra), float(spectra.std())
    generator = torch.Generator().manual_seed(seed)
    return lambda: _seen(estimator, augmentation.apply(measured, spread, generator).numpy(), where)


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
