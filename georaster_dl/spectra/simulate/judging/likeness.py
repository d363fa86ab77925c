"""Likeness of simulated spectra to held-out real spectra, and distance to the spectra that they were made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Likeness", "compare_spectra", "mmd"]

_Floats = npt.NDArray[np.float64]
_Names = npt.NDArray[Any]

_COMPONENTS = 15
_SPREADS = 3.0  # standard deviations that values may lie beyond the range of real ones
_MOST = 2000  # spectra between which all distances are computed


@dataclass(frozen=True, eq=False)
class Likeness:
    """Comparison of simulated with held-out real spectra, beside that of the real spectra learnt from.

    Attributes
    ----------
    mmd, mmd_real : maximum mean discrepancy to the held-out spectra, of simulated and of as many real spectra.
    outside : share of simulated values beyond the range of real ones by more than 3 standard deviations of their band.
    roughness : standard deviation of the second difference along the bands, by that of the real spectra.
    nearest, nearest_real : (n,) distances to the nearest spectrum learnt from, of simulated and of held-out spectra.
    """

    mmd: float
    mmd_real: float
    outside: float
    roughness: float
    nearest: _Floats = field(repr=False)
    nearest_real: _Floats = field(repr=False)

    @property
    def neighbour_ratio(self) -> float:
        """Median distance to the nearest spectrum learnt from, by that of held-out spectra: far below 1 are near copies."""
        return float(np.median(self.nearest) / max(float(np.median(self.nearest_real)), 1e-300))


def compare_spectra(
    simulated: _Floats,
    learnt: _Floats,
    held: _Floats,
    classes: tuple[_Names, _Names, _Names] | None,
    random: np.random.Generator,
) -> Likeness:
    """Compare simulated spectra (n, bands) with real spectra, some learnt from and others held out.

    Distances are between scores of the real spectra's principal components, at most 15.

    Parameters
    ----------
    classes : of the three; discrepancies are of each class then, weighted by its held-out spectra, so that a class of
        which all simulated spectra are alike is seen.
    """
    from sklearn.decomposition import PCA

    # Of real spectra alone: simulated ones must not choose what they are compared by.
    space = PCA(min(_COMPONENTS, len(learnt) - 1, learnt.shape[1]), svd_solver="full").fit(learnt)
    made, known, others = (
        np.asarray(space.transform(spectra)) for spectra in (simulated, learnt, held)
    )
    discrepancies = _discrepancies(made, known, others, classes, random)
    low, high, spread = learnt.min(axis=0), learnt.max(axis=0), learnt.std(axis=0)
    room = _SPREADS * spread
    return Likeness(
        *discrepancies,
        float(((simulated < low - room) | (simulated > high + room)).mean()),
        _roughness(simulated) / max(_roughness(np.concatenate([learnt, held])), 1e-300),
        _nearest(made, known),
        _nearest(others, known),
    )


def mmd(first: _Floats, second: _Floats, width: float) -> float:
    """Compute the maximum mean discrepancy of two samples (n, values), (m, values) (Gretton et al. 2012).

    With a Gaussian kernel of a standard deviation ``width``, by the V-statistic, so that it is 0 of equal samples and
    above 0 also of two samples of one distribution, by their number.
    """
    within = _kernel(first, first, width).mean() + _kernel(second, second, width).mean()
    return float(np.sqrt(max(within - 2 * _kernel(first, second, width).mean(), 0.0)))


def _kernel(first: _Floats, second: _Floats, width: float) -> _Floats:
    from scipy.spatial.distance import cdist

    return np.asarray(np.exp(-cdist(first, second, "sqeuclidean") / (2 * width**2)))


def _discrepancies(
    made: _Floats,
    known: _Floats,
    others: _Floats,
    classes: tuple[_Names, _Names, _Names] | None,
    random: np.random.Generator,
) -> tuple[float, float]:
    """MMD to the others of as many made as known vectors, and of these, as a mean over the classes."""
    from scipy.spatial.distance import pdist

    found: list[tuple[float, float]] = []
    weights: list[int] = []
    for rows in _of_classes(classes, (made, known, others)):
        one, real, held = (_some(vectors, _MOST, random) for vectors in rows)
        size = min(len(one), len(real))
        if size < 2 or len(held) < 2:
            continue
        width = max(float(np.median(pdist(real))), 1e-300)
        found.append(
            (
                mmd(_some(one, size, random), held, width),
                mmd(_some(real, size, random), held, width),
            )
        )
        weights.append(len(held))
    if not found:
        return float("nan"), float("nan")
    mean = np.average(found, axis=0, weights=weights)
    return float(mean[0]), float(mean[1])


def _of_classes(
    classes: tuple[_Names, _Names, _Names] | None, vectors: Sequence[_Floats]
) -> list[list[_Floats]]:
    if classes is None:
        return [list(vectors)]
    return [
        [each[names == name] for each, names in zip(vectors, classes, strict=True)]
        for name in np.unique(classes[2].astype(str))
    ]


def _some(rows: _Floats, most: int, random: np.random.Generator) -> _Floats:
    return rows if len(rows) <= most else rows[random.choice(len(rows), most, replace=False)]


def _roughness(spectra: _Floats) -> float:
    return float(np.diff(spectra, 2, axis=1).std())


def _nearest(vectors: _Floats, known: _Floats) -> _Floats:
    from sklearn.neighbors import NearestNeighbors

    return np.asarray(NearestNeighbors(n_neighbors=1).fit(known).kneighbors(vectors)[0][:, 0])
