"""Distributions that traits of leaves, canopies and soils are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import truncnorm

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import listed, nearest_names

__all__ = ["CANOPY", "LEAF", "SOIL", "Normal", "Range", "Traits", "check_ranges", "draw"]

_Floats = npt.NDArray[np.float64]
Traits = dict[str, _Floats]
Range = tuple[float, float]


@dataclass(frozen=True)
class Normal:
    """Normal distribution cut off at both ends.

    Attributes
    ----------
    mean, std : of the whole distribution.
    low, high : ends.
    """

    mean: float
    std: float
    low: float
    high: float

    def draw(self, n: int, random: np.random.Generator) -> _Floats:
        """Draw (n,) values."""
        low, high = (self.low - self.mean) / self.std, (self.high - self.mean) / self.std
        values = truncnorm.rvs(low, high, self.mean, self.std, size=n, random_state=random)
        return np.asarray(values, np.float64)


@dataclass(frozen=True)
class Uniform:
    """Uniform distribution.

    Attributes
    ----------
    low, high : ends.
    """

    low: float
    high: float

    def draw(self, n: int, random: np.random.Generator) -> _Floats:
        """Draw (n,) values."""
        return random.uniform(self.low, self.high, n)


# Means and widths after Weiss & Baret (2016, S2ToolBox level 2 products, version 1.1), wider where crops are.
LEAF: Mapping[str, Normal | Uniform] = {
    "n": Normal(1.6, 0.3, 1.2, 2.4),
    "cab": Normal(45.0, 20.0, 5.0, 90.0),
    "car": Uniform(0.15, 0.3),  # of the chlorophyll
    "brown": Normal(0.0, 0.1, 0.0, 0.5),
    "cw": Normal(0.75, 0.08, 0.6, 0.87),  # of the fresh mass
    "cm": Normal(0.006, 0.003, 0.002, 0.015),
}
"""Leaves: carotenoids are drawn in shares of chlorophyll and water in shares of fresh mass, as they go together."""

CANOPY: Mapping[str, Normal | Uniform] = {
    "lai": Normal(2.0, 2.0, 0.0, 8.0),
    "ala": Normal(57.0, 15.0, 25.0, 80.0),
    "hotspot": Uniform(0.02, 0.5),
    "sun_zenith": Uniform(20.0, 65.0),
    "view_zenith": Uniform(0.0, 12.0),
    "relative_azimuth": Uniform(0.0, 360.0),
}
"""Canopies of fields, seen as Sentinel-2 does."""

SOIL: Mapping[str, Normal | Uniform] = {
    "brightness": Normal(0.36, 0.14, 0.08, 0.8),
    "rise": Normal(410.0, 110.0, 220.0, 800.0),
    "steepness": Normal(1.9, 0.6, 1.0, 3.5),
    "clay": Normal(0.1, 0.12, 0.0, 0.4),
    "wet": Uniform(0.0, 1.0),
    "film": Normal(0.0, 0.03, 0.0, 0.1),
}
"""Soils: rise and steepness as of 4,000 dried soils of the world (ICRAF-ISRIC), darker, as in the field they are rough."""

LIMITS: Mapping[str, Range] = {
    "n": (1.0, 4.0),
    "cab": (0.0, 200.0),
    "car": (0.0, 60.0),
    "brown": (0.0, 10.0),
    "cw": (0.0, 0.1),
    "cm": (0.0, 0.1),
    "lai": (0.0, 15.0),
    "brightness": (0.0, 1.0),
    "rise": (50.0, 2000.0),
    "steepness": (0.5, 5.0),
    "clay": (0.0, 1.0),
    "wet": (0.0, 1.0),
    "film": (0.0, 0.5),
    "cover": (0.0, 1.0),
    "yellow": (0.0, 1.0),
}
"""Least and largest values that leaves, canopies and soils have, in the units of the columns; the canopy model itself bounds its angles."""


def check_ranges(ranges: Mapping[str, Range], known: Mapping[str, object]) -> None:
    """Refuse ranges of traits that the method does not draw.

    Raises
    ------
    OptionError
        When a trait is not known, or its range is turned round, not finite, or beyond what the trait can be.
    """
    for name, (low, high) in ranges.items():
        if name not in known:
            raise OptionError(
                f"`traits={name}=...`: no such trait{nearest_names(name, known)}; known are {listed(known, len(known))}."
            )
        if not np.isfinite([low, high]).all() or low > high:
            raise OptionError(
                f"`traits={name}={low:g}..{high:g}` is no range; give its least and its largest value."
            )
        least, largest = LIMITS.get(name, (-np.inf, np.inf))
        if low < least or high > largest:
            got = f"{low:g}" if low == high else f"{low:g} to {high:g}"
            raise OptionError(
                f"`traits={name}=...`: {name} is {least:g} to {largest:g}, but got {got}; give values within."
            )


def draw(
    distributions: Mapping[str, Normal | Uniform],
    ranges: Mapping[str, Range],
    n: int,
    random: np.random.Generator,
) -> Traits:
    """Draw (n,) values of each trait, uniform within those ranges that are given."""
    return {
        name: (Uniform(*ranges[name]) if name in ranges else distribution).draw(n, random)
        for name, distribution in distributions.items()
    }
