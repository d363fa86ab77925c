"""Locally weighted PLS on the nearest spectra (kNN-LWPLSR; Lesnoff, Metz & Roger 2020)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from georaster_dl.spectra.methods.pls_scores import ScoreSpace, whitening

__all__ = ["METRICS", "LWPLSRegressor"]

METRICS = ("mahalanobis", "euclidean")

_Floats = npt.NDArray[np.float64]

_BATCH = 2**20  # numbers of the neighbourhoods that are worked on at once: 8 MiB


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
    axes_, coordinates_ : (bands, dimensions) axes of the space that the training spectra span, and
        (n, dimensions) these in it, less their mean.
    turn_, places_ : (bands, dimensions) and (n, dimensions), the same for the search.
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
        self.axes_ = _spanned(spectra - self.space_.mean)
        self.coordinates_ = self._coordinates(spectra)
        among_scores = self.n_global and self.space_.n_components
        turn = self.space_.rotations if among_scores else np.eye(spectra.shape[1])
        if self.metric == "mahalanobis":
            turn = turn @ whitening((spectra - self.space_.mean) @ turn)
        self.turn_: _Floats = turn
        self.places_ = self._places(spectra)
        return self

    def predict(self, X: npt.ArrayLike) -> _Floats:  # noqa: N803
        """Give (n,) or (n, targets) predictions of spectra (n, bands)."""
        last = self.predict_all(X)[-1]
        return np.asarray(last[:, 0] if self._single else last)

    def predict_all(self, X: npt.ArrayLike) -> _Floats:  # noqa: N803
        """Give (n_components, n, targets) predictions with 1, 2, ... ``n_components`` components."""
        import torch

        check_is_fitted(self)
        spectra = validate_data(self, X, dtype=np.float64, reset=False)
        size = max(1, _BATCH // max(self._neighbors * self.axes_.shape[1], len(self.targets_)))
        with torch.inference_mode():
            parts = [self._predict_batch(queries) for queries in _pieces(spectra, size)]
        return np.concatenate(parts, axis=1)

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
        return np.asarray((spectra - self.space_.mean) @ self.turn_)

    def _coordinates(self, spectra: _Floats) -> _Floats:
        """Rotate spectra (n, bands), to which PLS is blind; there are no more numbers than training spectra."""
        return np.asarray((spectra - self.space_.mean) @ self.axes_)

    @property
    def _neighbors(self) -> int:
        return min(self.n_neighbors, len(self.targets_))

    def _predict_batch(self, queries: _Floats) -> _Floats:
        import torch

        from georaster_dl.models.zoo.chemometrics.local_pls import local_predictions
        from georaster_dl.models.zoo.chemometrics.lwplsr import gathered, nearest

        near, weights = nearest(
            torch.from_numpy(self._places(queries)),
            torch.from_numpy(self.places_),
            self._neighbors,
            torch.tensor(1 / self.h, dtype=torch.float64),
        )
        at = torch.from_numpy(self._coordinates(queries))
        apart = gathered(torch.from_numpy(self.coordinates_), near).sub_(at[:, None])
        values = gathered(torch.from_numpy(self.targets_), near)
        predicted = local_predictions(apart, values, weights, self.n_components)
        return np.asarray(predicted.numpy())


def _pieces(rows: npt.NDArray[Any], size: int) -> Iterator[npt.NDArray[Any]]:
    return (rows[first : first + size] for first in range(0, len(rows), size))


def _spanned(centred: _Floats) -> _Floats:
    """Orthonormal axes (bands, dimensions) of the span of spectra (n, bands)."""
    n, bands = centred.shape
    return np.linalg.qr(centred.T)[0] if n < bands else np.eye(bands)
