"""Calibration of class probabilities, as a card holds it, with the quantiles that sets and rejection need."""

from __future__ import annotations

import math
from typing import Annotated, Self

from pydantic import Field, model_validator

from georaster_dl.core.errors import OptionError
from georaster_dl.models.package.limits import FilePart, Share

__all__ = ["QUANTILES", "Calibration"]

QUANTILES = 201
"""Number of stored quantiles: of the shares 0, 0.005, ... 1."""

_Gain = Annotated[float, Field(ge=0.01, le=100)]
_Offset = Annotated[float, Field(ge=-100, le=100)]
_Quantiles = Annotated[tuple[Share, ...], Field(max_length=QUANTILES)]


class Calibration(FilePart):
    """How logits become probabilities that are meant: softmax((gain * logit + offset) / temperature).

    Attributes
    ----------
    temperature : that divides the logits.
    ece : expected calibration error that it leaves, on other ground than it was fitted on.
    gain, offset : one of each class (vector scaling); empty for temperature alone.
    pixels : labelled pixels that the quantiles are of; 0 where there are none.
    scores : largest score, 1 - probability, of a class in a prediction set, for the levels 0, 0.005, ... 1.
    confidence : quantiles of the probability of the mapped class, for the same shares.
    """

    temperature: Annotated[float, Field(ge=0.01, le=100)] = 1.0
    ece: Share | None = None
    gain: Annotated[tuple[_Gain, ...], Field(max_length=1024)] = ()
    offset: Annotated[tuple[_Offset, ...], Field(max_length=1024)] = ()
    pixels: Annotated[int, Field(ge=0, le=10**12)] = 0
    scores: _Quantiles = ()
    confidence: _Quantiles = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.gain) != len(self.offset):
            raise ValueError(
                f"gain has {len(self.gain)} numbers and offset {len(self.offset)}, but each class needs both"
            )
        for name in ("scores", "confidence"):
            values = getattr(self, name)
            if len(values) not in (0, QUANTILES) or list(values) != sorted(values):
                raise ValueError(
                    f"{name} must be {QUANTILES} ascending numbers, or none, but has {len(values)}"
                )
        return self

    def largest_score(self, level: float) -> float:
        """Look up the score, 1 - probability, up to which a class is in the prediction set of a level.

        Between two stored levels the higher one is taken.

        Raises
        ------
        OptionError
            When the level is not between 0 and 1, or nothing is known of the scores.
        """
        return self._quantiles("scores", level)[math.ceil(_place(level))]

    def least_confidence(self, coverage: float) -> float:
        """Look up the confidence that a share ``coverage`` of the calibration pixels reaches.

        Raises
        ------
        OptionError
            When the coverage is not between 0 and 1, or nothing is known of the confidence.
        """
        return self._quantiles("confidence", coverage)[math.floor(_place(1 - coverage))]

    def _quantiles(self, name: str, share: float) -> tuple[float, ...]:
        if not 0 < share < 1:
            raise OptionError(
                f"A share of pixels lies between 0 and 1, such as 0.9, but is {share:g}."
            )
        values: tuple[float, ...] = getattr(self, name)
        if not values:
            raise OptionError(
                "The model's card has no quantiles of its probabilities on ground kept from training, which "
                "prediction sets and rejection rest on; make a package that has them with `geodl calibrate`."
            )
        return values


def _place(share: float) -> float:
    """Find the place of a share among the quantiles; a rounding error is no step."""
    place = share * (QUANTILES - 1)
    nearest = round(place)
    return nearest if math.isclose(place, nearest, abs_tol=1e-6) else place
