"""Class limits in the way of SIMCA: which classes a spectrum may belong to, or none of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.wording import counted, listed
from georaster_dl.models.package.class_limits import MOST_OF_CLASS, ClassLimits

__all__ = ["FEWEST_OF_CLASS", "ClassMembership", "class_membership", "fit_class_limits"]

_Floats = npt.NDArray[np.float64]

FEWEST_OF_CLASS = 20
"""Samples of a class below which it has no limits: of fewer, 5 % are less than one."""
_LEVELS = (0.95, 0.99)
_FOLDS = 5
_MOST_DEGREES = 250  # of freedom of a distance, from where on chi-squared is all but a point
_MOST_NUMBERS = 60_000  # of all classes: about a quarter of what a card may be long
_DIGITS = 12  # of a number on the card
_LEAST_SHARE = 1e-12  # of the class's variance: of a component, and of what is left


@dataclass(frozen=True, eq=False)
class ClassMembership:
    """Distances of (n,) spectra from classes as ratios to their limits of 95 %; up to 1 is within.

    Attributes
    ----------
    ratios : (n,) by the name of the class, NaN where a spectrum is.
    without : names of the classes that have no limits.
    """

    ratios: Mapping[str, _Floats] = field(repr=False)
    without: tuple[str, ...] = ()

    @property
    def possible(self) -> npt.NDArray[np.object_]:
        """(n,) names of the classes whose limits hold a spectrum, ``a+b``, or ``none``; empty where it has NaN."""
        names = np.array(list(self.ratios), object)
        ratios = np.stack(list(self.ratios.values()), axis=1)
        found = np.array(["+".join(names[row]) or "none" for row in ratios <= 1], object)
        found[np.isnan(ratios).any(axis=1)] = ""
        return found

    @property
    def of_none(self) -> int:
        """Number of spectra that are within the limits of no class."""
        return int(sum(np.all([ratio > 1 for ratio in self.ratios.values()], axis=0)))

    @property
    def text(self) -> str:
        """Number of them in words."""
        total = len(next(iter(self.ratios.values())))
        verb = "is" if self.of_none == 1 else "are"
        said = (
            f"{self.of_none:,} of {counted(total, 'spectrum')} {verb} within the limits of no class"
        )
        if self.without:
            said += (
                f"; {listed(self.without)} {'has' if len(self.without) == 1 else 'have'} no limits"
            )
        return said

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Columns of a table: ``within_CLASS``, yes or no, of each class with limits, and ``classes_possible``."""
        within = {
            f"within_{name}": np.where(np.isnan(ratio), "", np.where(ratio <= 1, "yes", "no"))
            for name, ratio in self.ratios.items()
        }
        return {**within, "classes_possible": self.possible}


def fit_class_limits(
    spectra: npt.NDArray[Any], names: npt.NDArray[Any], groups: npt.NDArray[Any] | None = None
) -> dict[str, ClassLimits]:
    """Describe the spectra of each class by principal components of its own, and limit their distances.

    The scores distance h is the sum of squared scores over their variances, the orthogonal distance q the sum of
    squares of what the components leave. Each follows a scaled chi-squared, whose scale is the mean and whose degrees of
    freedom are 2 mean² / variance, rounded, 1 to 250; their sum N_h h / h0 + N_q q / q0 one of N_h + N_q degrees
    (data-driven SIMCA: Pomerantsev & Rodionova, J. Chemometrics 28, 518-522, 2014). Means and variances are of distances in
    cross-validation: those of the fit itself are too small where samples are few. Of 1 to 10 components
    the most are taken that leave less of the spectra out of fold than one fewer leaves of those it was fitted to
    (after Wold, Technometrics 20, 397-405, 1978).

    Parameters
    ----------
    spectra : (n, bands), preprocessed.
    names : (n,) class of each.
    groups : (n,) sample of each spectrum, which cross-validation does not divide; None where each is its own.

    Returns
    -------
    Limits by class; without classes of fewer than 20 samples, and those whose spectra are all the same. Of
    many classes with many bands there are fewer components, or no limits at all, as a card has room for 60,000 numbers.
    """
    spectra, names = spectra.astype(np.float64), names.astype(str)
    samples = np.arange(len(spectra)) if groups is None else groups.astype(str)
    large = [
        name
        for name in np.unique(names)
        if len(np.unique(samples[names == name])) >= FEWEST_OF_CLASS
        and np.ptp(spectra[names == name], axis=0).any()
    ]
    room = _MOST_NUMBERS // (spectra.shape[1] * max(len(large), 1)) - 1  # beside the mean
    most = min(MOST_OF_CLASS, room, max(1, spectra.shape[1] - 1))
    if most < 1:
        return {}
    return {
        str(name): _limits_of(spectra[names == name], samples[names == name], most)
        for name in large
    }


def class_membership(
    limits: Mapping[str, ClassLimits | None], spectra: npt.NDArray[Any]
) -> ClassMembership | None:
    """Compare spectra (n, bands), preprocessed as in training, with the limits of classes; None where none has any."""
    spectra = spectra.astype(np.float64)
    ratios = {}
    for name, of_class in limits.items():
        if of_class is not None:
            space = _Space(
                np.array(of_class.mean), of_class.components, np.array(of_class.score_variances)
            )
            found = _combined(space.distances(spectra), of_class.scales, of_class.degrees)
            ratios[name] = found / of_class.limits[0]
    without = tuple(name for name in limits if name not in ratios)
    return ClassMembership(ratios, without) if ratios else None


@dataclass(frozen=True, eq=False)
class _Space:
    """Principal components: (bands,) mean, (components, bands) loadings, (components,) variances of scores."""

    mean: _Floats
    loadings: _Floats
    variances: _Floats

    @classmethod
    def of(cls, spectra: _Floats, most: int, least: float) -> _Space:
        """Fit at most so many; there are fewer where the spectra have no more of at least some variance."""
        from sklearn.decomposition import PCA

        with np.errstate(invalid="ignore"):  # shares of no variance
            model = PCA(min(most, len(spectra) - 1), svd_solver="full").fit(spectra)
        variances = model.explained_variance_
        kept = max(1, int((variances > least).sum()))
        return cls(model.mean_, model.components_[:kept], np.maximum(variances[:kept], least))

    def first(self, components: int) -> _Space:
        return _Space(self.mean, self.loadings[:components], self.variances[:components])

    def distances(self, spectra: _Floats) -> _Floats:
        """Measure the scores distance and the orthogonal distance of each spectrum, (2, n)."""
        centred = spectra - self.mean
        scores = centred @ self.loadings.T
        left = centred - scores @ self.loadings
        return np.stack([(scores**2 / self.variances).sum(axis=1), (left**2).sum(axis=1)])


def _limits_of(spectra: _Floats, samples: npt.NDArray[Any], most: int) -> ClassLimits:
    from scipy.stats import chi2

    least = _LEAST_SHARE * float(spectra.var(axis=0).sum())
    crossed = _out_of_fold(spectra, samples, most, least)
    whole = _Space.of(spectra, len(crossed), least)
    n_components = _enough(whole, spectra, crossed[:, 1].mean(axis=1), least)
    space, found = whole.first(n_components), crossed[n_components - 1]
    scales, degrees = _moments(found, least)
    low, high = (float(limit) for limit in chi2.ppf(_LEVELS, sum(degrees)))
    return ClassLimits(
        spectra=len(spectra),
        accepted=round(float((_combined(found, scales, degrees) <= low).mean()), 6),
        mean=_numbers(space.mean),
        loadings=_numbers(space.loadings),
        score_variances=_numbers(space.variances),
        scales=scales,
        degrees=degrees,
        limits=(low, high),
    )


def _out_of_fold(spectra: _Floats, samples: npt.NDArray[Any], most: int, least: float) -> _Floats:
    """Distances of each spectrum from the others' space, (components, 2, n), of 1 component on."""
    from sklearn.model_selection import GroupKFold

    folds = GroupKFold(_FOLDS, shuffle=True, random_state=0).split(spectra, groups=samples)
    spaces = [(_Space.of(spectra[train], most, least), test) for train, test in folds]
    most = min(len(space.variances) for space, _ in spaces)
    found = np.empty((most, 2, len(spectra)))
    for space, test in spaces:
        for i in range(most):
            found[i][:, test] = space.first(i + 1).distances(spectra[test])
    return found


def _enough(space: _Space, spectra: _Floats, crossed: _Floats, least: float) -> int:
    """Choose the most components that leave less of other spectra than one fewer leaves of the space's own."""
    own = [space.first(i).distances(spectra)[1].mean() for i in range(len(space.variances))]
    useful = [i + 1 for i, left in enumerate(own) if left > least and crossed[i] < left]
    return max(useful, default=1)


def _moments(found: _Floats, least: float) -> tuple[tuple[float, float], tuple[int, int]]:
    """Scales and degrees of freedom of distances (2, n)."""
    scales = np.maximum(found.mean(axis=1), [_LEAST_SHARE, least])
    spread = np.maximum(found.std(axis=1, ddof=1), _LEAST_SHARE * scales)
    h, q = np.clip(np.round(2 * (scales / spread) ** 2), 1, _MOST_DEGREES).astype(int)
    return (float(scales[0]), float(scales[1])), (int(h), int(q))


def _combined(distances: _Floats, scales: tuple[float, float], degrees: tuple[int, int]) -> _Floats:
    """(n,) distances from a class of (2, n) scores and orthogonal distances."""
    (of_h, of_q), (h0, q0), (h, q) = degrees, scales, distances
    return np.asarray(of_h * h / h0 + of_q * q / q0)


def _numbers(array: _Floats) -> tuple[float, ...]:
    return tuple(float(f"{value:.{_DIGITS}g}") for value in np.ravel(array))
