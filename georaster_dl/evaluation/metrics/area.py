"""Accuracy and area of map classes estimated from a sample stratified by map class.

Olofsson et al. 2014, Good practices for estimating area and assessing accuracy of land change,
Remote Sensing of Environment 148, 42-57. The estimates hold for a probability sample whose strata
are the map's own classes: random points in each. For other strata see Stehman 2014.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError

__all__ = ["Z_95", "AreaEstimate", "estimate_areas", "sample_size"]

_Floats = npt.NDArray[np.float64]

Z_95 = 1.96
"""Half the width of a 95 % interval in standard errors, as the paper rounds it."""


@dataclass(frozen=True, eq=False)
class AreaEstimate:
    """Area-weighted accuracy and adjusted areas; ``*_se`` are standard errors of the field before.

    What the sample cannot tell is NaN: everything that a mapped class without a sample enters, and
    the standard errors that one with a single sample enters.

    Attributes
    ----------
    mapped : (classes,) area of each map class, in the unit given.
    cells : (classes, classes) share of the area of each (map, reference) pair.
    overall : overall accuracy, 0-1.
    users, producers : (classes,) 0-1.
    shares : (classes,) estimated share of the area of each reference class, 0-1.
    """

    mapped: _Floats
    cells: _Floats
    overall: float
    overall_se: float
    users: _Floats
    users_se: _Floats
    producers: _Floats
    producers_se: _Floats
    shares: _Floats
    shares_se: _Floats

    @property
    def areas(self) -> _Floats:
        """(classes,) estimated area of each reference class, in the unit of ``mapped``."""
        return np.asarray(self.shares * self.mapped.sum(), np.float64)

    @property
    def areas_se(self) -> _Floats:
        """(classes,) standard error of :attr:`areas`."""
        return np.asarray(self.shares_se * self.mapped.sum(), np.float64)

    @property
    def quantity_disagreement(self) -> float:
        """Half the sum of differences between mapped and estimated shares, 0-1."""
        rows = self.mapped / self.mapped.sum()
        return float(np.abs(rows - self.shares).sum() / 2)

    @property
    def allocation_disagreement(self) -> float:
        """Rest of the disagreement: 1 - overall accuracy - quantity disagreement."""
        return 1 - self.overall - self.quantity_disagreement


def estimate_areas(counts: npt.NDArray[np.integer], mapped: npt.ArrayLike) -> AreaEstimate:
    """Estimate accuracy and areas from a sample and the areas of the map's classes.

    With W_i the mapped share of class i and n_ij the counts, the area share of a pair is
    p_ij = W_i n_ij / n_i. ; overall, user's and producer's accuracy are those of p. Variances:
    V(O) = sum W_i^2 U_i (1 - U_i) / (n_i. - 1); V(U_i) = U_i (1 - U_i) / (n_i. - 1);
    V(p_.k) = sum (W_i p_ik - p_ik^2) / (n_i. - 1); V(P_j) is the paper's equation 7.

    Parameters
    ----------
    counts : (classes, classes) sample counts; rows are the map, columns the reference.
    mapped : (classes,) area of each map class without nodata, in an equal-area measure.

    Raises
    ------
    OptionError
        When the shapes do not fit, or nothing is mapped.
    """
    areas = np.asarray(mapped, np.float64)
    if counts.shape != (len(areas), len(areas)) or not areas.sum() > 0 or areas.min() < 0:
        raise OptionError(
            f"Areas of the map's classes must be positive and as many as the {counts.shape} matrix "
            f"has rows, but are {areas.tolist()}."
        )
    weights = areas / areas.sum()
    n = counts.sum(axis=1, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 / 0 is the NaN that is meant
        conditional = counts / n[:, None]
        # Variance of each conditional share; a class with one sample has none.
        variance = conditional * (1 - conditional) / np.where(n > 1, n - 1, np.nan)[:, None]
        cells = _weighted(weights, conditional)
        spread = _weighted(weights**2, variance)
        shares = cells.sum(axis=0)
        users = conditional.diagonal()
        producers = cells.diagonal() / shares
        # V(P_j) of the paper, with N_i. and N_.j divided by the total area: the ratio is the same.
        of_others = spread.sum(axis=0) - spread.diagonal()
        numerator = (1 - producers) ** 2 * spread.diagonal() + producers**2 * of_others
        producers_se = np.sqrt(numerator) / shares
    return AreaEstimate(
        mapped=areas,
        cells=cells,
        overall=float(cells.trace()),
        overall_se=math.sqrt(spread.trace()),
        users=users,
        users_se=np.sqrt(variance.diagonal()),
        producers=producers,
        producers_se=producers_se,
        shares=shares,
        shares_se=np.sqrt(spread.sum(axis=0)),
    )


def _weighted(weights: _Floats, rows: _Floats) -> _Floats:
    """Rows by their weights; a class that is not mapped adds nothing, not even its NaN."""
    return np.where(weights[:, None] > 0, weights[:, None] * rows, 0.0)


def sample_size(
    weights: Sequence[float], users_accuracy: Sequence[float], standard_error: float
) -> int:
    """Points needed for a standard error of the overall accuracy: (sum W_i S_i / S(O))^2, rounded up.

    Parameters
    ----------
    weights : mapped share of each class.
    users_accuracy : what each class's user's accuracy is expected to be, 0-1; S_i is
        sqrt(U_i (1 - U_i)).
    standard_error : wanted S(O), for example 0.01.

    Raises
    ------
    OptionError
        When the standard error is not positive or an accuracy lies outside 0-1.
    """
    if not 0 < standard_error < 1:
        raise OptionError(
            f"The standard error must lie between 0 and 1, not {standard_error}; 0.01 is usual."
        )
    if not all(0 <= u <= 1 for u in users_accuracy):
        raise OptionError(f"User's accuracies must lie in 0..1, but are {list(users_accuracy)}.")
    pairs = zip(weights, users_accuracy, strict=True)
    spread = sum(w * math.sqrt(u * (1 - u)) for w, u in pairs)
    return math.ceil((spread / standard_error) ** 2)
