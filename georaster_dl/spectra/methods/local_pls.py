"""Weighted PLS of many small neighbourhoods at once, in the space of the scores.

A weighted PLS of neighbours X (k, bands) with weights w, D = diag(w), sum(w) = 1, takes component
after component from the residual E of the centred targets: the weight vector is
``X_c' D E e`` (e the dominant direction among several targets, 1 for one), so the component's scores
are ``u = X_c X_c' D E e``, made orthogonal to the earlier ones under D. With ``z = D E e``, whose sum
is 0 because E is centred under w, centring X is a subtraction: ``u = (I - 1 w') X X' z``. Spectra are
given relative to the query, which is then a row of zeros of weight 0, whose scores follow by the same
steps: ``-w' X X' z``. So a component costs two products with X, no loading and no coefficient is
formed, and the fit for a number of components holds those for fewer.

The components are those of the improved kernel PLS, number 1, of Dayal & MacGregor 1997, which
Lesnoff's locally weighted PLS uses.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["local_predictions"]

_Floats = npt.NDArray[np.float64]

_NOISE = 16 * np.finfo(float).eps


def local_predictions(
    spectra: _Floats, targets: _Floats, weights: _Floats, n_components: int
) -> _Floats:
    """Predict the query of each neighbourhood with 1 to ``n_components`` components.

    Parameters
    ----------
    spectra : (batch, k, bands) of the neighbours, less the query's.
    targets : (batch, k, targets) of the neighbours.
    weights : (batch, k), none negative, of sum 1.

    Returns
    -------
    (n_components, batch, targets). Where a neighbourhood has fewer components, the predictions with
    more repeat those with all of them.
    """
    batch, k, n_targets = targets.shape
    largest = np.einsum("bkp,bkp->bk", spectra, spectra).max(axis=1)
    predicted = np.einsum("bk,bkt->bt", weights, targets)
    residual = targets - predicted[:, None, :]
    predictions = np.empty((n_components, batch, n_targets))
    earlier = np.zeros((batch, n_components, k + 1))
    for a in range(n_components):
        coefficients = weights[:, :, None] * residual
        scores = _scores(spectra, coefficients, weights)
        noise = _NOISE * largest * np.abs(coefficients).sum(axis=(1, 2))
        unit = _orthonormal(scores, earlier[:, :a], weights, noise)
        earlier[:, a] = unit
        slopes = np.einsum("bk,bkt->bt", weights * unit[:, :k], residual)
        residual -= unit[:, :k, None] * slopes[:, None, :]
        predicted = predicted + unit[:, k, None] * slopes
        predictions[a] = predicted
    return predictions


def _scores(spectra: _Floats, coefficients: _Floats, weights: _Floats) -> _Floats:
    """(batch, k + 1) scores of neighbours and query on the dominant direction, centred."""
    along = spectra @ (spectra.transpose(0, 2, 1) @ coefficients)
    mean = weights[:, None, :] @ along
    along = np.concatenate([along - mean, -mean], axis=1)
    if coefficients.shape[2] == 1:
        return np.asarray(along[:, :, 0])
    # The squared singular values of S = X_c' D E are the eigenvalues of S'S.
    squares = coefficients.transpose(0, 2, 1) @ along[:, :-1]
    dominant = np.linalg.eigh((squares + squares.transpose(0, 2, 1)) / 2)[1][:, :, -1]
    return np.asarray(np.einsum("bkt,bt->bk", along, dominant))


def _orthonormal(scores: _Floats, earlier: _Floats, weights: _Floats, noise: _Floats) -> _Floats:
    """Orthonormalise scores against earlier scores; 0 where only noise is left."""
    k = weights.shape[1]
    shares = earlier[:, :, :k] @ (weights * scores[:, :k])[:, :, None]
    scores = scores - (earlier.transpose(0, 2, 1) @ shares)[:, :, 0]
    length = np.sqrt(np.einsum("bk,bk->b", weights, scores[:, :k] ** 2))
    scale = np.divide(1.0, length, out=np.zeros_like(length), where=length > noise)
    return np.asarray(scores * scale[:, None])
