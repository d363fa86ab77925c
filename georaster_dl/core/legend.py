"""The classes of a map: values, names and colours, and the nodata value that is none of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from georaster_dl.core.errors import OptionError
from georaster_dl.core.text import visible

__all__ = ["Legend", "MapClass"]


@dataclass(frozen=True)
class MapClass:
    """One class of a map: its pixel value, its name, and its colour as red, green, blue 0-255."""

    value: int
    name: str
    color: tuple[int, int, int]

    def __post_init__(self) -> None:
        """Make the name, which any file may state, one line of visible text."""
        object.__setattr__(self, "name", visible(self.name))


@dataclass(frozen=True)
class Legend:
    """Classes of a map in the order of the network's outputs.

    Attributes
    ----------
    classes : one entry per network output; values and names are unique.
    dtype : the smallest unsigned type that holds every class value and nodata.
    nodata : the largest value of ``dtype``; never a class.
    """

    classes: tuple[MapClass, ...]
    dtype: Literal["uint8", "uint16"] = field(init=False)
    nodata: int = field(init=False)

    def __post_init__(self) -> None:
        """Check that values and names are unique and settle dtype and nodata."""
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
        small = max(values) < 255
        object.__setattr__(self, "dtype", "uint8" if small else "uint16")
        object.__setattr__(self, "nodata", 255 if small else 65535)

    @property
    def values(self) -> list[int]:
        """Pixel value of each network output, in output order."""
        return [c.value for c in self.classes]

    @property
    def names(self) -> list[str]:
        """Name of each network output, in output order."""
        return [c.name for c in self.classes]
