"""Options of the comparison of objects."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

from georaster_dl.core.errors import OptionError
from georaster_dl.core.scene_options import LabelOptions

__all__ = ["ObjectOptions", "Tolerance"]

_LENGTH = re.compile(r"\s*([0-9]+\.?[0-9]*|\.[0-9]+)\s*(px|m)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Tolerance:
    """Distance up to which an outline counts as right.

    Attributes
    ----------
    amount : above 0.
    unit : ``px`` for pixels of the map (of the reference where the map is polygons), or ``m`` for metres.
    """

    amount: float
    unit: str

    @classmethod
    def of(cls, text: str) -> Tolerance:
        """Read a number with its unit.

        Raises
        ------
        OptionError
            When it is anything else, or not above 0.
        """
        found = _LENGTH.fullmatch(text)
        if found is None or not 0 < float(found[1]) < math.inf:
            raise OptionError(
                f"`tolerance={text!r}` is no distance; give a number above 0 with px (pixels of the map) or m (metres), as "
                f"2px or 1.5m."
            )
        return cls(float(found[1]), found[2].lower())

    def __str__(self) -> str:
        """Number and unit."""
        return f"{self.amount:g} {self.unit}"


@dataclass(frozen=True)
class ObjectOptions:
    """How objects of a map and of a reference are compared.

    Attributes
    ----------
    labels : how the reference is read. With a ``class_name``, objects of that class of the map are compared with all
        features of the reference.
    aoi : file of polygons to which the comparison is limited; None takes what both files cover.
    tolerance : of the boundary F1; None takes 2 pixels, and 1 metre where both files are polygons.
    block : side of the blocks that are resampled for intervals, in pixels, or in metres where both files are polygons;
        None makes about 100.
    seed : of the resampling.
    """

    labels: LabelOptions = field(default_factory=LabelOptions)
    aoi: Path | None = None
    tolerance: Tolerance | None = None
    block: int | None = None
    seed: int = 0
