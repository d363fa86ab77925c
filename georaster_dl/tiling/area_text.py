"""Minimum areas in square metres, hectares or pixels, read from text."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from georaster_dl.core.errors import OptionError

__all__ = ["MinimumArea", "parse_area"]

_SQUARE_METRES = {"m2": 1.0, "m²": 1.0, "ha": 1e4, "km2": 1e6, "km²": 1e6}
_PIXELS = "px"
_NUMBER_AND_UNIT = re.compile(r"\s*([0-9.eE+-]*[0-9.])\s*([^\W\d_]*[2²]?)\s*")
_EXPECTED = "a number above 0 with m2, ha, km2 or px (pixels), as 100m2, 0.5ha or 12px"


@dataclass(frozen=True)
class MinimumArea:
    """Area below which something is too small.

    Attributes
    ----------
    amount : number above 0.
    in_pixels : whether it counts pixels; else it is in square metres on the ground.
    text : as it was written.
    """

    amount: float
    in_pixels: bool
    text: str

    def pixels(self, pixel_m2: float | None) -> float:
        """Convert to pixels, which may be no whole number.

        Parameters
        ----------
        pixel_m2 : ground area of a pixel in square metres; None where that is unknown.

        Raises
        ------
        OptionError
            When a ground area is asked for where a pixel has none.
        """
        if self.in_pixels:
            return self.amount
        if pixel_m2 is None or not pixel_m2 > 0:
            raise OptionError(
                f"The area {self.text} is on the ground, but the raster does not say how large its pixels are "
                f"(no CRS, or one of unknown unit); give pixels, as 12px."
            )
        return round(self.amount / pixel_m2, 9)  # 0.9 m2 of 0.09 m2 are 10 pixels


def parse_area(text: str, setting: str) -> MinimumArea:
    """Read an area that is written as a number with its unit: ``100m2``, ``0.5ha``, ``0.2km2``, ``12px``.

    Parameters
    ----------
    setting : name of the keyword argument that it was given to, for the message.

    Raises
    ------
    OptionError
        When the number is missing, not finite or not above 0, or the unit is missing or another.
    """
    found = _NUMBER_AND_UNIT.fullmatch(text)
    wrong = OptionError(f"`{setting}={text}` is no area; give {_EXPECTED}.")
    if found is None:
        raise wrong
    number, unit = found[1], found[2].lower()
    try:
        amount = float(number)
    except ValueError:
        raise wrong from None
    if not unit:
        raise OptionError(f"`{setting}={text}` has no unit; give {_EXPECTED}.")
    if not (amount > 0 and math.isfinite(amount)):
        raise OptionError(f"`{setting}={text}` is not above 0; give {_EXPECTED}.")
    if unit == _PIXELS:
        return MinimumArea(amount, True, text)
    if unit not in _SQUARE_METRES:
        raise OptionError(f"`{setting}={text}` has the unit {found[2]!r}; give {_EXPECTED}.")
    return MinimumArea(amount * _SQUARE_METRES[unit], False, text)
