"""95 % intervals of scores, from resampling spatial blocks.

Neighbouring pixels are no independent evidence, so whole blocks are drawn, not pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georaster_dl.evaluation.metrics.confusion import Confusion

__all__ = ["Intervals", "block_draws", "bootstrap", "percentiles"]

_Floats = npt.NDArray[np.float64]
_FEWEST_BLOCKS = 5


@dataclass(frozen=True, eq=False)
class Intervals:
    """Lower and upper end of each score's interval; NaN where undefined.

    Attributes
    ----------
    overall_accuracy, mean_iou : (2,) lower and upper end.
    f1, iou : (2, classes) lower and upper ends.
    blocks : blocks with at least one pair, which were resampled.
    replicates : how often.
    """

    overall_accuracy: _Floats
    mean_iou: _Floats
    f1: _Floats
    iou: _Floats
    blocks: int
    replicates: int


def bootstrap(
    blocks: npt.NDArray[np.integer],
    names: tuple[str, ...],
    *,
    replicates: int = 1000,
    seed: int = 0,
) -> Intervals:
    """Percentile intervals of the scores of all blocks together.

    Each replicate draws as many blocks as there are, with replacement. Where it happens to have
    none of a class, the class's score is left out of that class's interval and, as always, out of
    the mean. Fewer than 5 blocks tell nothing of their spread: every end is NaN then.

    Parameters
    ----------
    blocks : (blocks, classes, classes) confusion matrix of each block; empty ones do not count.
    names : the classes.
    replicates : number of draws.
    seed : of the random draws; the same gives the same intervals.
    """
    filled = blocks[blocks.any(axis=(1, 2))]
    n = len(filled)
    if n < _FEWEST_BLOCKS:
        nothing = np.full((2, len(names)), np.nan)
        return Intervals(nothing[:, 0], nothing[:, 0], nothing, nothing, n, 0)
    # In floating point, which is fast, and exact below 2^53.
    flat = filled.reshape(n, -1).astype(np.float64)
    drawn = [
        Confusion(names, (times @ flat).reshape(len(names), -1).astype(np.int64))
        for times in block_draws(n, replicates, seed)
    ]

    def ends(score: Callable[[Confusion], float | _Floats]) -> _Floats:
        return percentiles(np.array([score(confusion) for confusion in drawn]))

    return Intervals(
        overall_accuracy=ends(lambda c: c.overall_accuracy),
        mean_iou=ends(lambda c: c.mean_iou),
        f1=ends(lambda c: c.f1),
        iou=ends(lambda c: c.iou),
        blocks=n,
        replicates=replicates,
    )


def block_draws(blocks: int, replicates: int, seed: int) -> _Floats:
    """How often each of the blocks is drawn, (replicates, blocks); none where fewer than 5 are no sample.

    The sum over a draw is then a product of matrices.
    """
    if blocks < _FEWEST_BLOCKS:
        return np.zeros((0, blocks))
    generator = np.random.default_rng(seed)
    times = generator.multinomial(blocks, np.full(blocks, 1 / blocks), size=replicates)
    return times.astype(np.float64)


def percentiles(scores: _Floats) -> _Floats:
    """The 2.5th and 97.5th percentile over the first axis, NaN left out; NaN where all are."""
    out = np.full((2, *scores.shape[1:]), np.nan)
    known = np.isfinite(scores).any(axis=0)
    out[:, known] = np.nanpercentile(scores[:, known], [2.5, 97.5], axis=0)
    return out
