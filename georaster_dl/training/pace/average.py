"""Average of the weights over the last steps, validated and packaged in place of the weights themselves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

__all__ = ["RunningAverage"]

_LONGEST = 0.998  # of a step's share: 500 steps are in the mean at most
_HEAD_START = 10.0


class RunningAverage(WeightAveraging):
    """Exponential moving average of weights and BatchNorm statistics, over about a tenth of the steps so far.

    It grows with the training (Polyak & Juditsky 1992; the growing share as in TensorFlow's moving averages), so
    that the first epochs are not held back by weights that knew nothing. Validation and the checkpoint of the
    best epoch have the averaged weights, the last checkpoint both.
    """

    def __init__(self) -> None:
        super().__init__(use_buffers=True, multi_avg_fn=_averaged)


@torch.no_grad()
def _averaged(average: Sequence[Tensor], current: Sequence[Tensor], steps: Tensor | int) -> None:
    """Move averages towards the current tensors, all of one type; whole numbers, which count batches, are copied."""
    done = int(steps)
    share = 1.0 - min(_LONGEST, (1.0 + done) / (_HEAD_START + done))
    if average[0].is_floating_point():
        torch._foreach_lerp_(list(average), list(current), share)
    else:
        torch._foreach_copy_(list(average), list(current))
