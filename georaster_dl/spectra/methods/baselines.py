"""The methods that a network has to beat, and the settings that are worth trying."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import nearest_names
from georaster_dl.spectra.methods.selection import Selection

__all__ = [
    "BASELINES",
    "LATENT",
    "MOST_COMPONENTS",
    "UNSEARCHED",
    "Latent",
    "Settings",
    "Task",
    "baseline",
    "settings_grid",
]

Task = Literal["regression", "classification"]
Settings = dict[str, Any]

MOST_COMPONENTS = {"pls": 25, "lwplsr": 20}
"""Largest numbers of latent variables that are tried, by method."""

_NEIGHBORS = (50, 100, 200, 500)
_DECAYS = (1.0, 2.0, 4.0, np.inf)
_COSTS = (1.0, 10.0, 100.0, 1000.0)
_WIDTHS = (0.1, 1.0, 10.0)  # of the kernel: gamma times the number of bands
_TUBE = 0.05  # of the SVM for values, in standard deviations of the target
_TREES = 300


def baseline(
    name: str, task: Task, settings: Mapping[str, Any] | None = None, seed: int = 0
) -> Any:
    """Make an estimator of scikit-learn's form, not yet fitted.

    ``pls`` and ``lwplsr`` classify by predicting indicators of the classes (PLS-DA, LWPLS-DA);
    ``svm`` has an RBF kernel and standardises bands and target; ``rf`` is a forest of 300 trees.

    Parameters
    ----------
    settings : as in ``settings_grid``; those of the estimator when left out.
    seed : of the forest.

    Raises
    ------
    OptionError
        When there is no baseline of that name.
    """
    _check_name(name)
    return BASELINES[name](task, dict(settings or {}), seed)


def _pls(task: Task, settings: Settings, _: int) -> Any:
    from georaster_dl.spectra.methods.estimators import PLSRegressor

    return _for_task(PLSRegressor(**settings), task)


def _lwplsr(task: Task, settings: Settings, _: int) -> Any:
    from georaster_dl.spectra.methods.lwplsr import LWPLSRegressor

    return _for_task(LWPLSRegressor(**settings), task)


def _for_task(regressor: Any, task: Task) -> Any:
    from georaster_dl.spectra.methods.estimators import OneHotClassifier

    return regressor if task == "regression" else OneHotClassifier(regressor)


def _svm(task: Task, settings: Settings, _: int) -> Any:
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC, SVR

    if task == "classification":
        return make_pipeline(StandardScaler(), SVC(break_ties=True, **settings))
    machine = TransformedTargetRegressor(
        SVR(epsilon=_TUBE, **settings), transformer=StandardScaler()
    )
    return make_pipeline(StandardScaler(), machine)


def _rf(task: Task, settings: Settings, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    if task == "classification":
        return RandomForestClassifier(_TREES, random_state=seed, n_jobs=-1, **settings)
    # Neighbouring bands say nearly the same, so a few of them at each split do, in a tenth of the time.
    return RandomForestRegressor(
        _TREES, max_features="sqrt", random_state=seed, n_jobs=-1, **settings
    )


BASELINES: Mapping[str, Callable[[Task, Settings, int], Any]] = {
    "pls": _pls,
    "lwplsr": _lwplsr,
    "svm": _svm,
    "rf": _rf,
}

UNSEARCHED = frozenset({"rf"})
"""Those that are taken as they are: their grid is of one entry."""

LATENT = frozenset(MOST_COMPONENTS)
"""Those of latent variables."""


@dataclass(frozen=True)
class Latent:
    """Settings of methods of latent variables that are not searched.

    Attributes
    ----------
    components : number of latent variables; chosen by cross-validation when None.
    select : how PLS selects bands, anew in each fold: ``none``, ``ipls`` or ``cars``.
    """

    components: int | None = None
    select: Selection = "none"


def settings_grid(name: str, n: int, bands: int, latent: Latent = Latent()) -> list[Settings]:
    """Settings that ``tune`` tries, for ``n`` training spectra, the stiffer first.

    All numbers of components come from one fit, so they are no part of it: each entry of ``pls`` has
    the most, 25, and each of ``lwplsr``, 20. ``lwplsr`` tries 50, 100, 200 and 500 neighbours and h of
    1, 2, 4 and infinity, among 15 global components; ``svm`` C of 1 to 1000 and gamma of 0.1, 1 and 10
    by the number of bands; ``rf`` nothing.

    Parameters
    ----------
    latent : of a method of latent variables; of a number that will be taken more than the most are tried.

    Raises
    ------
    OptionError
        When the method has none, or the spectra have not as many.
    """
    _check_name(name)
    components, select = latent.components, latent.select
    if components is not None:
        _check_components(name, components, min(n - 1, bands))
    most = max(1, min(max(MOST_COMPONENTS.get(name, 1), components or 0), n - 1, bands))
    if name == "pls":
        return [{"n_components": most, **({} if select == "none" else {"select": select})}]
    if name == "lwplsr":
        neighbors = sorted({min(k, n) for k in _NEIGHBORS}, reverse=True)
        return [
            {"n_components": most, "n_neighbors": k, "h": h}
            for k, h in itertools.product(neighbors, reversed(_DECAYS))
        ]
    if name == "svm":
        return [{"C": c, "gamma": w / bands} for c, w in itertools.product(_COSTS, _WIDTHS)]
    return [{}]


def _check_components(name: str, components: int, most: int) -> None:
    if name not in MOST_COMPONENTS:
        raise OptionError(
            f"`components={components}` is a number of latent variables, but {name} has none; leave it out, or take "
            f"{' or '.join(MOST_COMPONENTS)}."
        )
    if not 1 <= components <= most:
        raise OptionError(
            f"`components={components}` is asked for, but these spectra have 1 to {most} latent variables in each fold."
        )


def _check_name(name: str) -> None:
    if name not in BASELINES:
        raise OptionError(
            f"{name!r} is no baseline{nearest_names(name, BASELINES)}; known are "
            f"{', '.join(BASELINES)}."
        )
