"""Weighted PLS of many small neighbourhoods at once, in the space of the scores.

A weighted PLS of neighbours X (k, bands) with weights w, sum(w) = 1, takes component after component
from the residual E of the targets. Rows are multiplied by sqrt(w), after which all products are plain:
the weight vector is ``X' E e`` (e the dominant direction among several targets, 1 for one), so the
component's scores are ``X X' E e``, made orthogonal to those before. Spectra are given relative to the
query, whose scores are then 0 and follow by the same steps. The mean is component 0, of scores
sqrt(w) and, of the query, 1: made orthogonal to it, scores are centred. So a component costs two
products with X, no loading and no coefficient is formed, and the fit for a number of components holds
those for fewer.

The components are those of the improved kernel PLS, number 1, of Dayal & MacGregor 1997, which
Lesnoff's locally weighted PLS uses.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["distance_weights", "local_predictions"]

_NOISE = 16 * torch.finfo(torch.float64).eps
_CUTOFF = 4.0
_LEAST_WEIGHT = 1e-4


def local_predictions(
    spectra: Tensor, targets: Tensor, weights: Tensor, n_components: int
) -> Tensor:
    """Predict the query of each neighbourhood with 1 to ``n_components`` components.

    Parameters
    ----------
    spectra : (batch, k, bands) of the neighbours, less the query's, float64; they are overwritten.
    targets : (batch, k, targets) of the neighbours.
    weights : (batch, k), none negative, of sum 1.

    Returns
    -------
    (n_components, batch, targets). Where a neighbourhood has fewer components, the predictions with
    more repeat those with all of them.
    """
    batch, k, _ = targets.shape
    root = weights.sqrt()[:, :, None]
    scaled, residual = spectra.mul_(root), targets * root
    noise = _NOISE * torch.linalg.vector_norm(scaled.flatten(1), dim=1).square()[:, None]
    # Of each component a row: the scores of the neighbours, of length 1, and that of the query.
    units = spectra.new_zeros(batch, n_components + 1, k + 1)
    units[:, 0, :k], units[:, 0, k] = root[:, :, 0], 1
    predictions = [_explain(units[:, 0], residual)]
    for a in range(1, n_components + 1):
        scores = _scores(scaled, residual)
        shares = units[:, :a, :k] @ scores
        units[:, a, :k] = scores[:, :, 0]
        units[:, a] -= (shares.mT @ units[:, :a])[:, 0]
        length = torch.linalg.vector_norm(units[:, a, :k], dim=1)[:, None]
        size = torch.linalg.vector_norm(residual, dim=(1, 2))[:, None]
        units[:, a] *= torch.where(length > noise * size, 1 / length, 0.0)
        predictions.append(predictions[-1] + _explain(units[:, a], residual))
    return torch.stack(predictions[1:])


def _scores(scaled: Tensor, residual: Tensor) -> Tensor:
    """(batch, k, 1) scores of the neighbours on the dominant direction of the residuals."""
    # In this order, as products with a batch of transposes are slow.
    scores = scaled @ (residual.mT @ scaled).mT
    if residual.shape[2] == 1:
        return scores
    # The squared singular values of S = X' E are the eigenvalues of S'S.
    squares = residual.mT @ scores
    directions: Tensor = torch.linalg.eigh((squares + squares.mT) / 2)[1]
    return scores @ directions[:, :, -1:]


def _explain(unit: Tensor, residual: Tensor) -> Tensor:
    """Take a component's part out of the residuals, in place, and return the query's (batch, targets)."""
    neighbours = unit[:, None, :-1]
    slopes = neighbours @ residual
    residual -= neighbours.mT * slopes
    return unit[:, -1:] * slopes[:, 0]


def distance_weights(distance: Tensor, sharpness: Tensor) -> Tensor:
    """Weights (batch, k), of sum 1, of neighbours at distances (batch, k), ascending.

    ``exp(-d / (h s))``, s being 1.4826 times the median absolute deviation of the distances, and
    next to nothing beyond four times that from their median; all alike where h is infinite.

    Parameters
    ----------
    sharpness : 1 / h, of no dimension.
    """
    median = _median(distance)
    spread = 1.4826 * _median((distance - median).abs().sort(1)[0])
    spread = torch.where(spread > 0, spread, torch.finfo(torch.float64).eps)
    # From the nearest on, so that the largest weight is 1 and none is lost to underflow.
    weights = torch.exp((distance[:, :1] - distance) / spread * sharpness)
    weights = weights.masked_fill(distance > median + _CUTOFF * spread, 0).clamp(min=_LEAST_WEIGHT)
    weights = torch.where(sharpness > 0, weights, 1.0)
    return weights / weights.sum(1, keepdim=True)


def _median(ascending: Tensor) -> Tensor:
    """(batch, 1) medians of rows that ascend."""
    k = ascending.shape[1]
    return (ascending[:, (k - 1) // 2, None] + ascending[:, k // 2, None]) / 2
