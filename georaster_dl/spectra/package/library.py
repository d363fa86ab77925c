"""The library of a locally weighted PLS, compressed to the principal components that predictions need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

__all__ = ["CompressedLibrary", "library_of"]

_Floats = npt.NDArray[np.float64]

_MOST_CHANGED = 1e-5  # standard deviations; of spectra that are no probe, below 1e-4
_PROBES = 200
_RANKS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)


@dataclass(frozen=True, eq=False)
class CompressedLibrary:
    """Arrays of ``models.zoo.chemometrics.lwplsr.Library``.

    Attributes
    ----------
    sizes : the network's options by name.
    changed : most that a probe's prediction changed by, in standard deviations of the target.
    """

    SIZES: ClassVar = ("components", "neighbors", "spectra", "coordinates", "places")

    sizes: Mapping[str, int]
    arrays: Mapping[str, _Floats] = field(repr=False)
    changed: float

    @property
    def megabytes(self) -> float:
        """Size in a package, MB."""
        return sum(4 * np.size(array) for array in self.arrays.values()) / 1e6


def library_of(
    regressor: Any, mean: _Floats, std: _Floats, target_mean: float, target_std: float
) -> CompressedLibrary:
    """Compress the library of a fitted ``LWPLSRegressor``.

    Spectra are kept as the fewest principal components with which no prediction of 200 probes,
    mixtures of two training spectra and what lies beyond them, changes by more than 1e-5 standard
    deviations; all are kept where fewer do not suffice.

    Parameters
    ----------
    mean, std : (bands,) that normalise preprocessed spectra.
    target_mean, target_std : that the network's outputs are standardised by.
    """
    principal = np.linalg.svd(regressor.coordinates_, full_matrices=False)[2].T
    probes = _probes(regressor)
    expected = regressor.predict(probes).reshape(len(probes), -1)
    scale = regressor.targets_.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    full = principal.shape[1]
    needed = min(regressor.n_components, full)
    for rank in (*(rank for rank in _RANKS if needed <= rank < full), full):
        arrays = _arrays(regressor, principal[:, :rank], mean, std, target_mean, target_std)
        sizes = {
            "components": regressor.n_components,
            "neighbors": min(regressor.n_neighbors, len(regressor.targets_)),
            "spectra": len(regressor.targets_),
            "coordinates": rank,
            "places": arrays["places"].shape[1],
        }
        found = _run(sizes, arrays, (probes - mean) / std) * target_std + target_mean
        changed = float(np.abs((found - expected) / scale).max())
        if changed <= _MOST_CHANGED:
            break
    return CompressedLibrary(sizes, arrays, changed)


def _arrays(
    regressor: Any,
    principal: _Floats,
    mean: _Floats,
    std: _Floats,
    target_mean: float,
    target_std: float,
) -> dict[str, _Floats]:
    shift = mean - regressor.space_.mean
    normalised = (_training_spectra(regressor) - mean) / std
    axes, turn = regressor.axes_ @ principal, regressor.turn_
    arrays = {
        "values": (regressor.targets_ - target_mean) / target_std,
        "axes": axes.T * std,
        "origin": shift @ axes,
        "turn": turn.T * std,
        "centre": shift @ turn,
        "sharpness": np.array(1 / regressor.h),
    }
    # The library goes through the rounded axes that spectra will, so what is alike stays alike.
    rounded = {name: array.astype(np.float32).astype(np.float64) for name, array in arrays.items()}
    return arrays | {
        "spectra": normalised @ rounded["axes"].T + rounded["origin"],
        "places": normalised @ rounded["turn"].T + rounded["centre"],
    }


def _run(sizes: Mapping[str, int], arrays: Mapping[str, _Floats], spectra: _Floats) -> _Floats:
    """(n, targets) outputs for normalised spectra (n, bands), of the arrays as float32."""
    import torch

    from georaster_dl.models.zoo.chemometrics.lwplsr import Library

    library = Library(spectra.shape[1], arrays["values"].shape[1], **sizes)
    library.load_state_dict({name: torch.as_tensor(array) for name, array in arrays.items()})
    with torch.inference_mode():
        return np.asarray(library(torch.from_numpy(spectra)).numpy())


def _probes(regressor: Any) -> _Floats:
    """(probes, bands) preprocessed spectra."""
    random = np.random.default_rng(0)
    spectra = _training_spectra(regressor)
    one, other = (spectra[random.integers(len(spectra), size=_PROBES)] for _ in range(2))
    return one + random.uniform(-0.5, 1, (_PROBES, 1)) * (other - one)


def _training_spectra(regressor: Any) -> _Floats:
    """(n, bands) preprocessed spectra."""
    return np.asarray(regressor.space_.mean + regressor.coordinates_ @ regressor.axes_.T)
