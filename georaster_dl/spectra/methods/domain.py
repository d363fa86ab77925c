"""Spectra that are unlike the calibration: Hotelling's T2, Q residuals, leverage, nearest spectrum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from georaster_dl.core.wording import counted
from georaster_dl.models.package.domain import MOST_COMPONENTS, MOST_NEIGHBOURS, CalibrationDomain
from georaster_dl.spectra.methods.pls_scores import ScoreSpace, fit_pls

__all__ = [
    "FLAG",
    "MEASURES",
    "DomainDistances",
    "UnlikeCalibration",
    "domain_distances",
    "fit_domain",
    "limit_ratios",
    "nearly_all",
    "unlike_calibration",
]

_Floats = npt.NDArray[np.float64]

MEASURES = ("T2", "Q", "leverage", "nn_distance")
FLAG = "unlike_calibration"
"""Column that names the measures by which a spectrum is unlike the calibration."""
_OTHER_KIND = (
    "so many differ by the instrument, the quantity (absorbance against reflectance, percent against shares of 1) "
    "or a preprocessing that was done before, and the predictions mean nothing until that is mended"
)
_LEVELS = (0.95, 0.99)
_QUERIES = 4096  # whose distances to all neighbours are held at once
_LEAST_SHARE = 1e-12  # of the spectra's variance: a limit of Q where nothing is left


@dataclass(frozen=True, eq=False)
class DomainDistances:
    """Distances of spectra from a calibration, (n,) each.

    Attributes
    ----------
    t2 : Hotelling's T2 of the scores, whose variances are divided by n - 1, as its limit supposes.
    q : sum of squares of what the components leave of a spectrum.
    leverage : 1 / n + T2 / (n - 1), the diagonal of the hat matrix (ASTM E1655).
    nn_distance : distance to the nearest calibration spectrum, in standard deviations of the scores.
    """

    t2: _Floats = field(repr=False)
    q: _Floats = field(repr=False)
    leverage: _Floats = field(repr=False)
    nn_distance: _Floats = field(repr=False)


@dataclass(frozen=True, eq=False)
class UnlikeCalibration:
    """Ratios of the ``MEASURES`` of (n,) spectra to their limits; above 1 a spectrum is unlike the calibration."""

    ratios: Mapping[str, _Floats] = field(repr=False)

    @property
    def flags(self) -> npt.NDArray[np.object_]:
        """(n,) names of the measures that are above their limits, ``T2+Q`` or empty."""
        beyond = np.stack([ratio > 1 for ratio in self.ratios.values()], axis=1)
        names = np.array(list(self.ratios), object)
        return np.array(["+".join(names[row]) for row in beyond], object)

    @property
    def count(self) -> int:
        """Number of spectra that are unlike the calibration."""
        return int((self.flags != "").sum())

    @property
    def text(self) -> str:
        """Number of them, and by which measures, in words."""
        each = ", ".join(
            f"{name} {n}" for name, ratio in self.ratios.items() if (n := int((ratio > 1).sum()))
        )
        total = len(next(iter(self.ratios.values())))
        verb = "is" if self.count == 1 else "are"
        text = (
            f"{self.count:,} of {counted(total, 'spectrum')} {verb} unlike the calibration ({each})"
        )
        return f"{text}; {_OTHER_KIND}" if nearly_all(self.count, total) else text

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Columns of a table: the ratios as ``T2_reduced`` and so on, and ``unlike_calibration``."""
        reduced = {f"{name}_reduced": ratio for name, ratio in self.ratios.items()}
        return {**reduced, FLAG: self.flags}


def nearly_all(count: int, total: int) -> bool:
    """Whether so many are unlike the calibration that not the samples differ but how they were measured."""
    return count >= max(2, 0.9 * total)


def fit_domain(
    spectra: npt.NDArray[Any],
    target: npt.NDArray[Any],
    n_components: int,
    groups: npt.NDArray[Any] | None = None,
) -> CalibrationDomain:
    """Describe the spectra of a calibration by a PLS of their targets.

    The limits of T2 follow the F distribution, as chemotools computes them, those of Q Jackson &
    Mudholkar (1979); those of the distance to the nearest spectrum are quantiles of the
    calibration's own, each spectrum compared with the other samples alone. Of more than 1,000 spectra those that
    cover the space best are kept (Kennard & Stone 1969).

    Parameters
    ----------
    spectra : (n, bands), preprocessed.
    target : (n,) or (n, targets) values, NaN where not known, or (n,) class names.
    n_components : at most; there are fewer where the spectra have no more than these, so that Q has something to measure.
    groups : (n,) sample of each spectrum; None where each is its own.
    """
    spectra = spectra.astype(np.float64)
    targets, units = _standardised(target)
    most = min(n_components, MOST_COMPONENTS, max(1, _dimensions(spectra) - 1))
    model = fit_pls(spectra, targets, most)
    if model.max_stable_components_ < most:
        model = fit_pls(spectra, targets, max(1, model.max_stable_components_))
    variances = model.x_scores_.var(axis=0, ddof=1)
    mean = spectra.mean(axis=0)
    residuals = spectra - mean - model.x_scores_ @ model.x_loadings_.T
    neighbours, distances = _neighbours(model.x_scores_ / np.sqrt(variances), groups)
    return CalibrationDomain(
        spectra=len(spectra),
        mean=_numbers(mean),
        deviations=_numbers(spectra.std(axis=0, ddof=1)),
        rotations=_numbers(model.x_rotations_.T),
        loadings=_numbers(model.x_loadings_.T),
        score_variances=_numbers(variances),
        y_loadings=_numbers(model.y_loadings_ * units[:, None]),
        neighbours=_numbers(neighbours, 7),
        t2_limits=_t2_limits(model, spectra),
        q_limits=_q_limits(residuals, float(spectra.var(axis=0).sum())),
        distance_limits=_pair(np.quantile(distances, _LEVELS)),
    )


def domain_distances(domain: CalibrationDomain, spectra: npt.NDArray[Any]) -> DomainDistances:
    """Measure spectra (n, bands), preprocessed as in training; NaN where a spectrum is."""
    spectra = spectra.astype(np.float64)
    space = _space(domain)
    t2 = space.distance(spectra) * space.n_components
    white = space.scores(spectra) @ space.whitening
    nearest = np.full(len(spectra), np.nan)
    usable = np.flatnonzero(np.isfinite(white).all(axis=1))
    kept = domain.by_component("neighbours")
    for first in range(0, len(usable), _QUERIES):
        rows = usable[first : first + _QUERIES]
        nearest[rows] = cdist(white[rows], kept).min(axis=1)
    leverage = 1 / domain.spectra + t2 / (domain.spectra - 1)
    return DomainDistances(t2, space.residual(spectra), leverage, nearest)


def unlike_calibration(domain: CalibrationDomain, spectra: npt.NDArray[Any]) -> UnlikeCalibration:
    """Compare spectra (n, bands), preprocessed as in training, with the calibration's."""
    return UnlikeCalibration(limit_ratios(domain, domain_distances(domain, spectra)))


def limit_ratios(domain: CalibrationDomain, distances: DomainDistances) -> dict[str, _Floats]:
    """Divide the ``MEASURES`` by their limits of 99 % (leverage: ASTM E1655's); above 1 is unlike."""
    return {
        "T2": distances.t2 / domain.t2_limits[1],
        "Q": distances.q / domain.q_limits[1],
        "leverage": distances.leverage / domain.leverage_limit,
        "nn_distance": distances.nn_distance / domain.distance_limits[1],
    }


def _space(domain: CalibrationDomain) -> ScoreSpace:
    return ScoreSpace(
        np.array(domain.mean),
        domain.by_band("rotations"),
        domain.by_band("loadings"),
        np.diag(1 / np.sqrt(domain.score_variances)),
    )


def _standardised(target: npt.NDArray[Any]) -> tuple[_Floats, _Floats]:
    """(n, targets) without mean and unit, 0 where not known, and (targets,) units."""
    if target.dtype.kind not in "fiu":
        names = np.unique(target.astype(str))
        indicators = (target.astype(str)[:, None] == names).astype(np.float64)
        return indicators, np.ones(len(names))
    values = target.reshape(len(target), -1).astype(np.float64)
    units = np.nanstd(values, axis=0)
    units[~(units > 0)] = 1.0
    return np.nan_to_num((values - np.nanmean(values, axis=0)) / units), units


def _dimensions(spectra: _Floats) -> int:
    """Count the dimensions in which spectra (n, bands) vary by more than rounding."""
    centred = spectra - spectra.mean(axis=0)
    gram = centred.T @ centred if centred.shape[1] <= len(centred) else centred @ centred.T
    variances = np.linalg.eigvalsh(gram)
    return int((variances > _LEAST_SHARE * variances.sum()).sum())


def _t2_limits(model: Any, spectra: _Floats) -> tuple[float, float]:
    from chemotools.outliers import HotellingT2

    return _pair([HotellingT2(model, level).fit(spectra).critical_value_ for level in _LEVELS])


def _q_limits(residuals: _Floats, total: float) -> tuple[float, float]:
    """Limits of Q by the eigenvalues of the residuals' covariance (Jackson & Mudholkar 1979).

    The normal deviate has the sign of their exponent h, which is negative where a few eigenvalues outweigh
    many small ones; chemotools leaves it positive, and gives limits below the mean of Q there.
    """
    from scipy.stats import chi2, norm

    eigenvalues = np.linalg.svd(residuals, compute_uv=False) ** 2 / max(1, len(residuals) - 1)
    first, second, third = (float((eigenvalues**power).sum()) for power in (1, 2, 3))
    least = _LEAST_SHARE * (total or 1.0)
    if first <= least:  # nothing is left
        return _pair((least, least))
    h = 1 - 2 * first * third / (3 * second**2)
    bases = [
        1 + norm.ppf(level) * h * np.sqrt(2 * second) / first + second * h * (h - 1) / first**2
        for level in _LEVELS
    ]
    if min(bases) > 0 and abs(h) > 1e-6:
        return _pair([first * base ** (1 / h) for base in bases])
    # Where the approximation ends, that by a chi-squared of the same mean and variance (Box 1954).
    return _pair([second / first * chi2.ppf(level, first**2 / second) for level in _LEVELS])


def _neighbours(
    white: _Floats, groups: npt.NDArray[Any] | None
) -> tuple[_Floats, npt.NDArray[np.float64]]:
    """Choose scores to keep; give them and the distance of each spectrum to the nearest of another sample."""
    kept = _covering(white, MOST_NEIGHBOURS)
    samples = np.arange(len(white))
    if groups is not None:
        samples = np.unique(groups.astype(str), return_inverse=True)[1]
    nearest = np.empty(len(white))
    for first in range(0, len(white), _QUERIES):
        rows = slice(first, first + _QUERIES)
        distance = cdist(white[rows], white[kept])
        distance[samples[rows, None] == samples[kept]] = np.inf
        nearest[rows] = distance.min(axis=1)
    others = nearest[np.isfinite(nearest)]
    return white[kept], others if len(others) else np.ones(1)


def _covering(points: _Floats, n: int) -> npt.NDArray[np.intp]:
    """Places of ``n`` points, each the farthest from those before it, from the outermost on."""
    if len(points) <= n:
        return np.arange(len(points))
    chosen = [int((points**2).sum(axis=1).argmax())]
    distance = np.full(len(points), np.inf)
    while len(chosen) < n:
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(distance.argmax()))
    return np.array(chosen)


def _pair(values: Any) -> tuple[float, float]:
    low, high = (max(float(value), 1e-30) for value in values)
    return float(f"{low:.10g}"), float(f"{high:.10g}")


def _numbers(array: npt.NDArray[Any], digits: int = 12) -> tuple[float, ...]:
    """Round numbers to so many digits, which the card writes as text."""
    return tuple(float(f"{value:.{digits}g}") for value in np.ravel(array))
