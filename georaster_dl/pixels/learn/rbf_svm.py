"""Prediction of a support vector machine by products of matrices."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["RbfSvm"]

_ROWS = 1024  # pixels whose kernel is held at once


class RbfSvm:
    """A fitted support vector machine with an RBF kernel, as scikit-learn's SVC predicts with it.

    libsvm takes one pixel after the other; the same sums as products of matrices take a tenth of the
    time. Nor does anything run that follows numbers of a file without looking.

    Parameters
    ----------
    machine : a fitted ``SVC(kernel="rbf")``.
    """

    def __init__(self, machine: Any) -> None:
        self._classes = machine.classes_
        self._gamma = float(machine._gamma)
        self._vectors = machine.support_vectors_.astype(np.float64)
        self._squares = (self._vectors**2).sum(axis=1)
        self._offsets = machine._intercept_
        # The vectors of a class lie together; each has a weight against every other class.
        ends = np.cumsum(machine._n_support)[:-1]
        self._weights = np.split(machine._dual_coef_.T, ends)

    def predict(self, values: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        """Predict the class (pixels,) of standardised values (pixels, bands) by votes over pairs of classes."""
        pieces = [values[first : first + _ROWS] for first in range(0, len(values), _ROWS)]
        winners = np.concatenate([self._winners(piece) for piece in pieces])
        return np.asarray(self._classes[winners])

    def _winners(self, values: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.intp]:
        values = values.astype(np.float64)
        distance = values @ self._vectors.T
        distance *= -2
        distance += self._squares
        distance += (values**2).sum(axis=1)[:, None]
        kernel = np.exp(np.multiply(distance, -self._gamma, out=distance), out=distance)
        sides = np.split(kernel, np.cumsum([len(w) for w in self._weights])[:-1], axis=1)
        against = [side @ weights for side, weights in zip(sides, self._weights, strict=True)]
        n_classes = len(self._classes)
        votes = np.zeros((len(values), n_classes), np.int32)
        for pair, (a, b) in enumerate(itertools.combinations(range(n_classes), 2)):
            first = against[a][:, b - 1] + against[b][:, a] + self._offsets[pair] > 0
            votes[:, a] += first
            votes[:, b] += ~first
        return np.asarray(votes.argmax(axis=1))
