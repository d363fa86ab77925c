"""Options of proposing areas to label."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from georaster_dl.core.errors import OptionError
from georaster_dl.predict.options import PredictorOptions

__all__ = ["MEASURES", "ProposeOptions"]

MEASURES = ("margin", "entropy", "mutual-information")
"""Uncertainties by which areas can be chosen."""


@dataclass(frozen=True)
class ProposeOptions(PredictorOptions):
    """How areas to label are proposed.

    Attributes
    ----------
    n : number of areas.
    by : uncertainty by which they are chosen: ``margin`` (one minus the difference between the two
        largest probabilities), ``entropy``, or ``mutual-information`` of several passes.
    cell : side of a square cell in pixels.
    parcels : polygons that take the place of cells.
    labels : labels that exist already, a file for all scenes; what holds some is not proposed.
    class_field : attribute of vector labels that holds the class.
    seed : of the choice, and of passes with random numbers; the same seed gives the same areas.
    """

    n: int = 50
    by: str = "margin"
    cell: int = 32
    parcels: Path | None = None
    labels: Path | None = None
    class_field: str | None = None

    def __post_init__(self) -> None:
        """Check the options that need no file."""
        if self.n < 1 or self.cell < 1:
            raise OptionError(
                f"`n={self.n}` areas of `cell={self.cell}` pixels cannot be proposed; give whole numbers from 1 up."
            )
        for name in ("record", "journal"):
            if getattr(self, name) is not None:
                raise OptionError(
                    f"`{name}=` is for rasters, but a proposal writes none; leave it out."
                )
        if self.by not in MEASURES:
            raise OptionError(f"`by={self.by!r}` is not known; choose {' or '.join(MEASURES)}.")
