"""Selection of wavelengths for a PLS: forward interval PLS and CARS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from georaster_dl.spectra.methods.pls_scores import fit_pls

__all__ = ["SELECTIONS", "Selection", "cars", "interval_pls", "kernel_pls"]

Selection = Literal["none", "ipls", "cars"]

_Floats = npt.NDArray[np.float64]
_Mask = npt.NDArray[np.bool_]

_INTERVALS = 20
_MOST_INTERVALS = 8  # that are joined
_FOLDS = 5
_MOST_COMPONENTS = 10  # of the PLS that bands are compared by
_RUNS = 50  # of CARS
_SAMPLED = 0.8  # share of the spectra in each
_FEWEST = 2  # bands


def interval_pls(spectra: _Floats, targets: _Floats, seed: int = 0) -> _Mask:
    """Select intervals of bands until RMSECV falls no more (Nørgaard et al. 2000).

    The spectrum is cut into 20 intervals; the first is that of the least RMSECV, each further one that which lowers it most.

    Parameters
    ----------
    spectra : (n, bands) of training rows alone: what is selected has seen all of them.
    targets : (n, targets).

    Returns
    -------
    (bands,) mask.
    """
    bands = spectra.shape[1]
    intervals = np.array_split(np.arange(bands), min(_INTERVALS, bands))
    rmsecv = _CrossValidation(spectra, targets, seed)
    chosen = np.zeros(bands, bool)
    best = np.inf
    for _ in range(_MOST_INTERVALS):
        found = []
        for interval in intervals:
            tried = chosen.copy()
            tried[interval] = True
            more = tried.sum() > chosen.sum()
            found.append(rmsecv(np.flatnonzero(tried)) if more else np.inf)
        place = int(np.argmin(found))
        if not found[place] < best:
            break
        best = found[place]
        chosen[intervals[place]] = True
    return chosen


def cars(spectra: _Floats, targets: _Floats, seed: int = 0) -> _Mask:
    """Select bands by competitive adaptive reweighted sampling (Li et al. 2009).

    In each of 50 runs a PLS of four fifths of the spectra weighs the bands that are left by its coefficients; fewer
    and fewer of them are kept, by their weight and by chance. The set of the least RMSECV is selected. Parameters
    and mask as of ``interval_pls``.
    """
    generator = np.random.default_rng(seed)
    n, bands = spectra.shape
    rmsecv = _CrossValidation(spectra, targets, seed)
    left, best, chosen = np.arange(bands), np.inf, np.ones(bands, bool)
    # From all bands in the first run to two in the last: ratio = a exp(-k run).
    decay = np.log(bands / _FEWEST) / (_RUNS - 1)
    for run in range(_RUNS):
        rows = generator.choice(n, max(3, int(_SAMPLED * n)), replace=False)
        model = fit_pls(spectra[np.ix_(rows, left)], targets[rows], _MOST_COMPONENTS)
        weights = np.abs(model.coef_).sum(axis=0)
        keep = max(_FEWEST, min(len(left), round(bands * np.exp(-decay * run))))
        strongest = np.argsort(weights)[::-1][:keep]
        share = weights[strongest] + np.finfo(float).tiny
        # As many draws as there are bands, as its authors' program makes: the strong ones are all drawn.
        left = left[np.unique(generator.choice(strongest, bands, p=share / share.sum()))]
        error = rmsecv(left)
        if error < best:
            best, chosen = error, np.isin(np.arange(bands), left)
        if len(left) <= _FEWEST:
            break
    return chosen


SELECTIONS: Mapping[str, Callable[[_Floats, _Floats], _Mask]] = {
    "ipls": interval_pls,
    "cars": cars,
}
"""Functions that select bands, by name."""


class _CrossValidation:
    """RMSE of cross-validation of PLS on any bands, from products of all bands that are made once."""

    def __init__(self, spectra: _Floats, targets: _Floats, seed: int) -> None:
        unit = targets.std(axis=0)
        scaled = targets / np.where(unit > 0, unit, 1.0)
        order = np.random.default_rng(seed).permutation(len(spectra))
        self._folds = []
        for rest in np.array_split(order, min(_FOLDS, len(order))):
            learnt = np.setdiff1d(order, rest)
            x, y = spectra[learnt].mean(axis=0), scaled[learnt].mean(axis=0)
            centred = spectra[learnt] - x
            products = centred.T @ centred, centred.T @ (scaled[learnt] - y)
            self._folds.append((*products, spectra[rest] - x, scaled[rest] - y))
        self._size = scaled.size

    def __call__(self, bands: npt.NDArray[np.intp]) -> float:
        """Least RMSE of any number of components, targets scaled to variance 1."""
        squares = np.zeros(_MOST_COMPONENTS)
        for xx, xy, spectra, targets in self._folds:
            all_coefficients = kernel_pls(xx[np.ix_(bands, bands)], xy[bands], _MOST_COMPONENTS)
            for a, coefficients in enumerate(all_coefficients):
                squares[a] += ((spectra[:, bands] @ coefficients - targets) ** 2).sum()
        return float(np.sqrt(squares.min() / self._size))


def kernel_pls(xx: _Floats, xy: _Floats, n_components: int) -> list[_Floats]:
    """Coefficients (bands, targets) of PLS with 1, 2, ... components (improved kernel algorithm 2; Dayal & MacGregor 1997).

    Where there are no more components, the last coefficients are repeated.

    Parameters
    ----------
    xx, xy : (bands, bands) and (bands, targets) products of centred spectra and targets.
    """
    left = xy.copy()
    rotations: list[_Floats] = []
    loadings: list[_Floats] = []
    found = [np.zeros_like(xy)]
    least = 1e-12 * float(np.trace(xx))
    for _ in range(n_components):
        weight = (
            left[:, 0] if left.shape[1] == 1 else np.linalg.svd(left, full_matrices=False)[0][:, 0]
        )
        size = float(np.linalg.norm(weight))
        rotation = weight / size if size > 0 else weight
        for before, loading in zip(rotations, loadings, strict=True):
            rotation = rotation - (loading @ weight) / max(size, 1e-300) * before
        along = xx @ rotation
        squared = float(rotation @ along)
        if squared <= least or not size > 0:
            found.append(found[-1])
            continue
        loadings.append(along / squared)
        rotations.append(rotation)
        of_targets = left.T @ rotation / squared
        left = left - np.outer(along, of_targets)
        found.append(found[-1] + np.outer(rotation, of_targets))
    return found[1:]
