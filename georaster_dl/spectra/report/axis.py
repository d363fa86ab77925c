"""Axes of charts: ranges, round ticks and categories."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Axis"]

_Floats = npt.NDArray[np.float64]

_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Axis:
    """Axis of a chart: its label and its range.

    Attributes
    ----------
    label : quantity and unit.
    low, high : its ends.
    log : whether its scale is logarithmic.
    names : of categories at 0, 1, 2, ...; none on an axis of numbers.
    whole : whether only whole numbers are marked.
    """

    label: str
    low: float
    high: float
    log: bool = False
    names: tuple[str, ...] = ()
    whole: bool = False

    @classmethod
    def around(cls, label: str, *values: npt.ArrayLike, margin: float = 0.04) -> Axis:
        """Make an axis that holds all finite values, with a margin that is a share of their range."""
        flat = np.concatenate([np.asarray(each, np.float64).ravel() for each in values])
        finite = flat[np.isfinite(flat)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        room = margin * (high - low) or 0.05 * abs(high) or 1.0
        return cls(label, low - room, high + room)

    @classmethod
    def up_from_zero(cls, label: str, *values: npt.ArrayLike) -> Axis:
        """Make an axis from 0 to somewhat above the largest finite value."""
        return cls(label, 0.0, max(cls.around(label, 0.0, *values).high, 1e-12))

    @classmethod
    def of_names(cls, label: str, names: tuple[str, ...]) -> Axis:
        """Make an upright axis of categories, the first on top."""
        return cls(label, len(names) - 0.4, -0.6, names=names)

    def share(self, values: npt.ArrayLike) -> _Floats:
        """Place of values along the axis, from 0 at its low end to 1 at its high."""
        numbers = np.asarray(values, np.float64)
        if self.log:
            floor = np.maximum(numbers, self.low)
            return np.asarray(np.log(floor / self.low) / math.log(self.high / self.low))
        return np.asarray((numbers - self.low) / (self.high - self.low))

    def ticks(self, most: int = 7) -> list[tuple[float, str]]:
        """Choose values to mark, at most about ``most``, with their texts."""
        from matplotlib.ticker import LogLocator, MaxNLocator

        if self.names:
            return [(float(i), name) for i, name in enumerate(self.names)]
        locator = LogLocator() if self.log else MaxNLocator(most, steps=_STEPS, integer=self.whole)
        values = locator.tick_values(self.low, self.high)
        slack = 1e-9 * (self.high - self.low)
        step = float(np.diff(values).min()) if len(values) > 1 else 1.0
        return [
            (float(value), _text(float(value), step, log=self.log))
            for value in values
            if self.low - slack <= value <= self.high + slack
        ]


def _text(value: float, step: float, *, log: bool) -> str:
    """Write a tick's value with as many digits as its step needs, and a proper minus."""
    digits = next((n for n in range(12) if abs(round(step, n) - step) < 1e-6 * step), 12)
    if log:
        text = f"{value:g}"
    elif digits > 4 or abs(value) >= 1e6:
        mantissa, exponent = f"{value:.2e}".split("e")
        text = f"{float(mantissa):g}e{int(exponent)}" if abs(value) > step / 1e6 else "0"
    else:
        text = f"{value:.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}")
