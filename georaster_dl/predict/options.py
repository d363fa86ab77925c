"""What a run is asked for, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from georaster_dl.core.geography import Place
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.io.output.staging import FailedOutput
from georaster_dl.models.package.card import Card

__all__ = [
    "FeatureOptions",
    "FeatureOutputs",
    "Findings",
    "Outputs",
    "RunOptions",
    "SegmentOptions",
    "Summary",
    "Values",
]


@dataclass(frozen=True)
class Outputs:
    """Files to make; only the map always is.

    Attributes
    ----------
    map : raster (COG) of classes, or of the quantity of a regression model.
    probabilities : one band per class.
    confidence : probability of the mapped class.
    uncertainty : entropy of the classes' probabilities, 0 (sure) to 1 (all equally probable).
    polygons : GeoPackage of the map.
    quicklook : PNG of the scene beside the map.
    """

    map: Path
    probabilities: Path | None = None
    confidence: Path | None = None
    uncertainty: Path | None = None
    polygons: Path | None = None
    quicklook: Path | None = None

    def all(self) -> list[Path]:
        """The files, the map last."""
        rasters = [self.probabilities, self.confidence, self.uncertainty]
        extra = [*rasters, self.polygons, self.quicklook]
        return [path for path in extra if path is not None] + [self.map]


@dataclass(frozen=True)
class FeatureOutputs:
    """Files to make; only the features always are.

    Attributes
    ----------
    features : raster (COG) with one band per feature.
    error : how badly an autoencoder gives each pixel back.
    """

    features: Path
    error: Path | None = None

    def all(self) -> list[Path]:
        """The files, the features last."""
        return [self.features] if self.error is None else [self.error, self.features]


@dataclass(frozen=True)
class Values:
    """Mean, smallest and largest of a quantity on a map, in its unit."""

    mean: float
    min: float
    max: float


@dataclass(frozen=True)
class Findings:
    """What a finished map holds.

    Attributes
    ----------
    pixels : that are valid.
    bands : of a raster of features, or of a scene given back; 0 of a map.
    counts : pixels of each class, by name; empty where there are no classes.
    values : of each quantity, by name and unit; empty for anything else.
    """

    pixels: int
    bands: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    values: dict[str, Values] = field(default_factory=dict)


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes
    ----------
    files : that it made, the map last.
    model, card : that ran; the card narrowed to the bands that the scene has.
    pixels : of the scene, valid or not.
    seconds : that it took, loading included.
    device : where the network ran, and in which precision.
    failed : extra outputs, and styles, that could not be made; each was told of as a warning.
    place : longitude and latitude of the scene's middle in degrees; None where that is unknown.
    """

    files: tuple[Path, ...]
    model: Path
    card: Card
    pixels: int
    seconds: float
    device: str
    findings: Findings
    failed: tuple[FailedOutput, ...] = ()
    place: Place | None = None


@dataclass(frozen=True)
class RunOptions:
    """How to run a model over a scene.

    Attributes
    ----------
    scene : what the user knows better than the file.
    aoi : polygons outside of which the output is nodata.
    halo : pixels of context around each tile; ``auto`` is the model's own, ``exact`` makes tiles
        equal the untiled result.
    tile : largest side of a tile in pixels, halo included; from the free memory where None.
    resample : make the model's bands from the scene's by their wavelengths.
    record : JSON file to make beside the outputs, which says what was run on what.
    journal : folder of finished strips, with which a killed run goes on; removed at the end.
    """

    scene: SceneOptions = field(default_factory=SceneOptions)
    aoi: Path | None = None
    device: str = "auto"
    precision: str = "auto"
    halo: int | Literal["auto", "exact"] = "auto"
    tile: int | None = None
    resample: bool = False
    overwrite: bool = False
    record: Path | None = None
    journal: Path | None = None


@dataclass(frozen=True)
class SegmentOptions(RunOptions):
    """How to map.

    Attributes
    ----------
    float32 : store probabilities, confidence and uncertainty as float32 instead of scaled uint8.
    """

    float32: bool = False


@dataclass(frozen=True)
class FeatureOptions(RunOptions):
    """How to make features.

    Attributes
    ----------
    layer : dotted name of the network's layer; None takes the one that it calls its features.
    packed : store them as int16, each with a scale and offset of its own, instead of float32.
    """

    layer: str | None = None
    packed: bool = False
