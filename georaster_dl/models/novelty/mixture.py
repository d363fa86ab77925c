"""Gaussian mixture of the values of pixels, of which bands may be absent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Mixture", "fit_mixture"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_ROUNDS = 20
_NARROWEST = 0.05  # of a band's standard deviation over all pixels
_BLOCK = (
    2**12
)  # pixels whose distances are computed at once, in memory that is not mapped anew each time


@dataclass(frozen=True)
class Mixture:
    """Gaussian mixture of the values of pixels.

    Attributes
    ----------
    weights : (clusters,) shares of the pixels.
    means : (clusters, bands).
    covariances : (clusters, bands, bands), each positive definite.
    """

    weights: Floats
    means: Floats
    covariances: Floats

    def marginal(self, bands: Sequence[int]) -> Mixture:
        """Give the marginal mixture of these bands, which is exact for Gaussians."""
        kept = np.asarray(bands, np.intp)
        return Mixture(
            self.weights,
            self.means[:, kept],
            self.covariances[:, kept[:, None], kept],
        )

    @property
    def whitening(self) -> tuple[Floats, Floats]:
        """Matrices (clusters, bands, bands) that whiten, and constants (clusters,) of the distance.

        The squared distance to a cluster is |matrix @ (values - mean)|^2 + constant; the smallest
        constant is 0.
        """
        lower = np.linalg.cholesky(self.covariances)
        identity = np.broadcast_to(np.eye(lower.shape[1]), lower.shape)
        diagonal = np.diagonal(lower, axis1=1, axis2=2)
        constants = 2 * np.log(diagonal).sum(axis=1) - 2 * np.log(self.weights)
        return np.linalg.solve(lower, identity), constants - constants.min()

    def distances(self, values: npt.NDArray[np.floating]) -> Floats:
        """Squared distance (pixels, clusters) of pixels (pixels, bands) from each cluster.

        It is -2 ln of the pixel's density in the cluster, over the greatest density of any: a squared
        Mahalanobis distance to which a wide or rare cluster adds a constant.
        """
        matrices, constants = self.whitening
        made = np.empty((len(values), len(constants)))
        for first in range(0, len(values), _BLOCK):
            block = values[first : first + _BLOCK]
            for k, (matrix, constant) in enumerate(zip(matrices, constants, strict=True)):
                white = (block - self.means[k]) @ matrix.T
                made[first : first + _BLOCK, k] = np.einsum("ij,ij->i", white, white) + constant
        return made

    def distance(self, values: npt.NDArray[np.floating]) -> Floats:
        """Distance (pixels,) of pixels (pixels, bands) from the nearest cluster."""
        nearest: Floats = np.sqrt(self.distances(values).min(axis=1))
        return nearest

    def conditional(
        self,
        cluster: int,
        given: npt.NDArray[np.intp],
        bands: npt.NDArray[np.intp],
        values: Floats,
    ) -> tuple[Floats, Floats]:
        """Mean (pixels, bands) and covariance of bands given others' values, in a cluster.

        Parameters
        ----------
        given, bands : indexes of bands.
        values : (pixels, given).
        """
        covariance, mean = self.covariances[cluster], self.means[cluster]
        slope = np.linalg.solve(covariance[np.ix_(given, given)], covariance[np.ix_(given, bands)])
        expected = mean[bands] + (values - mean[given]) @ slope
        rest = covariance[np.ix_(bands, bands)] - covariance[np.ix_(bands, given)] @ slope
        return expected, rest

    def draw(self, pixels: int, seed: int = 0) -> Floats:
        """Draw random pixels (pixels, bands) of the mixture."""
        rng = np.random.default_rng(seed)
        cluster = rng.choice(len(self.weights), pixels, p=self.weights / self.weights.sum())
        lower = np.linalg.cholesky(self.covariances)
        noise = rng.normal(size=(pixels, self.means.shape[1]))
        drawn: Floats = self.means[cluster] + np.einsum("nij,nj->ni", lower[cluster], noise)
        return drawn


def fit_mixture(values: npt.NDArray[np.floating], clusters: int, seed: int = 0) -> Mixture:
    """Fit a mixture to pixels (pixels, bands) by classification EM; NaN is a band that is absent.

    Each pixel belongs to its nearest cluster by the bands that it has. An absent band enters a
    cluster's mean and covariance by its conditional mean and covariance given the others (Little and
    Rubin 2019, chapter 11), which scikit-learn's GaussianMixture does not do. Clusters that keep no more
    pixels than twice the bands are given up.

    Parameters
    ----------
    values : each band present in some pixel.
    clusters : at most.
    """
    pixels = np.asarray(values, np.float64)
    narrowest = (_NARROWEST * _scale(np.nanstd(pixels, axis=0))) ** 2
    patterns = list(_patterns(~np.isnan(pixels)))
    mixture = _start(pixels, clusters, narrowest, seed)
    for _ in range(_ROUNDS):
        mixture = _round(mixture, pixels, patterns, narrowest)
    return mixture


def _scale(deviations: Floats) -> Floats:
    """Deviations, 1 where a band never varies."""
    return np.where(deviations > 0, deviations, 1.0)


def _patterns(present: Mask) -> Iterator[tuple[Mask, npt.NDArray[np.intp]]]:
    """Each combination of present bands, with its pixels."""
    combinations, which = np.unique(present, axis=0, return_inverse=True)
    for number, bands in enumerate(combinations):
        yield bands, np.flatnonzero(which.ravel() == number)


def _start(pixels: Floats, clusters: int, narrowest: Floats, seed: int) -> Mixture:
    """Clusters about far pixels, as k-means++ draws them (Arthur and Vassilvitskii 2007)."""
    rng = np.random.default_rng(seed)
    mean, variance = np.nanmean(pixels, axis=0), np.nanvar(pixels, axis=0) + narrowest
    filled = np.where(np.isnan(pixels), mean, pixels)
    chosen = [int(rng.integers(len(filled)))]
    nearest = np.full(len(filled), np.inf)
    for _ in range(clusters - 1):
        away = ((filled - filled[chosen[-1]]) ** 2 / variance).sum(axis=1)
        nearest = np.minimum(nearest, away)
        if not nearest.any():
            break  # fewer different pixels than clusters
        chosen.append(int(rng.choice(len(filled), p=nearest / nearest.sum())))
    count = len(chosen)
    spread = np.diag(variance / count)
    return Mixture(
        np.full(count, 1 / count), filled[chosen], np.broadcast_to(spread, (count, *spread.shape))
    )


def _round(
    mixture: Mixture,
    pixels: Floats,
    patterns: list[tuple[Mask, npt.NDArray[np.intp]]],
    narrowest: Floats,
) -> Mixture:
    """Assign each pixel to a cluster, and estimate the clusters anew."""
    filled = pixels.copy()
    cluster = np.empty(len(pixels), np.intp)
    count, bands = mixture.means.shape
    unknown = np.zeros((count, bands, bands))
    for present, which in patterns:
        own, absent = np.flatnonzero(present), np.flatnonzero(~present)
        nearest = mixture.marginal(own.tolist()).distances(pixels[which][:, own]).argmin(axis=1)
        cluster[which] = nearest
        if not len(absent):
            continue
        for k in range(count):
            some = which[nearest == k]
            filled[np.ix_(some, absent)], rest = mixture.conditional(
                k, own, absent, pixels[np.ix_(some, own)]
            )
            unknown[k][np.ix_(absent, absent)] += len(some) * rest
    sizes = np.bincount(cluster, minlength=count)
    kept = np.flatnonzero((sizes > 2 * bands) | (sizes == sizes.max()))
    moments = [_moments(filled[cluster == k], unknown[k], narrowest) for k in kept]
    weights = sizes[kept] / sizes[kept].sum()
    means, covariances = zip(*moments, strict=True)
    return Mixture(weights, np.stack(means), np.stack(covariances))


def _moments(pixels: Floats, unknown: Floats, narrowest: Floats) -> tuple[Floats, Floats]:
    """Mean and covariance of a cluster; ``unknown`` is the share of absent bands in the sum of squares."""
    mean = pixels.mean(axis=0)
    away = pixels - mean
    return mean, (away.T @ away + unknown) / len(pixels) + np.diag(narrowest)
