"""Space of global PLS scores, in which spectra are compared."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ScoreSpace", "fit_pls", "whitening"]

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ScoreSpace:
    """A PLS of all training spectra, with their distances to its centre and to its plane.

    Attributes
    ----------
    mean : (bands,) of the training spectra.
    rotations, loadings : (bands, components) that give scores of spectra, and spectra of scores.
    whitening : (components, components) that makes Euclidean distances of scores Mahalanobis'.
    """

    mean: _Floats = field(repr=False)
    rotations: _Floats = field(repr=False)
    loadings: _Floats = field(repr=False)
    whitening: _Floats = field(repr=False)

    @classmethod
    def of(cls, spectra: _Floats, targets: _Floats, n_components: int) -> ScoreSpace:
        """Fit the space of spectra (n, bands) with known targets (n, targets).

        There are fewer components where the spectra have no more.
        """
        model = fit_pls(spectra, targets, n_components)
        stable = slice(model.max_stable_components_)
        return cls(
            spectra.mean(axis=0),
            model.x_rotations_[:, stable],
            model.x_loadings_[:, stable],
            whitening(model.x_scores_[:, stable]),
        )

    @property
    def n_components(self) -> int:
        """Number of components."""
        return int(self.rotations.shape[1])

    def scores(self, spectra: _Floats) -> _Floats:
        """(n, components) scores of spectra (n, bands)."""
        return np.asarray((spectra - self.mean) @ self.rotations)

    def distance(self, spectra: _Floats) -> _Floats:
        """(n,) global H: squared Mahalanobis distance to the centre, by component.

        Its mean over the training spectra is 1; above 3 a spectrum is customarily called foreign
        (Shenk & Westerhaus 1991).
        """
        squares = ((self.scores(spectra) @ self.whitening) ** 2).sum(axis=1)
        return np.asarray(squares / max(self.n_components, 1))

    def residual(self, spectra: _Floats) -> _Floats:
        """Q statistic (n,): sum of squares of the residuals (Jackson & Mudholkar 1979)."""
        left = spectra - self.mean - self.scores(spectra) @ self.loadings.T
        return np.asarray((left**2).sum(axis=1))


def fit_pls(spectra: _Floats, targets: _Floats, n_components: int) -> Any:
    """Fit chemotools' PLS of centred, unscaled spectra, of no more components than they can have.

    Where it finds fewer, those beyond ``max_stable_components_`` are 0.
    """
    from chemotools.regression import PLSRegression

    most = max(1, min(n_components, len(spectra) - 1, spectra.shape[1]))
    with warnings.catch_warnings():
        # That there are fewer components than asked for is said, as is dividing by a spread of 0.
        warnings.simplefilter("ignore")
        return PLSRegression(most, scale=False).fit(spectra, targets)


def whitening(scores: _Floats) -> _Floats:
    """(components, components) matrix after which scores (n, components) have unit covariance.

    Where their covariance is singular, each component is divided by its standard deviation, and one
    that never varies counts for nothing.
    """
    centred = scores - scores.mean(axis=0)
    covariance = centred.T @ centred / len(scores)
    try:
        upper = np.linalg.cholesky(covariance).T
        return np.asarray(np.linalg.inv(upper))
    except np.linalg.LinAlgError:
        spread = np.sqrt(np.diagonal(covariance))
        return np.diag(np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0))
