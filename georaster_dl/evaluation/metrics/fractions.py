"""Errors of a map of fractions, each by itself, and their intervals from spatial blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georaster_dl.evaluation.metrics.bootstrap import block_draws, percentiles

__all__ = ["SUMS", "FractionIntervals", "FractionScores", "error_sums", "fraction_intervals"]

SUMS = 6
"""Sums over pairs that all scores follow from: pairs, errors, their squares, their absolute values, reference, its squares."""

_NO_VARIANCE = 1e-14  # what rounding leaves of the variance of a constant

_Floats = npt.NDArray[np.float64]


def error_sums(mapped: _Floats, true: _Floats) -> _Floats:
    """Make the terms of the sums, (SUMS, ...), of pairs (...) of fractions.

    Fractions are 0 to 1, so that sums of squares lose no digits.
    """
    error = mapped - true
    return np.stack([np.ones_like(error), error, error**2, np.abs(error), true, true**2])


@dataclass(frozen=True, eq=False)
class FractionScores:
    """Errors of mapped fractions against the reference, NaN where unknown.

    Parameters
    ----------
    sums : (..., SUMS, fractions) over all pairs.
    """

    sums: _Floats

    @property
    def n(self) -> _Floats:
        """Pairs of each fraction."""
        return self.sums[..., 0, :]

    @property
    def bias(self) -> _Floats:
        """Mean of mapped minus reference."""
        return self._mean(1)

    @property
    def rmse(self) -> _Floats:
        """Root mean square error."""
        return np.sqrt(self._mean(2))

    @property
    def mae(self) -> _Floats:
        """Mean absolute error."""
        return self._mean(3)

    @property
    def mean(self) -> _Floats:
        """Mean of the reference."""
        return self._mean(4)

    @property
    def sd(self) -> _Floats:
        """Standard deviation of the reference: the RMSE of always predicting its mean."""
        return np.sqrt(np.maximum(self._mean(5) - self.mean**2, 0.0))

    @property
    def r2(self) -> _Floats:
        """1 - SSE / SST, negative where the mean would predict better; NaN without variation."""
        variance = np.square(self.sd)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(variance > _NO_VARIANCE, 1 - self._mean(2) / variance, np.nan)

    def _mean(self, index: int) -> _Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.sums[..., index, :] / self.n


@dataclass(frozen=True, eq=False)
class FractionIntervals:
    """Lower and upper end of each score's interval, NaN where undefined.

    Attributes
    ----------
    mae, rmse, bias, r2 : (2, fractions) lower and upper ends.
    mean_mae, mean_rmse : (2,) of the means over the fractions.
    blocks : blocks with at least one pair, which were resampled.
    replicates : how often.
    """

    mae: _Floats
    rmse: _Floats
    bias: _Floats
    r2: _Floats
    mean_mae: _Floats
    mean_rmse: _Floats
    blocks: int
    replicates: int


def fraction_intervals(
    blocks: _Floats, *, replicates: int = 1000, seed: int = 0
) -> FractionIntervals:
    """Percentile intervals of 95 % of the scores of all blocks together.

    Each replicate draws as many blocks as there are, with replacement. Fewer than 5 blocks tell nothing of their
    spread: every end is NaN then.

    Parameters
    ----------
    blocks : (blocks, SUMS, fractions); empty ones do not count.
    replicates : number of draws.
    seed : of the random draws; the same gives the same intervals.
    """
    filled = blocks[(blocks[:, 0] > 0).any(axis=1)]
    draws = block_draws(len(filled), replicates, seed)
    drawn = FractionScores(np.einsum("db,bsf->dsf", draws, filled))
    if not len(draws):
        nothing = np.full((2, blocks.shape[-1]), np.nan)
        none = nothing[:, 0]
        return FractionIntervals(nothing, nothing, nothing, nothing, none, none, len(filled), 0)
    return FractionIntervals(
        mae=percentiles(drawn.mae),
        rmse=percentiles(drawn.rmse),
        bias=percentiles(drawn.bias),
        r2=percentiles(drawn.r2),
        mean_mae=percentiles(drawn.mae.mean(axis=1)),
        mean_rmse=percentiles(drawn.rmse.mean(axis=1)),
        blocks=len(filled),
        replicates=replicates,
    )
