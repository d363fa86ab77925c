"""All methods by name: those of chemometrics with settings that are searched, and the networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import nearest_names
from georaster_dl.models.registry import spectral_models
from georaster_dl.spectra.descent import Descent
from georaster_dl.spectra.methods.baselines import BASELINES, LATENT, Latent, Task
from georaster_dl.spectra.methods.fitted import FittedMethod
from georaster_dl.spectra.methods.selection import Selection
from georaster_dl.spectra.methods.tuning import choose_settings
from georaster_dl.spectra.network.networks import new_estimator

if TYPE_CHECKING:
    from georaster_dl.spectra.network.fit_members import TrainingLog

__all__ = [
    "AUTO",
    "Rows",
    "Settings",
    "fit_method",
    "fit_network",
    "fit_with",
    "known_method",
    "label",
    "methods",
    "network_methods",
]

AUTO = ("pls", "svm", "lwplsr", "rf", "pls-net")
"""Methods that a training chooses among when none is asked for, the simpler first."""

_OF_CLASSES = {"pls": "pls-da", "lwplsr": "lwpls-da"}


def methods() -> list[str]:
    """Names of all methods: those of chemometrics, then the networks."""
    return [*BASELINES, *network_methods()]


def network_methods() -> list[str]:
    """Names of the methods that are networks, with hyphens."""
    return [name.replace("_", "-") for name in spectral_models()]


def label(name: str, task: Task) -> str:
    """Name of a method as it is printed: of classes PLS is ``pls-da``."""
    return _OF_CLASSES.get(name, name) if task == "classification" else name


@dataclass(frozen=True)
class Settings:
    """Settings of all methods, and of the networks.

    Attributes
    ----------
    preprocessing : steps of ``Preprocessing``.
    components : latent variables of PLS and locally weighted PLS; chosen by cross-validation when None.
    members, epochs, device : of networks; the estimators' own epochs when None.
    seed : seed of all random numbers.
    select : how PLS selects bands: ``none``, ``ipls`` or ``cars``.
    init : package, or name of a bundled model, whose weights networks start from; random ones when None.
    """

    preprocessing: str = "none"
    components: int | None = None
    members: int = 1
    epochs: int | None = None
    device: str = "auto"
    seed: int = 0
    select: Selection = "none"
    init: str | None = None

    def latent_of(self, name: str) -> Latent:
        """Return the settings of latent variables that a method has: all but PLS take all bands."""
        return Latent(
            self.components if name in LATENT else None, self.select if name == "pls" else "none"
        )


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
        the other methods are cross-validated on all rows that are not simulated.
    descent : of the last rows, which were simulated and only learn, where none of their parents is held out; None without any.
    fractions : whether the targets are fractions of a whole, which sum to 1.
    """

    spectra: npt.NDArray[np.float64]
    target: npt.NDArray[Any]
    wavelengths_nm: npt.NDArray[np.float64]
    groups: npt.NDArray[np.object_] | None
    validation: npt.NDArray[np.bool_]
    descent: Descent | None = None
    fractions: bool = False

    @property
    def task(self) -> Task:
        """Whether classes or values, fractions too, are learnt."""
        return "classification" if self.target.dtype == object else "regression"

    @property
    def taught(self) -> int:
        """Number of the last rows, which were simulated."""
        return 0 if self.descent is None else len(self.descent)

    @property
    def left_out(self) -> npt.NDArray[np.bool_] | None:
        """(parts, n) simulated rows made of those that choose the epoch in a part; None without simulated rows."""
        if self.descent is None:
            return None
        own = self.validation[:, : len(self.target) - self.taught]
        kin = np.stack([~self.descent.free_of(part) for part in own])
        return np.pad(kin, ((0, 0), (own.shape[1], 0)))


def known_method(name: str) -> str:
    """Return the name of a method as it is listed; ``pls-da`` is ``pls``.

    Raises
    ------
    OptionError
        When there is none of that name.
    """
    listed = name.strip().replace("_", "-")
    listed = {of_classes: one for one, of_classes in _OF_CLASSES.items()}.get(listed, listed)
    if listed not in methods():
        raise OptionError(
            f"{name.strip()!r} is no method{nearest_names(listed, methods())}; known are {', '.join(methods())}."
        )
    return listed


def fit_method(name: str, rows: Rows, settings: Settings, log: TrainingLog | None = None) -> Any:
    """Fit a method of ``methods``, those of chemometrics with settings that cross-validation chooses.

    Returns
    -------
    ``FittedMethod``, or the estimator of a network.

    Raises
    ------
    OptionError
        When there is no such method, or it cannot learn from these rows.
    """
    name = known_method(name)
    if name not in BASELINES:
        return fit_network(name, rows, settings, log)
    columns = rows.target[:, None] if rows.target.ndim == 1 else rows.target
    chosen: list[Mapping[str, Any]] = []
    for column in columns.T:
        trials = choose_settings(
            name,
            rows.task,
            rows.spectra,
            column,
            preprocessing=settings.preprocessing,
            groups=rows.groups,
            seed=settings.seed,
            latent=settings.latent_of(name),
            descent=rows.descent,
        )
        chosen.append({} if trials is None else trials.settings[trials.chosen])
    return fit_with(name, rows, settings, chosen)


def fit_with(
    name: str, rows: Rows, settings: Settings, chosen: Sequence[Mapping[str, Any]]
) -> FittedMethod:
    """Fit a method of chemometrics with the settings that were chosen for each target; raises as ``fit_method``."""
    return FittedMethod.fit(
        name,
        rows.spectra,
        rows.target,
        rows.wavelengths_nm.tolist(),
        chosen,
        preprocessing=settings.preprocessing,
        groups=rows.groups,
        seed=settings.seed,
        descent=rows.descent,
        fractions=rows.fractions,
    )


def fit_network(name: str, rows: Rows, settings: Settings, log: TrainingLog | None = None) -> Any:
    """Fit a network of ``methods``; raises as ``fit_method``."""
    epochs: dict[str, Any] = {} if settings.epochs is None else {"epochs": settings.epochs}
    network: Any = new_estimator(
        name.replace("-", "_"),
        "fractions" if rows.fractions else rows.task,
        preprocessing=settings.preprocessing,
        members=settings.members,
        wavelengths_nm=tuple(rows.wavelengths_nm.tolist()),
        init=settings.init,
        random_state=settings.seed,
        device=settings.device,
        **epochs,
    )
    return network.fit(
        rows.spectra,
        rows.target,
        groups=rows.groups,
        held_out=rows.validation,
        left_out=rows.left_out,
        log=log,
    )
