"""Options, outputs and results of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from georaster_dl.cleaning.options import CleaningOptions
from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import Place
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.io.output.staging import FailedOutput
from georaster_dl.io.shown import ShownResult
from georaster_dl.models.package.card import Card, Predictor
from georaster_dl.objects.options import PolygonOptions
from georaster_dl.predict.outputs.kinds import EXTRA_OUTPUTS

__all__ = [
    "FeatureOptions",
    "FeatureOutputs",
    "Findings",
    "Outputs",
    "Rejected",
    "RunOptions",
    "SegmentOptions",
    "Summary",
    "Values",
]


@dataclass(frozen=True, init=False)
class Outputs:
    """Files to make: a map, and files beside it of the kinds in ``EXTRA_OUTPUTS``.

    Parameters
    ----------
    map : raster (COG) of classes, or with a band for each quantity or fraction.
    **extras : file of each further output, by its name; None leaves it out.

    Raises
    ------
    OptionError
        When a run has no output of such a name.
    """

    map: Path
    extras: Mapping[str, Path]

    def __init__(self, map: str | Path, **extras: str | Path | None) -> None:
        unknown = extras.keys() - EXTRA_OUTPUTS
        if unknown:
            raise OptionError(
                f"A run has no output {min(unknown)!r}; beside the map it can write "
                f"{', '.join(EXTRA_OUTPUTS)}."
            )
        files = {name: path for name in EXTRA_OUTPUTS if (path := extras.get(name)) is not None}
        object.__setattr__(self, "map", Path(map))
        object.__setattr__(self, "extras", {name: Path(path) for name, path in files.items()})

    @classmethod
    def beside(cls, map: Path, extras: Mapping[str, Path | None]) -> Outputs:
        """Name a map and its extras: those that are None after the map."""
        files = {
            name: EXTRA_OUTPUTS[name].beside(map) if path is None else path
            for name, path in extras.items()
        }
        return cls(map, **files)

    @classmethod
    def in_memory(cls, *extras: str) -> Outputs:
        """Name the outputs of a run whose rasters stay in memory, so that no file is made."""
        return cls("map", **dict.fromkeys(extras, "memory"))

    def all(self) -> list[Path]:
        """List the files, the map last."""
        return [*self.extras.values(), self.map]

    def absolute(self) -> Outputs:
        """Give the same files by absolute paths."""
        extras = {name: path.absolute() for name, path in self.extras.items()}
        return Outputs(self.map.absolute(), **extras)


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
        """List the files, the features last."""
        return [self.features] if self.error is None else [self.error, self.features]

    def absolute(self) -> FeatureOutputs:
        """Give the same files by absolute paths."""
        error = None if self.error is None else self.error.absolute()
        return FeatureOutputs(self.features.absolute(), error)


@dataclass(frozen=True)
class Values:
    """Mean, smallest and largest of a quantity on a map, in its unit, or of a fraction."""

    mean: float
    min: float
    max: float


@dataclass(frozen=True)
class Rejected:
    """Pixels of a map whose class is too uncertain, and which are a class of their own.

    Attributes
    ----------
    name : of that class.
    pixels : of that class.
    coverage : share of the calibration ground that was to keep its class.
    threshold : probability of the mapped class below which a pixel is uncertain.
    """

    name: str
    pixels: int
    coverage: float
    threshold: float


@dataclass(frozen=True)
class Findings:
    """Contents of a finished raster.

    Attributes
    ----------
    pixels : that are valid.
    bands : of a raster of features, or of a reconstructed scene; 0 of a map.
    counts : pixels of each class, by name; empty where there are no classes.
    values : of each quantity, by name and unit, or of each fraction; empty for anything else.
    rejected : pixels without a class of the model's; None where every pixel has one.
    """

    pixels: int
    bands: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    values: dict[str, Values] = field(default_factory=dict)
    rejected: Rejected | None = None


@dataclass(frozen=True, repr=False)
class Summary(ShownResult):
    """Result of a run.

    Attributes
    ----------
    files : that it made, the map last.
    model, card : that ran; the card narrowed to the bands that the scene has.
    pixels : of the scene, valid or not.
    seconds : that it took, loading included.
    device : where the network ran, and in which precision.
    failed : extra outputs, and styles, that could not be made; each was reported as a warning.
    place : longitude and latitude of the scene's middle in degrees; None where that is unknown.
    novelty : share of the scene's pixels that are unlike the model's training; None where that is unknown.
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
    novelty: float | None = None

    def __repr__(self) -> str:
        """Files, model, size and contents, in one line."""
        made = ", ".join(str(path) for path in self.files)
        found = self.findings
        texts = [f"{name} {n:,}" for name, n in found.counts.items() if n]
        texts += [f"{name} {v.mean:.4g} (mean)" for name, v in found.values.items()]
        contents = "; ".join(texts) or f"{found.bands} bands"
        return (
            f"<Summary {made}: {self.card.name} {self.card.version}, {self.pixels / 1e6:.3g} Mpx in "
            f"{self.seconds:.1f} s, {contents}>"
        )


@dataclass(frozen=True)
class RunOptions:
    """How to run a model over a scene.

    Attributes
    ----------
    scene : metadata that the file lacks or states wrongly.
    aoi : polygons outside of which the output is nodata.
    halo : pixels of context around each tile; ``auto`` is the model's own, ``exact`` makes tiles
        equal the untiled result.
    tile : largest side of a tile in pixels, halo included; from the free memory where None.
    resample : make the model's bands from the scene's by their wavelengths.
    record : JSON file to make beside the outputs: model, options, inputs and contents.
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
class PredictorOptions(RunOptions):
    """How the probabilities or values of a pixel are made.

    Attributes
    ----------
    predictor : ``single`` pass; or the mean of passes with dropout (``mc-dropout``) or a sampled last
        layer (``bayesian``), over mirror images (``tta``), or of several networks (``ensemble``).
        ``auto`` is ``ensemble`` where there are members, else ``single``.
    members : further models of an ensemble.
    passes, seed : number and random numbers of the passes of ``mc-dropout`` and ``bayesian``.
    symmetries : mirror images of ``tta``: ``flip``, 4 passes; ``d4``, also transposed, 8 passes.
    """

    predictor: Predictor | Literal["auto"] = "auto"
    members: tuple[Path, ...] = ()
    passes: int = 20
    seed: int = 0
    symmetries: Literal["d4", "flip"] = "d4"

    @property
    def several_passes(self) -> bool:
        """Whether probabilities or values are means of several passes."""
        return bool(self.members) or self.predictor not in ("auto", "single")


@dataclass(frozen=True)
class SegmentOptions(PredictorOptions):
    """How to map.

    Attributes
    ----------
    float32 : store fractions, probabilities and the like as float32 instead of scaled whole numbers.
    reject : share of the calibration ground that keeps its class; less certain pixels become a class of
        their own. None gives every pixel a class.
    level : share of the calibration ground whose true class is in its prediction set.
    cleaning : what is done with the finished map.
    polygon_options : how areas of the map become polygons, where these are written.
    """

    float32: bool = False
    reject: float | None = None
    level: float = 0.9
    cleaning: CleaningOptions = field(default_factory=CleaningOptions)
    polygon_options: PolygonOptions = field(default_factory=PolygonOptions)


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
