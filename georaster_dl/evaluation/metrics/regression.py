"""Errors of a map of numbers, from moments that add up over the blocks of a map."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError

__all__ = ["RegressionScores"]


@dataclass(frozen=True)
class RegressionScores:
    """How far predicted numbers are from the reference; scores of no pair at all are NaN.

    Means and sums of squares about them are kept, not sums of squares of the numbers themselves:
    elevations near 4000 m that vary by centimetres would lose them. They are combined as in Chan,
    Golub & LeVeque 1983.

    Attributes
    ----------
    n : pairs.
    bias : mean of predicted minus reference.
    error_squares : sum of squares of the errors about the bias.
    absolute : sum of the errors' absolute values.
    mean : mean of the reference.
    squares : sum of squares of the reference about its mean.
    """

    n: int = 0
    bias: float = math.nan
    error_squares: float = 0.0
    absolute: float = 0.0
    mean: float = math.nan
    squares: float = 0.0

    @classmethod
    def of(
        cls, predicted: npt.NDArray[np.floating], reference: npt.NDArray[np.floating]
    ) -> RegressionScores:
        """Take the moments of the pairs of which both numbers are finite.

        Raises
        ------
        OptionError
            When the shapes differ.
        """
        if predicted.shape != reference.shape:
            raise OptionError(
                f"Map and reference must have one shape, but have {predicted.shape} and "
                f"{reference.shape}."
            )
        known = np.isfinite(predicted) & np.isfinite(reference)
        if not known.any():
            return cls()
        true = reference[known].astype(np.float64)
        error = predicted[known] - true
        bias, mean = float(error.mean()), float(true.mean())
        return cls(
            n=len(true),
            bias=bias,
            error_squares=float(((error - bias) ** 2).sum()),
            absolute=float(np.abs(error).sum()),
            mean=mean,
            squares=float(((true - mean) ** 2).sum()),
        )

    def __add__(self, other: RegressionScores) -> RegressionScores:
        if not self.n or not other.n:
            return other if other.n else self
        n = self.n + other.n
        weight = other.n / n
        cross = self.n * weight
        return RegressionScores(
            n=n,
            bias=self.bias + weight * (other.bias - self.bias),
            error_squares=self.error_squares
            + other.error_squares
            + cross * (other.bias - self.bias) ** 2,
            absolute=self.absolute + other.absolute,
            mean=self.mean + weight * (other.mean - self.mean),
            squares=self.squares + other.squares + cross * (other.mean - self.mean) ** 2,
        )

    @property
    def rmse(self) -> float:
        """Root mean square error, in the unit of the numbers."""
        return math.sqrt(self.error_squares / self.n + self.bias**2) if self.n else math.nan

    @property
    def mae(self) -> float:
        """Mean absolute error, in the unit of the numbers."""
        return self.absolute / self.n if self.n else math.nan

    @property
    def sd(self) -> float:
        """Standard deviation of the reference: the RMSE of always predicting its mean."""
        return math.sqrt(self.squares / self.n) if self.n else math.nan

    @property
    def r2(self) -> float:
        """1 - SSE / SST, negative where the mean would predict better; NaN without variation.

        Not the square of the correlation, which overlooks bias.
        """
        return 1 - (self.rmse / self.sd) ** 2 if self.squares > 0 else math.nan
