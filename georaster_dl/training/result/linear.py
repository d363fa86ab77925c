"""Fractions from each pixel's own spectrum by partial least squares: the baseline of a trained network."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["LinearFractions", "fit_linear_fractions", "nearest_fractions"]

_MOST_COMPONENTS = 20

Rows = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LinearFractions:
    """Partial least squares from normalised bands to fractions, projected on the simplex.

    Attributes
    ----------
    coefficients, intercept : (bands, fractions) and (fractions,).
    components : number of latent variables.
    """

    coefficients: Rows
    intercept: Rows
    components: int

    def predict(self, spectra: npt.NDArray[np.floating]) -> Rows:
        """Compute the fractions (n, fractions) of normalised spectra (n, bands)."""
        return nearest_fractions(spectra @ self.coefficients + self.intercept)


def fit_linear_fractions(
    spectra: Rows, fractions: Rows, held_out: tuple[Rows, Rows]
) -> LinearFractions | None:
    """Fit partial least squares with the number of latent variables that is best on held-out rows.

    Parameters
    ----------
    spectra, fractions : (n, bands), (n, fractions) to learn from.
    held_out : the same of rows that choose the number.

    Returns
    -------
    None where there are fewer than three rows, or all fractions are the same.
    """
    from sklearn.cross_decomposition import PLSRegression

    if len(spectra) < 3 or not fractions.std(axis=0).any():
        return None
    most = min(_MOST_COMPONENTS, spectra.shape[1], len(spectra) - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where the last components find nothing to explain
        pls = PLSRegression(most, scale=False).fit(spectra, fractions)
    centre, mean = spectra.mean(axis=0), fractions.mean(axis=0)
    tried = []
    for count in range(1, most + 1):
        slopes = pls.x_rotations_[:, :count] @ pls.y_loadings_[:, :count].T
        model = LinearFractions(slopes, mean - centre @ slopes, count)
        error = float(np.square(model.predict(held_out[0]) - held_out[1]).mean())
        tried.append((error, count, model))
    return min(tried, key=lambda each: each[:2])[2]


def nearest_fractions(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Project rows (n, fractions) on the simplex: the fractions of sum 1 with the least squared distance.

    Duchi et al. 2008.
    """
    descending = -np.sort(-values.astype(np.float64), axis=1)
    excess = np.cumsum(descending, axis=1) - 1
    count = np.arange(1, values.shape[1] + 1)
    positive = np.maximum((descending * count > excess).sum(axis=1), 1)
    shift = excess[np.arange(len(values)), positive - 1] / positive
    return np.asarray(np.maximum(values - shift[:, None], 0.0))
