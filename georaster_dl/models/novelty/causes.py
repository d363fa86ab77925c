"""Faults of a scene's values that explain why it is unlike the training of a model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from georaster_dl.models.novelty.mixture import Mixture

__all__ = ["BRIGHTEST", "Cause", "evidence"]

BRIGHTEST = 1.6
"""Reflectances beyond it are none: cloud and snow stay below."""
_ABOUT = 3.2  # times

Values = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Cause:
    """A fault that values may have.

    Attributes
    ----------
    text : what is seen and what to do, as the rest of a sentence.
    undo : values (pixels, bands) without the fault.
    factor : by which the fault multiplies values.
    """

    text: str
    undo: Callable[[Values], Values]
    factor: float = 1.0


def _less(values: Values, offset: float) -> Values:
    return values - offset


def _divided(values: Values, factor: float) -> Values:
    return values / factor


_OFFSET = "Sentinel-2's offset of -1000 (-0.1)"
_OFFSETS = tuple(
    Cause(
        f"all bands are {what} by about 0.1 than in training, as where {_OFFSET} was {done}; if so, "
        f"state `offset=`",
        partial(_less, offset=offset),
    )
    for offset, what, done in (
        (0.1, "brighter", "not taken off"),
        (-0.1, "darker", "taken off twice"),
    )
)
_SCALES = tuple(
    Cause(
        f"all values are about {factor:g} times those of training, as where a scale was {done}; if so, state "
        f"`scale=`",
        partial(_divided, factor=factor),
        factor=factor,
    )
    for factor, done in (
        (10.0, "left out"),
        (100.0, "left out"),
        (1e4, "left out"),
        (0.1, "applied twice"),
        (0.01, "applied twice"),
        (1e-4, "applied twice"),
    )
)


def _causes(quantity: str) -> tuple[Cause, ...]:
    """List the faults that values of a quantity may have."""
    return (*_OFFSETS, *_SCALES) if quantity == "reflectance" else _SCALES


def evidence(mixture: Mixture, values: Values, quantity: str) -> dict[Cause, float]:
    """Measure how much better pixels (pixels, bands) fit the training with each fault undone.

    Twice the logarithm of the likelihood ratio of the median pixel: above 0 where the fault is likelier
    than none. A fault that multiplies values by f spreads them over f^bands times the volume. Faults that
    the size of the values speaks against are left out: divided by 10, a snowfield would pass for water.
    """
    larger = float(np.median(np.abs(values)) / np.median(np.abs(mixture.means)))
    possible = quantity == "reflectance" and float(np.percentile(values, 98)) <= BRIGHTEST
    as_they_are = mixture.distances(values).min(axis=1)
    found = {}
    for cause in _causes(quantity):
        if cause.factor != 1 and not 1 / _ABOUT < larger / cause.factor < _ABOUT:
            continue
        if cause.factor > 1 and possible:
            continue
        undone = mixture.distances(cause.undo(values)).min(axis=1)
        spread = 2 * values.shape[1] * math.log(cause.factor)
        found[cause] = float(np.median(as_they_are - undone)) - spread
    return found
