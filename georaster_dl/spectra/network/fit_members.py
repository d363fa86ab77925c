"""The networks of an estimator: built, trained, and asked."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils import check_random_state
from torch import Tensor, nn

from georaster_dl.models.registry import create_model
from georaster_dl.models.runtime.device import Device
from georaster_dl.spectra.network.augment import Variation
from georaster_dl.spectra.network.loop import Recipe, class_loss, learn, planes_of, value_loss

if TYPE_CHECKING:
    from georaster_dl.spectra.network.networks import SpectraNetwork

__all__ = ["Told", "planes_of_members", "train_members"]

Told = Callable[[int, int, float], None]
"""Is called after every epoch: epochs done, epochs at most, loss of the held-out spectra."""

_Floats = npt.NDArray[np.float64]


def train_members(
    estimator: SpectraNetwork,
    spectra: _Floats,
    targets: npt.NDArray[Any],
    planes: int,
    told: Told | None,
) -> list[nn.Module]:
    """Train an estimator's networks, on its device, one after the other.

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
                loss=class_loss if targets.ndim == 1 else value_loss,
                told=partial(_tell, told, number * recipe.epochs, len(seeds) * recipe.epochs),
            )
        members.append(network.cpu())
    return members


def _tell(told: Told | None, before: int, most: int, epoch: int, loss: float) -> None:
    if told is not None:
        told(before + epoch, most, loss)


def _inputs(
    estimator: SpectraNetwork, spectra: _Floats, where: torch.device, seed: int
) -> Callable[[], Tensor]:
    """What gives the training spectra of an epoch: varied as measured, then treated."""
    variation = Variation.of(estimator.augment)
    if variation is None:
        inputs = _seen(estimator, spectra, where)
        return lambda: inputs
    measured, spread = torch.from_numpy(spectra), float(spectra.std())
    generator = torch.Generator().manual_seed(seed)
    return lambda: _seen(estimator, variation.apply(measured, spread, generator).numpy(), where)


def _seen(estimator: SpectraNetwork, spectra: _Floats, where: torch.device) -> Tensor:
    if not len(spectra):
        return torch.empty(0, spectra.shape[1], device=where)
    return torch.from_numpy(estimator.normalised(spectra)).to(where, torch.float32)


@torch.inference_mode()
def planes_of_members(networks: Sequence[nn.Module], inputs: _Floats, device: str) -> _Floats:
    """(members, n, planes) of normalised spectra (n, bands).

    In double precision, so that a spectrum's prediction does not depend on its company.
    """
    where = Device.choose(device, "fp32").torch_device
    given = torch.from_numpy(inputs).to(where)
    found = [planes_of(copy.deepcopy(net).to(where).double(), given).cpu() for net in networks]
    return np.asarray(torch.stack(found).numpy())
