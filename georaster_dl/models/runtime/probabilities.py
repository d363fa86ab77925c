"""Class probabilities of a network's logits, calibrated as the card says."""

from __future__ import annotations

import torch
from torch import Tensor

from georaster_dl.models.package.calibration import Calibration

__all__ = ["class_probabilities"]


def class_probabilities(logits: Tensor, calibration: Calibration) -> Tensor:
    """Probabilities (..., classes, rows, cols), float32, of logits of the same shape."""
    logits = logits.float()
    if calibration.gain:
        gain, offset = (
            logits.new_tensor(values)[:, None, None]
            for values in (calibration.gain, calibration.offset)
        )
        logits = gain * logits + offset
    return torch.softmax(logits / calibration.temperature, dim=-3)
