"""All methods by name: those of chemometrics with settings that are searched, and the networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import nearest_names
from georaster_dl.models.registry import spectral_models
from georaster_dl.spectra.methods.baselines import BASELINES, Task
from georaster_dl.spectra.methods.tuning import tune
from georaster_dl.spectra.network.networks import new_estimator

if TYPE_CHECKING:
    from georaster_dl.spectra.network.fit_members import TrainingLog

__all__ = [
    "Rows",
    "Settings",
    "fit_method",
    "fit_network",
    "known_method",
    "methods",
    "network_methods",
]


def methods() -> list[str]:
    """Names of all methods: those of chemometrics, then the networks."""
    return [*BASELINES, *network_methods()]


def network_methods() -> list[str]:
    """Names of the methods that are networks, with hyphens."""
    return [name.replace("_", "-") for name in spectral_models()]


@dataclass(frozen=True)
class Settings:
    """Settings of all methods, and of the networks.

    Attributes
    ----------
    preprocessing : steps of ``Preprocessing``.
    members, epochs, device : of networks; the estimators' own epochs when None.
    seed : seed of all random numbers.
    """

    preprocessing: str = "none"
    members: int = 1
    epochs: int | None = None
    device: str = "auto"
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Rows:
    """Training rows: spectra, their targets, and the rows that choose the epoch.

    Attributes
    ----------
    spectra : (n, bands).
    target : (n,) or (n, targets) values, NaN where not known; or (n,) class names.
    wavelengths_nm : (bands,).
    groups : (n,) sample of each spectrum, None where each is its own.
    validation : (parts, n) rows that choose the epoch, another part for each network; the settings of
        the other methods are cross-validated on all rows.
    """

    spectra: npt.NDArray[np.float64]
    target: npt.NDArray[Any]
    wavelengths_nm: npt.NDArray[np.float64]
    groups: npt.NDArray[np.object_] | None
    validation: npt.NDArray[np.bool_]

    @property
    def task(self) -> Task:
        """Whether classes or values are learnt."""
        return "classification" if self.target.dtype == object else "regression"


def known_method(name: str) -> str:
    """Return the name of a method as it is listed.

    Raises
    ------
    OptionError
        When there is none of that name.
    """
    listed = name.strip().replace("_", "-")
    if listed not in methods():
        raise OptionError(
            f"{name.strip()!r} is no method{nearest_names(listed, methods())}; known are {', '.join(methods())}."
        )
    return listed


def fit_method(name: str, rows: Rows, settings: Settings, log: TrainingLog | None = None) -> Any:
    """Fit a method of ``methods``; the methods of chemometrics learn one target.

    Raises
    ------
    OptionError
        When there is no such method, or it cannot learn from these rows.
    """
    name = known_method(name)
    if name not in BASELINES:
        return fit_network(name, rows, settings, log)
    return tune(
        name,
        rows.task,
        rows.spectra,
        rows.target,
        preprocessing=settings.preprocessing,
        groups=rows.groups,
        seed=settings.seed,
    ).pipeline


def fit_network(name: str, rows: Rows, settings: Settings, log: TrainingLog | None = None) -> Any:
    """Fit a network of ``methods``; raises as ``fit_method``."""
    epochs: dict[str, Any] = {} if settings.epochs is None else {"epochs": settings.epochs}
    network: Any = new_estimator(
        name.replace("-", "_"),
        rows.task,
        preprocessing=settings.preprocessing,
        members=settings.members,
        wavelengths_nm=tuple(rows.wavelengths_nm.tolist()),
        random_state=settings.seed,
        device=settings.device,
        **epochs,
    )
    return network.fit(rows.spectra, rows.target, held_out=rows.validation, log=log)
