"""How well a model's probabilities are meant: temperature scaling and the calibration error.

Source: Guo, Pleiss, Sun and Weinberger 2017, "On Calibration of Modern Neural Networks".
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["calibration_error", "fit_temperature"]

Float = npt.NDArray[np.floating]
_RANGE = (0.25, 8.0)
_TRIED = 161


def fit_temperature(logits: Float, target: npt.NDArray[np.integer]) -> float:
    """Temperature that divides the logits so that their cross-entropy is least.

    Parameters
    ----------
    logits : (n, classes) of pixels that the network was not trained on.
    target : (n,) class index of each.
    """
    candidates = np.geomspace(*_RANGE, _TRIED)
    losses = [_cross_entropy(logits / temperature, target) for temperature in candidates]
    return float(candidates[int(np.argmin(losses))])


def calibration_error(
    logits: Float, target: npt.NDArray[np.integer], temperature: float, bins: int = 15
) -> float:
    """Expected calibration error, 0..1: mean gap between confidence and accuracy over the bins."""
    probabilities = _softmax(logits / temperature)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == target
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    n = np.bincount(place, minlength=bins)
    gap = np.bincount(place, right, bins) - np.bincount(place, confidence, bins)
    return float(np.abs(gap).sum() / max(n.sum(), 1))


def _softmax(logits: Float) -> Float:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Float = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _cross_entropy(logits: Float, target: npt.NDArray[np.integer]) -> float:
    top = logits.max(axis=1)
    total = np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top
    return float((total - logits[np.arange(len(target)), target]).mean())
