"""Locally weighted PLS on the nearest spectra (kNN-LWPLSR; Lesnoff, Metz & Roger 2020)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from georaster_dl.spectra.methods.local_pls import local_predictions
from georaster_dl.spectra.methods.pls_scores import ScoreSpace, whitening

__all__ = ["METRICS", "LWPLSRegressor", "distance_weights"]

METRICS = ("mahalanobis", "euclidean")

_Floats = npt.NDArray[np.float64]

_CUTOFF = 4.0
_LEAST_WEIGHT = 1e-4
_QUERIES = 512  # whose distances to all training spectra are held at once
_BATCH = 2**20  # numbers of the neighbourhoods that one thread works on: 8 MiB


class LWPLSRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A PLS for each spectrum, of its nearest training spectra, of which the nearer weigh more.

    Neighbours are looked for among the scores of a global PLS; the local PLS is one of the spectra
    themselves. Follows Jchemo's ``lwplsr`` (Lesnoff, Metz & Roger 2020, J. Chemometrics 34, e3209),
    except that ``h = inf`` weighs all neighbours alike, far ones too.

    Parameters
    ----------
    n_components : of the local PLS; no more than the neighbourhood has are used.
    n_neighbors : training spectra of a neighbourhood; all where there are fewer.
    h : how fast weights fall with distance: about e**(-1 / h) for each deviation of the
        neighbourhood's distances. Small is more local.
    n_global : components of the global PLS; 0 looks for neighbours among the spectra themselves.
    metric : ``mahalanobis`` or ``euclidean``.

    Attributes
    ----------
    space_ : ScoreSpace of the training spectra; that of ``n_components`` where ``n_global`` is 0.
    """

    def __init__(
        self,
        n_components: int = 10,
        n_neighbors: int = 200,
        h: float = 2.0,
        n_global: int = 15,
        metric: str = "mahalanobis",
    ) -> None:
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.h = h
        self.n_global = n_global
        self.metric = metric

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:  # noqa: N803 - scikit-learn's name
        """Keep training spectra (n, bands) with targets (n,) or (n, targets).

        Raises
        ------
        ValueError
            When a setting cannot work or there are fewer than two spectra.
        """
        self._check_settings()
        spectra, targets = validate_data(
            self, X, y, dtype=np.float64, multi_output=True, y_numeric=True, ensure_min_samples=2
        )
        self._single = targets.ndim == 1
        self.targets_: _Floats = targets.reshape(len(targets), -1).astype(np.float64)
        self.space_ = ScoreSpace.of(spectra, self.targets_, self.n_global or self.n_components)
        self.spectra_: _Floats = spectra
        among_scores = self.n_global and self.space_.n_components
        turn = self.space_.rotations if among_scores else np.eye(spectra.shape[1])
        if self.metric == "mahalanobis":
            turn = turn @ whitening((spectra - self.space_.mean) @ turn)
        self._turn: _Floats = turn
        self._trained = self._places(spectra)
        return self

    def predict(self, X: npt.ArrayLike) -> _Floats:  # noqa: N803
        """Give (n,) or (n, targets) predictions of spectra (n, bands)."""
        last = self.predict_all(X)[-1]
        return np.asarray(last[:, 0] if self._single else last)

    def predict_all(self, X: npt.ArrayLike) -> _Floats:  # noqa: N803
        """Give (n_components, n, targets) predictions with 1, 2, ... ``n_components`` components."""
        check_is_fitted(self)
        spectra = validate_data(self, X, dtype=np.float64, reset=False)
        parts: list[_Floats] = []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for queries in _pieces(spectra, _QUERIES):
                parts += pool.map(self._predict_batch, self._batches(queries))
        return np.concatenate(parts, axis=1)

    def applicability(self, X: npt.ArrayLike) -> tuple[_Floats, _Floats]:  # noqa: N803
        """Measure the distance of spectra (n, bands) from the training spectra.

        Returns
        -------
        (n,) global H and (n,) Q residuals, see ``ScoreSpace``, whose limits are in ``space_``.
        """
        check_is_fitted(self)
        spectra = validate_data(self, X, dtype=np.float64, reset=False)
        return self.space_.distance(spectra), self.space_.residual(spectra)

    def _check_settings(self) -> None:
        if min(self.n_components, self.n_neighbors) < 1 or self.n_global < 0:
            raise ValueError(
                f"n_components and n_neighbors must be 1 or more and n_global 0 or more, but are "
                f"{self.n_components}, {self.n_neighbors} and {self.n_global}."
            )
        if not self.h > 0 or self.metric not in METRICS:
            raise ValueError(
                f"h must be positive and metric one of {', '.join(METRICS)}, but are {self.h} and "
                f"{self.metric!r}."
            )

    def _places(self, spectra: _Floats) -> _Floats:
        """Transform spectra for the search: Euclidean distances become the metric's."""
        return np.asarray((spectra - self.space_.mean) @ self._turn)

    def _batches(self, queries: _Floats) -> Iterator[tuple[_Floats, npt.NDArray[np.intp], _Floats]]:
        """Queries, (queries, k) positions of their neighbours, and weights of these, cut small."""
        k = min(self.n_neighbors, len(self.spectra_))
        distance = cdist(self._places(queries), self._trained)
        near = np.argpartition(distance, k - 1, axis=1)[:, :k]
        weights = distance_weights(np.take_along_axis(distance, near, axis=1), self.h)
        size = max(1, _BATCH // (k * queries.shape[1]))
        return zip(_pieces(queries, size), _pieces(near, size), _pieces(weights, size), strict=True)

    def _predict_batch(self, batch: tuple[_Floats, npt.NDArray[np.intp], _Floats]) -> _Floats:
        queries, near, weights = batch
        apart = self.spectra_[near] - queries[:, None]
        return local_predictions(apart, self.targets_[near], weights, self.n_components)


def _pieces(rows: npt.NDArray[Any], size: int) -> Iterator[npt.NDArray[Any]]:
    return (rows[first : first + size] for first in range(0, len(rows), size))


def distance_weights(distance: _Floats, h: float) -> _Floats:
    """(batch, k) weights, of sum 1, of neighbours at distances (batch, k).

    ``exp(-d / (h s))``, s being 1.4826 times the median absolute deviation of the distances, and
    next to nothing beyond four times that from their median; all alike where h is infinite.
    """
    if np.isinf(h):
        return np.full(distance.shape, 1 / distance.shape[1])
    median = np.median(distance, axis=1, keepdims=True)
    spread = 1.4826 * np.median(np.abs(distance - median), axis=1, keepdims=True)
    spread = np.where(spread > 0, spread, np.finfo(float).eps)
    # From the nearest on, so that the largest weight is 1 and none is lost to underflow.
    with np.errstate(over="ignore"):
        weights = np.exp(-(distance - distance.min(axis=1, keepdims=True)) / (h * spread))
    weights[distance > median + _CUTOFF * spread] = 0
    weights = np.maximum(weights, _LEAST_WEIGHT)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
