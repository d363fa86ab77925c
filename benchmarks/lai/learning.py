"""Networks that learn the leaf area index from simulations alone, with intervals that simulations set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import georaster_dl as gdl
from georaster_dl.models.package.values import Interval
from georaster_dl.spectra.scoring.conformal import fit_interval

__all__ = ["FIELD", "SET_ASIDE", "Learnt", "learn", "simulate"]

FIELD = "lai_field"
SET_ASIDE = 4000
_EPOCHS, _BATCH, _RATE = 12, 128, 4e-3

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Learnt:
    """A trained ensemble.

    Attributes
    ----------
    network : fitted estimator.
    intervals : by what they hold for: ``lai``, as simulated, and ``lai_field``, as an instrument reads it.
    errors : root mean square error of simulations that were set aside, by the same names.
    """

    network: gdl.SpectraRegressor
    intervals: dict[str, Interval]
    errors: dict[str, float]

    def predict(self, spectra: _Floats) -> tuple[_Floats, dict[str, _Floats]]:
        """Predict (n,) values, and half the width of each kind of interval."""
        values, spread = (np.ravel(v) for v in self.network.predict(spectra, return_std=True))
        halves = {k: i.factor * np.hypot(spread, i.floor) for k, i in self.intervals.items()}
        return values, halves


def simulate(n: int, seed: int, traits: dict[str, tuple[float, float]] | None = None) -> Any:
    """Simulate pixels of Sentinel-2."""
    return gdl.simulate_spectra(
        method="prosail", for_="sentinel-2", n=n, seed=seed, traits=traits or {}
    )


def learn(made: Any, *, seed: int, members: int) -> Learnt:
    """Train on all simulations but 4,000, which set the intervals."""
    spectra, targets = made.spectra.astype(float), made.columns
    network = gdl.SpectraRegressor(
        architecture="cnn1d",
        epochs=_EPOCHS,
        batch=_BATCH,
        learning_rate=_RATE,
        members=members,
        wavelengths_nm=made.wavelengths_nm,
        random_state=seed,
        device="cpu",
    ).fit(spectra[:-SET_ASIDE], targets[FIELD][:-SET_ASIDE])
    aside = spectra[-SET_ASIDE:]
    values, spread = (np.ravel(v) for v in network.predict(aside, return_std=True))
    known = {name: targets[name][-SET_ASIDE:] for name in ("lai", FIELD)}
    return Learnt(
        network,
        {name: fit_interval(values, spread, truth) for name, truth in known.items()},
        {name: float(np.sqrt(np.mean((values - truth) ** 2))) for name, truth in known.items()},
    )
