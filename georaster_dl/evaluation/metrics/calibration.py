"""Calibration of class probabilities: temperature and vector scaling of logits, also of several passes.

Source: Guo, Pleiss, Sun and Weinberger 2017, "On Calibration of Modern Neural Networks".
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from georaster_dl.evaluation.metrics.prediction_sets import confidence_quantiles, score_quantiles
from georaster_dl.models.package.calibration import Calibration

__all__ = ["class_probabilities", "fit_calibration", "fit_temperature", "fit_vector_scaling"]

_Floats = npt.NDArray[np.floating]
_Doubles = npt.NDArray[np.float64]
_Labels = npt.NDArray[np.integer]

_TEMPERATURES = np.geomspace(0.25, 8.0, 161)
_COARSE = 16  # temperatures from one that is tried first to the next
_CHUNK = 2**21  # logits that are worked on at a time
_GAIN, _OFFSET = (0.05, 20.0), (-50.0, 50.0)


def class_probabilities(logits: _Floats, calibration: Calibration) -> _Doubles:
    """Calibrate the logits, and average the probabilities over the passes: (n, classes).

    Parameters
    ----------
    logits : (n, passes, classes); one pass of a network that is run once.
    """
    out = np.empty((logits.shape[0], logits.shape[2]))
    for rows, logs in _log_probabilities(logits, calibration):
        out[rows] = np.exp(logs).mean(axis=1)
    return out


def fit_calibration(logits: _Floats, target: _Labels, *, vector: bool = False) -> Calibration:
    """Fit a calibration to pixels, with the quantiles of their calibrated probabilities.

    Its ``ece`` is left open: other pixels should measure it.

    Parameters
    ----------
    logits : (n, passes, classes) of pixels that the network was not trained on; n may be 0.
    target : (n,) class index of each.
    vector : fit a gain and an offset of each class instead of one temperature, which may change
        which class is the most probable.
    """
    if not len(target):
        return Calibration()
    if vector:
        gain, offset = fit_vector_scaling(logits, target)
        fitted = Calibration(gain=_rounded(gain), offset=_rounded(offset))
    else:
        fitted = Calibration(temperature=round(fit_temperature(logits, target), 3))
    probabilities = class_probabilities(logits, fitted)
    quantiles = {
        "pixels": len(target),
        "scores": score_quantiles(probabilities, target),
        "confidence": confidence_quantiles(probabilities),
    }
    return fitted.model_copy(update=quantiles)


def fit_temperature(logits: _Floats, target: _Labels) -> float:
    """Find the temperature, 0.25 to 8, with which the mean probabilities have the least cross-entropy.

    The cross-entropy is taken to have one minimum, as that of a single pass has.

    Parameters
    ----------
    logits : (n, passes, classes) of pixels that the network was not trained on.
    target : (n,) class index of each.
    """
    known: dict[int, float] = {}

    def loss(number: int) -> float:
        if number not in known:
            calibration = Calibration(temperature=_TEMPERATURES[number])
            known[number] = _cross_entropy(logits, target, calibration)
        return known[number]

    last, step = len(_TEMPERATURES) - 1, _COARSE
    best = min(range(0, last + 1, step), key=loss)
    while step > 1:
        step //= 2
        best = min((max(best - step, 0), best, min(best + step, last)), key=loss)
    return float(_TEMPERATURES[best])


def fit_vector_scaling(logits: _Floats, target: _Labels) -> tuple[_Doubles, _Doubles]:
    """Find the gain and the offset of each class, (classes,), with which the cross-entropy is least.

    Offsets have the mean 0. Every class should have pixels: one that has none gets an offset that
    makes it vanish.

    Parameters
    ----------
    logits : (n, passes, classes) of pixels that the network was not trained on.
    target : (n,) class index of each.
    """
    n = logits.shape[2]
    start = np.concatenate([np.full(n, 1 / fit_temperature(logits, target)), np.zeros(n)])
    found = minimize(
        lambda both: _vector_loss(logits, target, both[:n], both[n:]),
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[_GAIN] * n + [_OFFSET] * n,
    )
    gain, offset = found.x[:n], found.x[n:]
    return gain, offset - offset.mean()


def _vector_loss(
    logits: _Floats, target: _Labels, gain: _Doubles, offset: _Doubles
) -> tuple[float, _Doubles]:
    """Cross-entropy of the mean probabilities, and its gradient by gain and offset, (2 classes,)."""
    n, passes, classes = logits.shape
    calibration = Calibration.model_construct(temperature=1.0, gain=gain, offset=offset)
    loss, by_gain, by_offset = 0.0, np.zeros(classes), np.zeros(classes)
    for rows, logs in _log_probabilities(logits, calibration):
        of_true = _of_true(logs, target[rows])
        mean = np.logaddexp.reduce(of_true, axis=1, keepdims=True)
        loss -= float(mean.sum())
        # A pass counts by its share of the probability of the true class.
        slope = np.exp(logs) - (np.arange(classes) == target[rows, None])[:, None]
        slope *= np.exp(of_true - mean)[..., None]
        by_gain += (slope * logits[rows]).sum(axis=(0, 1))
        by_offset += slope.sum(axis=(0, 1))
    return loss / n + np.log(passes), np.concatenate([by_gain, by_offset]) / n


def _cross_entropy(logits: _Floats, target: _Labels, calibration: Calibration) -> float:
    total = sum(
        float(np.logaddexp.reduce(_of_true(logs, target[rows]), axis=1).sum())
        for rows, logs in _log_probabilities(logits, calibration)
    )
    return float(np.log(logits.shape[1]) - total / len(target))


def _of_true(logs: _Doubles, target: _Labels) -> _Doubles:
    """Log probabilities (n, passes) of the true class."""
    return np.take_along_axis(logs, target[:, None, None].astype(np.intp), axis=2)[..., 0]


def _log_probabilities(
    logits: _Floats, calibration: Calibration
) -> Iterator[tuple[slice, _Doubles]]:
    """Log probabilities (rows, passes, classes) of some rows at a time."""
    step = max(1, _CHUNK // max(1, logits[:1].size))
    for start in range(0, len(logits), step):
        rows = slice(start, start + step)
        scaled = logits[rows].astype(np.float64)
        if len(calibration.gain):
            scaled = scaled * np.asarray(calibration.gain) + np.asarray(calibration.offset)
        scaled /= calibration.temperature
        scaled -= scaled.max(axis=2, keepdims=True)
        yield rows, scaled - np.log(np.exp(scaled).sum(axis=2, keepdims=True))


def _rounded(values: _Doubles) -> tuple[float, ...]:
    return tuple(np.round(values, 4).tolist())
