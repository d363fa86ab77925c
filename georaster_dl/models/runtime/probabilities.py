"""Class probabilities of a network's logits, calibrated as the card says."""

from __future__ import annotations

import torch
from torch import Tensor

from georaster_dl.models.package.calibration import Calibration

__all__ = ["calibrated_logits", "class_probabilities"]


def class_probabilities(logits: Tensor, calibration: Calibration) -> Tensor:
    """Probabilities (..., classes, rows, cols), float32, of logits of the same shape."""
    return torch.softmax(calibrated_logits(logits, calibration), dim=-3)


def calibrated_logits(logits: Tensor, calibration: Calibration) -> Tensor:
    """Scale logits (..., classes, rows, cols) as the calibration says, in float32."""
    logits = logits.float()
    if calibration.gain:
        gain, offset = (
            logits.new_tensor(values)[:, None, None]
            for values in (calibration.gain, calibration.offset)
        )
        logits = gain * logits + offset
    return logits if calibration.temperature == 1 else logits / calibration.temperature
