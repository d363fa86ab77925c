"""Groups of pixels that are alike: k-means or a mixture of Gaussians on standardised values."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError

__all__ = ["Clustering", "Method", "choose_k", "fit_clusters", "live_bands"]

Method = Literal["kmeans", "gmm"]

_CANDIDATES = range(2, 21)
_TRIED, _JUDGED = 20_000, 5_000  # pixels; the silhouette takes the square of its number
_TRIES, _ROUNDS = 3, 200
_BATCH = 4096

_Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Clustering:
    """Clusters in the space of the standardised bands, the largest first.

    Attributes
    ----------
    bands : positions of the bands that are used; those that never change are not.
    scaler, estimator : scikit-learn's, both fitted.
    order : the estimator's number of each cluster.
    """

    bands: npt.NDArray[np.intp]
    scaler: Any
    estimator: Any
    order: npt.NDArray[np.intp]

    def assign(self, values: _Values) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Cluster of each pixel, counted from 1, and how far it is from the cluster's centre.

        Parameters
        ----------
        values : (pixels, bands) physical values of all bands.

        Returns
        -------
        (pixels,) clusters, and (pixels,) distances in standardised units: Euclidean for k-means, the
        Mahalanobis distance for a mixture.
        """
        standardised = self.scaler.transform(values[:, self.bands])
        nearest, distance = _nearest(self.estimator, standardised)
        number = np.empty(len(self.order), np.uint8)
        number[self.order] = np.arange(1, len(self.order) + 1)
        return number[nearest], distance.astype(np.float32)


def live_bands(sample: _Values) -> npt.NDArray[np.intp]:
    """Positions of the bands that have more than one value.

    Raises
    ------
    OptionError
        When there is none.
    """
    live = np.flatnonzero(sample.min(axis=0) < sample.max(axis=0))
    if not len(live):
        raise OptionError(
            "Every valid pixel has the same values, so there is nothing to tell clusters apart by; give "
            "another raster, or check `bands=` and `nodata=`."
        )
    return live


def fit_clusters(sample: _Values, k: int, method: Method, seed: int) -> Clustering:
    """Find ``k`` clusters in a sample (pixels, bands) of physical values.

    Raises
    ------
    OptionError
        When the sample has fewer different pixels than clusters, or a mixture cannot be fitted.
    """
    from sklearn.preprocessing import StandardScaler

    bands = live_bands(sample)
    _check_enough(sample[:, bands], k)
    scaler = StandardScaler().fit(sample[:, bands])
    standardised = scaler.transform(sample[:, bands])
    estimator = _fitted(standardised, k, method, seed)
    sizes = np.bincount(_nearest(estimator, standardised)[0], minlength=k)
    return Clustering(bands, scaler, estimator, np.argsort(-sizes, kind="stable"))


def choose_k(sample: _Values, method: Method, seed: int) -> dict[int, float]:
    """Silhouette score (-1 to 1, larger is better) of each number of clusters from 2 to 20.

    Parameters
    ----------
    sample : (pixels, bands) in random order; the first of them are judged (Rousseeuw 1987).
    """
    from sklearn.metrics import silhouette_score
    from sklearn.preprocessing import StandardScaler

    tried = sample[:_TRIED]
    tried = StandardScaler().fit_transform(tried[:, live_bands(tried)])
    different = len(np.unique(tried, axis=0))
    scores = {}
    for k in (k for k in _CANDIDATES if k < different):
        nearest = _nearest(_fitted(tried, k, method, seed), tried[:_JUDGED])[0]
        # A mixture may leave all pixels to one of its components.
        several = len(np.unique(nearest)) > 1
        scores[k] = float(silhouette_score(tried[:_JUDGED], nearest)) if several else -1.0
    if not scores:
        raise OptionError(
            f"The raster has only {different} different valid pixels, too few to choose the number of "
            f"clusters; give it with `k=`."
        )
    return scores


def _check_enough(sample: _Values, k: int) -> None:
    different = len(sample)
    if different >= k:
        # The first pixels of most rasters settle it.
        different = len(np.unique(sample[: 100 * k], axis=0))
    if different < k <= len(sample):
        different = len(np.unique(sample, axis=0))
    if different < k:
        raise OptionError(
            f"{k} clusters were asked for, but the raster has only {different} different valid pixels; "
            f"ask for at most that many with `k=`."
        )


def _fitted(standardised: _Values, k: int, method: Method, seed: int) -> Any:
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    if method == "kmeans":
        return MiniBatchKMeans(
            k, n_init=_TRIES, batch_size=_BATCH, max_iter=_ROUNDS, random_state=seed
        ).fit(standardised)
    with warnings.catch_warnings():
        # Where it has not settled after so many rounds, it hardly changes any more.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # In float32 the covariance of bands that go together may fail to be positive.
        mixture = GaussianMixture(k, max_iter=_ROUNDS, random_state=seed)
        try:
            return mixture.fit(standardised.astype(np.float64))
        except ValueError as error:
            raise OptionError(
                f"A mixture of {k} Gaussians cannot be fitted to these bands ({error}); ask for fewer "
                f"clusters with `k=`, or use `method='kmeans'`."
            ) from error


def _nearest(
    estimator: Any, standardised: _Values
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.floating[Any]]]:
    """The estimator's cluster of each pixel, and the distance from its centre."""
    if hasattr(estimator, "cluster_centers_"):
        distances = estimator.transform(standardised)
        nearest = distances.argmin(axis=1)
        return nearest, distances[np.arange(len(nearest)), nearest]
    wide = standardised.astype(np.float64)
    nearest = estimator.predict(wide)
    distance = np.empty(len(nearest))
    for component in np.unique(nearest):
        members = nearest == component
        whitened = (wide[members] - estimator.means_[component]) @ estimator.precisions_cholesky_[
            component
        ]
        distance[members] = np.linalg.norm(whitened, axis=1)
    return nearest, distance
