"""What a run is asked for, and what it tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from georaster_dl.io.options import SceneOptions

__all__ = ["Findings", "Outputs", "Report", "SegmentOptions", "Values"]

Report = Callable[[str, Mapping[str, Any]], None]
"""Takes an event (``start``, ``progress``, ``warning``) and its facts."""


@dataclass(frozen=True)
class Outputs:
    """Files to make; only the map always is.

    Attributes
    ----------
    map : raster (COG) of classes, or of the quantity of a regression model.
    probabilities : one band per class.
    confidence : probability of the mapped class.
    polygons : GeoPackage of the map.
    quicklook : PNG of the scene beside the map.
    """

    map: Path
    probabilities: Path | None = None
    confidence: Path | None = None
    polygons: Path | None = None
    quicklook: Path | None = None

    def all(self) -> list[Path]:
        """The files, the map last."""
        extra = [self.probabilities, self.confidence, self.polygons, self.quicklook]
        return [path for path in extra if path is not None] + [self.map]


@dataclass(frozen=True)
class Values:
    """Mean, smallest and largest of a map's values, in the unit of the model's target."""

    mean: float
    min: float
    max: float


@dataclass(frozen=True)
class Findings:
    """What a finished map holds.

    Attributes
    ----------
    counts : pixels of each class, by name; empty for a quantity.
    values : of a quantity; None for classes, and where no pixel is valid.
    """

    counts: dict[str, int] = field(default_factory=dict)
    values: Values | None = None

    @property
    def empty(self) -> bool:
        """Whether no pixel is valid."""
        return self.values is None and not any(self.counts.values())


@dataclass(frozen=True)
class SegmentOptions:
    """How to run.

    Attributes
    ----------
    scene : what the user knows better than the file.
    aoi : polygons outside of which the output is nodata.
    halo : pixels of context around each tile; ``auto`` is the model's own, ``exact`` makes tiles
        equal the untiled result.
    tile : largest side of a tile in pixels, halo included; from the free memory where None.
    float32 : store probabilities and confidence as float32 instead of scaled uint8.
    """

    scene: SceneOptions = field(default_factory=SceneOptions)
    aoi: Path | None = None
    device: str = "auto"
    precision: str = "auto"
    halo: int | Literal["auto", "exact"] = "auto"
    tile: int | None = None
    float32: bool = False
    overwrite: bool = False
