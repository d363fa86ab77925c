"""Average of the weights over the last steps, validated and packaged in place of the weights themselves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

__all__ = ["RunningAverage"]

_LONGEST = 0.998  # of a step's share: 500 steps are in the mean at most
_HEAD_START = 10.0
_OF_PREVIOUS = 0.99


class RunningAverage(WeightAveraging):
    """Exponential moving average of weights and BatchNorm statistics, over about a tenth of the steps so far.

    It grows with the training (Polyak & Juditsky 1992; the growing share as in TensorFlow's moving averages), so
    that the first epochs are not held back by weights that knew nothing. Validation and the checkpoint of the
    best epoch have the averaged weights, the last checkpoint both.

    Parameters
    ----------
    from_start : average with the weights that training starts from, which then have 0.99 of the first step's share
        and of every later one, instead of a growing share.
    """

    def __init__(self, *, from_start: bool = False) -> None:
        super().__init__(use_buffers=True, multi_avg_fn=partial(_averaged, from_start=from_start))
        self._from_start = from_start

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Make the average; torch replaces an average of no steps by the weights after the first."""
        super().setup(trainer, pl_module, stage)
        if self._from_start and self._average_model is not None:
            self._average_model.n_averaged.fill_(1)


@torch.no_grad()
def _averaged(
    average: Sequence[Tensor], current: Sequence[Tensor], steps: Tensor | int, *, from_start: bool
) -> None:
    """Move averages towards the current tensors, all of one type; whole numbers, which count batches, are copied."""
    done = int(steps)
    kept = _OF_PREVIOUS if from_start else min(_LONGEST, (1.0 + done) / (_HEAD_START + done))
    if average[0].is_floating_point():
        torch._foreach_lerp_(list(average), list(current), 1.0 - kept)
    else:
        torch._foreach_copy_(list(average), list(current))
