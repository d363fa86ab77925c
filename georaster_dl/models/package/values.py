"""Inputs and outputs of a model: bands, quantities, and prediction intervals."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Self

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import Band

__all__ = ["InputBand", "Interval", "Target"]


@dataclass(frozen=True)
class InputBand(Band):
    """A band that a network reads, normalised as ``(x - mean) / std``.

    Attributes
    ----------
    mean, std : of the values seen in training, in their physical unit.
    """

    mean: float = field(kw_only=True)
    std: float = field(kw_only=True)

    @classmethod
    def of(cls, band: Band, mean: float, std: float) -> Self:
        """Normalise a band of a scene by these moments of its values."""
        facts = {each.name: getattr(band, each.name) for each in fields(Band)}
        return cls(**facts | {"good": True}, mean=float(mean), std=float(std))


@dataclass(frozen=True)
class Interval:
    """Half the width of a prediction interval: factor * sqrt(spread^2 + floor^2).

    Split-conformal: ``factor`` was chosen on data that no weight was learnt from, so that a share of
    ``level`` of new values of the same kind lies within.

    Attributes
    ----------
    level : share of values within the interval, 0..1.
    factor : without unit.
    floor : in the target's unit; the spread of an ensemble's members, where there is one, adds to it.
    """

    level: float
    factor: float
    floor: float

    def half_width(self, spread: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Half the width (n,) for the spread (n,) of an ensemble's members."""
        return np.asarray(self.factor * np.hypot(spread, self.floor))


@dataclass(frozen=True)
class Target:
    """A quantity that a model predicts, or a fraction: value = network's output * std + mean.

    Attributes
    ----------
    name : for example ``canopy height``.
    unit : unit of the values, such as ``m``; empty where they have none.
    mean, std : of the values seen in training, in that unit.
    interval : how sure a value is; None where that was not measured.
    """

    name: str
    unit: str = ""
    _: KW_ONLY
    mean: float = 0.0
    std: float = 1.0
    interval: Interval | None = None

    @property
    def label(self) -> str:
        """Name and unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name
