"""Shares of the pixels of a stack that are clear, date by date."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georaster_dl.io.blocks import chunks
from georaster_dl.io.stacks.stack import TimeStack

__all__ = ["ClearShares", "clear_shares"]

_SIDE = 256  # pixels of a window
_MOST_WINDOWS = 25


@dataclass(frozen=True, eq=False)
class ClearShares:
    """How much of a stack is clear.

    Attributes
    ----------
    sensors : (dates,) share of the pixels with a measurement, of each sensor.
    fewest, most : dates with a measurement of a pixel, all sensors together.
    exact : whether every pixel was read, and not a few windows.
    """

    sensors: tuple[npt.NDArray[np.float64], ...]
    fewest: int
    most: int
    exact: bool


def clear_shares(stack: TimeStack) -> ClearShares:
    """Count the clear pixels of each date, of a large stack in a few windows all over it."""
    rows, cols = (list(chunks(size, _SIDE)) for size in stack.shape)
    exact = len(rows) * len(cols) <= _MOST_WINDOWS
    if not exact:
        side = int(_MOST_WINDOWS**0.5)
        rows, cols = _spread(rows, side), _spread(cols, _MOST_WINDOWS // min(side, len(rows)))
    clear = [np.zeros(len(sensor.dates)) for sensor in stack.sensors]
    pixels, fewest, most = 0, np.iinfo(np.int64).max, 0
    with stack.reader() as reader:
        for window in ((row, col) for row in rows for col in cols):
            valid = [~np.isnan(values[:, 0]) for values in reader.read(*window)]
            for i, own in enumerate(valid):
                clear[i] += own.sum((1, 2))
            dates = sum(own.sum(0) for own in valid)
            pixels += dates.size
            fewest, most = min(fewest, int(dates.min())), max(most, int(dates.max()))
    return ClearShares(tuple(counted / pixels for counted in clear), fewest, most, exact)


def _spread(slices: list[slice], number: int) -> list[slice]:
    """Some of the slices, from the first to the last in equal steps."""
    places = np.linspace(0, len(slices) - 1, min(number, len(slices))).round().astype(int)
    return [slices[place] for place in places]
