"""Settings of rasters of LiDAR."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from georaster_dl.core.errors import OptionError

__all__ = ["GROUND_FROM", "GroundFrom", "RasterOptions"]

GroundFrom = Literal["auto", "class", "filter"]
GROUND_FROM: tuple[GroundFrom, ...] = ("auto", "class", "filter")
_LARGEST_FILL = 32


@dataclass(frozen=True)
class RasterOptions:
    """Settings of a raster of LiDAR points.

    Attributes
    ----------
    cell : side of a cell in metres; None with ``like``.
    like : raster with the grid to take.
    ground : where the terrain comes from: ``class`` (points of class 2), ``filter`` (a morphological filter that
        looks at no class), or ``auto``: classes where all files have points of ground.
    fill : cells over which gaps of dsm and dtm are filled by inverse distance; 0 fills none.
    crs : of files that state none, as ``EPSG:2154``.
    """

    cell: float | None = None
    like: Path | None = None
    ground: GroundFrom = "auto"
    fill: int = 0
    crs: str | None = None
    overwrite: bool = False

    def check(self) -> None:
        """Refuse settings that cannot work, before anything is read."""
        if self.like is not None and self.cell is not None:
            raise OptionError(
                "`like=` has cells of its own size; leave `cell=` out, or take it alone."
            )
        if self.cell is not None and not 0.1 <= self.cell <= 1000:
            raise OptionError(
                f"`cell={self.cell:g}` is no side of a cell; give metres from 0.1 to 1000."
            )
        if self.ground not in GROUND_FROM:
            raise OptionError(
                f"`ground={self.ground!r}` is unknown; take one of {', '.join(GROUND_FROM)}."
            )
        if not 0 <= self.fill <= _LARGEST_FILL:
            raise OptionError(
                f"`fill={self.fill}` is out of range; give 0 to {_LARGEST_FILL} cells."
            )
