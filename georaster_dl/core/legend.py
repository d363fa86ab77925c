"""The classes of a map: values, names and colours, and the nodata value that is none of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from georaster_dl.core.errors import OptionError
from georaster_dl.core.text import visible

__all__ = ["Color", "Legend", "MapClass", "color_hex", "parse_color"]

Color = tuple[int, int, int]
"""Red, green and blue, 0-255 each."""

_HEX = re.compile(r"#?([0-9A-Fa-f]{6})")


def color_hex(color: Color) -> str:
    """Write a colour as ``#rrggbb``."""
    return f"#{bytes(color).hex()}"


def parse_color(text: str) -> Color:
    """Read a colour that is written as ``#rrggbb`` or ``rrggbb``.

    Raises
    ------
    OptionError
        When the text is anything else.
    """
    digits = _HEX.fullmatch(text)
    if digits is None:
        raise OptionError(f"The color is {text!r}, but #rrggbb is expected, for example #1f77b4.")
    red, green, blue = bytes.fromhex(digits[1])
    return red, green, blue


@dataclass(frozen=True)
class MapClass:
    """One class of a map: its pixel value, its name, and its colour as red, green, blue 0-255."""

    value: int
    name: str
    color: Color

    def __post_init__(self) -> None:
        """Make the name, which any file may state, one line of visible text."""
        object.__setattr__(self, "name", visible(self.name))


@dataclass(frozen=True)
class Legend:
    """Classes of a map in the order of the network's outputs.

    Attributes
    ----------
    classes : one entry per network output; values and names are unique.
    byte_nodata : nodata of a raster of bytes that has a class 255; None where this may take a wider type.
    dtype : the smallest unsigned type that holds every class value and nodata.
    nodata : the largest value of ``dtype``, but in bytes with a class 255; never a class.
    """

    classes: tuple[MapClass, ...]
    byte_nodata: int | None = None
    dtype: Literal["uint8", "uint16"] = field(init=False)
    nodata: int = field(init=False)

    def __post_init__(self) -> None:
        """Check that values and names are unique, and choose dtype and nodata."""
        values = [c.value for c in self.classes]
        names = [c.name for c in self.classes]
        if not values or len(set(values)) < len(values) or len(set(names)) < len(names):
            raise OptionError(
                f"A legend needs classes with distinct values and names, but got values {values} "
                f"and names {names}; rename or renumber the classes."
            )
        if min(values) < 0 or max(values) > 65534:
            raise OptionError(
                f"Class values must lie in 0..65534, but got {min(values)}..{max(values)}."
            )
        if self.byte_nodata in values:
            raise OptionError(
                f"{self.byte_nodata} cannot be a class and nodata, too; give another nodata value."
            )
        small = max(values) < 255
        nodata = 255 if small else 65535
        if max(values) == 255 and self.byte_nodata is not None:
            small, nodata = True, self.byte_nodata
        object.__setattr__(self, "dtype", "uint8" if small else "uint16")
        object.__setattr__(self, "nodata", nodata)

    @property
    def values(self) -> list[int]:
        """Pixel value of each network output, in output order."""
        return [c.value for c in self.classes]

    @property
    def names(self) -> list[str]:
        """Name of each network output, in output order."""
        return [c.name for c in self.classes]
