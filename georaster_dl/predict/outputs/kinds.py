"""Table of the files that a run can write beside its map.

Python's options, the command line, the estimate of disk space, batches, the QGIS plugin and the docs
read it; a further output is one more entry. No heavy import: the command line reads it for ``--help``.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from georaster_dl.core.legend import Legend
    from georaster_dl.io.output.writer import RasterSpec
    from georaster_dl.io.scenes.scene import Scene
    from georaster_dl.models.package.card import Card
    from georaster_dl.objects.options import PolygonOptions
    from georaster_dl.predict.options import SegmentOptions

__all__ = [
    "CLASS_MEASURES",
    "EXTRA_OUTPUTS",
    "BoundaryRaster",
    "DerivedFile",
    "ExtraRaster",
    "FinishedMap",
    "FractionRaster",
    "NoveltyRaster",
    "OutlierRaster",
    "OutputKind",
    "SetRaster",
    "Share",
    "UncertaintyRaster",
    "WeightRaster",
    "Words",
    "map_spec",
    "map_subject",
    "settings_of",
    "stored_fractions",
]

# Fractions as whole numbers: 250 steps leave 255 for nodata and make the scale a round 0.004.
_STEPS = 250
_UINT8_NODATA = 255
# Mutual information is small where it is of interest, so 250 steps would be too few.
_FINE_STEPS = 50_000
_UINT16_NODATA = 65_535

_SEVERAL = ("mc-dropout", "bayesian", "tta", "ensemble")

CLASS_MEASURES = (
    "predictive entropy",
    "expected entropy",
    "mutual information",
    "variance",
    "confidence",
)
"""Bands of the uncertainty of a class over several passes."""


@dataclass(frozen=True, eq=False)
class Words:
    """Words of which the option of an output takes one, the first by default.

    Attributes
    ----------
    settings : keyword arguments of ``SegmentOptions`` that each word stands for.
    phrase : what is chosen, as the beginning of a phrase: ``stored as``, ``by``.
    """

    settings: Mapping[str, Mapping[str, Any]]
    phrase: str

    @property
    def default(self) -> str:
        """First of the words."""
        return next(iter(self.settings))

    @property
    def metavar(self) -> str:
        """Placeholder in descriptions of the option."""
        return "|".join(self.settings)

    @property
    def text(self) -> str:
        """Description of the choice."""
        first, *others = self.settings
        return f"{self.phrase} {first} (default), {', '.join(others)}"

    def read(self, value: object) -> str | None:
        """Recognise a word of these; None for anything else, as for the path of a file."""
        return value if isinstance(value, str) and value in self.settings else None

    def settings_of(self, value: Any) -> Mapping[str, Any]:
        """Look up the keyword arguments of a word."""
        return self.settings[value]


@dataclass(frozen=True)
class Share:
    """Number between 0 and 1 that the option of an output takes.

    Attributes
    ----------
    setting : keyword argument of ``SegmentOptions`` that takes it.
    default : number where none is given.
    phrase : what it is.
    """

    setting: str
    default: float
    phrase: str

    @property
    def metavar(self) -> str:
        """Placeholder in descriptions of the option."""
        return self.setting.upper()

    @property
    def text(self) -> str:
        """Description of the number."""
        return f"{self.setting}, {self.phrase}: {self.default:g} by default"

    def read(self, value: object) -> float | None:
        """Recognise a number; None for anything else, as for the path of a file."""
        if isinstance(value, bool) or not isinstance(value, str | float | int):
            return None
        try:
            return float(value)
        except ValueError:
            return None

    def settings_of(self, value: Any) -> Mapping[str, Any]:
        """Look up the keyword argument of a number."""
        return {self.setting: value}


@dataclass(frozen=True, kw_only=True)
class OutputKind:
    """One kind of file that a run can write beside its map.

    Attributes
    ----------
    name : keyword of ``Outputs`` and option of the command line; the file's name ends in it.
    title : heading for user interfaces.
    help : what the file holds, as a noun phrase.
    suffix : ending of the file's name, which says its format.
    needs_classes : whether only models of classes have it.
    needs_novelty : whether only models whose card holds the statistics of their training have it.
    needs_boundaries : whether only models that learnt the boundaries of objects have it.
    needs_gate : whether only models that weigh the modalities of several sensors have it.
    needs_domain : whether only models of spectra whose card describes their calibration have it.
    argument : value that the option may take; None where it takes none.
    """

    name: str
    title: str
    help: str
    suffix: str
    needs_classes: bool
    needs_novelty: bool = False
    needs_domain: bool = False
    needs_boundaries: bool = False
    needs_gate: bool = False
    argument: Words | Share | None = None

    def settings(self, value: object) -> Mapping[str, Any] | None:
        """Look up the keyword arguments of ``SegmentOptions`` for a value of the option.

        None where it is no value: where the option is merely set, or names the file.
        """
        read = None if self.argument is None else self.argument.read(value)
        return None if self.argument is None or read is None else self.argument.settings_of(read)

    def beside(self, mapped: Path) -> Path:
        """Name the file after the map that it belongs to."""
        return mapped.with_name(f"{mapped.stem}_{self.name}{self.suffix}")


@dataclass(frozen=True, kw_only=True)
class ExtraRaster(OutputKind, ABC):
    """A raster that is made of a network's channels."""

    suffix: str = ".tif"

    @abstractmethod
    def spec(self, card: Card, options: SegmentOptions) -> RasterSpec:
        """Describe the raster of a run with these options."""


@dataclass(frozen=True, kw_only=True)
class FractionRaster(ExtraRaster):
    """A raster of values between 0 and 1, computed from the classes' probabilities.

    Attributes
    ----------
    bands : description of each band for a model's card; their number is the number of bands.
    compute : probabilities (classes, rows, cols) to values (bands, rows, cols).
    """

    bands: Callable[[Card], Sequence[str]]
    compute: Callable[[Tensor], Tensor]
    needs_classes: bool = True

    def spec(self, card: Card, options: SegmentOptions) -> RasterSpec:
        """Describe the raster: float32, or uint8 with a scale."""
        return _fractions(self.bands(card), float32=options.float32)

    def render(self, probabilities: Tensor, *, float32: bool) -> Tensor:
        """Compute pixels (bands, rows, cols) as ``spec`` stores them, in memory of their own."""
        return stored_fractions(self.compute(probabilities), float32=float32)


@dataclass(frozen=True, kw_only=True)
class UncertaintyRaster(FractionRaster):
    """A raster of how sure a map is: of one pass, or of several and how far they are apart."""

    needs_classes: bool = False  # several passes also give the spread of a quantity

    def spec(self, card: Card, options: SegmentOptions) -> RasterSpec:
        """Describe the raster: of one pass a band, of several a band for each measure."""
        if card.targets:
            from georaster_dl.io.output.writer import RasterSpec

            return RasterSpec(_value_measures(card), "float32", math.nan, "average")
        if not options.several_passes:
            return super().spec(card, options)
        fine = "uint16", _UINT16_NODATA, _FINE_STEPS
        return _fractions(CLASS_MEASURES, *fine, float32=options.float32)

    def store(self, measures: Tensor, *, float32: bool) -> Tensor:
        """Convert measures (bands, rows, cols) to the numbers that ``spec`` stores."""
        import torch

        return measures if float32 else measures.mul_(_FINE_STEPS).round_().to(torch.uint16)


def _fractions(
    names: Sequence[str],
    dtype: str = "uint8",
    nodata: int = _UINT8_NODATA,
    steps: int = _STEPS,
    *,
    float32: bool,
) -> RasterSpec:
    """Describe fractions, as whole numbers with a scale unless float32 is asked for."""
    from georaster_dl.io.output.writer import RasterSpec

    return RasterSpec(
        names=names,
        dtype="float32" if float32 else dtype,
        nodata=math.nan if float32 else nodata,
        overview="average",
        scale=None if float32 else 1 / steps,
    )


def stored_fractions(values: Tensor, *, float32: bool) -> Tensor:
    """Convert values from 0 to 1 to the numbers of a raster of fractions, in memory of their own."""
    import torch

    return values.clone() if float32 else values.mul(_STEPS).round_().to(torch.uint8)


@dataclass(frozen=True, kw_only=True)
class BoundaryRaster(ExtraRaster):
    """A raster of how near pixels are to the boundary of an object: 1 on it, 0 away from all."""

    needs_classes: bool = True
    needs_boundaries: bool = True

    def spec(self, card: Card, options: SegmentOptions) -> RasterSpec:
        """Describe the raster: float32, or uint8 with a scale."""
        return _fractions([self.name], float32=options.float32)


@dataclass(frozen=True, kw_only=True)
class WeightRaster(ExtraRaster):
    """A raster of how much each sensor had to say in a pixel: a band for each modality, of sum 1."""

    needs_classes: bool = False
    needs_gate: bool = True

    def spec(self, card: Card, options: SegmentOptions) -> RasterSpec:
        """Describe the raster: float32, or uint8 with a scale."""
        names = [name or "others" for name in card.modalities]
        return _fractions(names, float32=options.float32)


@dataclass(frozen=True, kw_only=True)
class NoveltyRaster(ExtraRaster):
    """A raster of how unlike the model's training pixels are; 1 is the threshold."""

    needs_classes: bool = False
    needs_novelty: bool = True

    def spec(self, card: Card, options: SegmentOptions) -> RasterSpec:
        """Describe the raster, which has no upper end and is float32 always."""
        from georaster_dl.io.output.writer import RasterSpec

        return RasterSpec([self.name], "float32", math.nan, "average")


@dataclass(frozen=True, kw_only=True)
class OutlierRaster(ExtraRaster):
    """A raster of how far pixels are from the calibration of a model of spectra; 1 is the limit."""

    needs_classes: bool = False
    needs_domain: bool = True

    def spec(self, card: Card, options: SegmentOptions) -> RasterSpec:
        """Describe the raster, which has no upper end and is float32 always."""
        from georaster_dl.io.output.writer import RasterSpec

        names = "largest of the ratios", "T2", "Q residuals", "nearest calibration spectrum"
        return RasterSpec([f"{name} (1: limit)" for name in names], "float32", math.nan, "average")


@dataclass(frozen=True, kw_only=True)
class SetRaster(ExtraRaster):
    """A raster of the classes that each pixel may be: a band for each, and their number as the last."""

    needs_classes: bool = True

    def spec(self, card: Card, options: SegmentOptions) -> RasterSpec:
        """Describe the raster: 1 in the band of a class that the pixel may be, else 0."""
        from georaster_dl.io.output.writer import RasterSpec

        names = [*card.legend.names, "size"]
        if len(names) <= _UINT8_NODATA:
            return RasterSpec(names, "uint8", _UINT8_NODATA, "mode")
        return RasterSpec(names, "uint16", _UINT16_NODATA, "mode")

    def render(self, probabilities: Tensor, *, largest_score: float) -> Tensor:
        """Compute pixels (classes + 1, rows, cols) as ``spec`` stores them.

        A class is in the set where its score, 1 - probability, is small enough; the mapped one always is.
        """
        import torch

        sets = 1 - probabilities <= largest_score
        sets.scatter_(0, probabilities.argmax(dim=0, keepdim=True), True)
        stored = torch.cat([sets, sets.sum(dim=0, keepdim=True)])
        return stored.to(torch.uint8 if len(stored) <= _UINT8_NODATA else torch.uint16)


@dataclass(frozen=True)
class FinishedMap:
    """A map whose pixels are complete.

    Attributes
    ----------
    path : where it can be read for now.
    scene, card : that it was made of.
    legend : its classes; None for quantities.
    counts : pixels of each class, by name; empty where there are no classes.
    polygon_options : how its areas become polygons.
    warn : called with every warning.
    """

    path: Path
    scene: Scene
    card: Card
    legend: Legend | None
    counts: Mapping[str, int]
    polygon_options: PolygonOptions
    warn: Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class DerivedFile(OutputKind):
    """A file made of the finished map.

    Attributes
    ----------
    write : makes the file at a path.
    check : raises GeoRasterError where it cannot be made of maps of this scene.
    """

    write: Callable[[FinishedMap, Path], None]
    check: Callable[[Scene], None] = lambda _scene: None


def settings_of(values: Mapping[str, object]) -> dict[str, Any]:
    """Collect the keyword arguments of ``SegmentOptions`` for the values of outputs' options.

    Parameters
    ----------
    values : by the output's name; True and paths of files stand for none.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= EXTRA_OUTPUTS[name].settings(value) or {}
    return found


def map_spec(card: Card, legend: Legend | None = None, *, float32: bool = False) -> RasterSpec:
    """Describe the map of a model: its classes, or a band for each quantity and each interval.

    Parameters
    ----------
    legend : of a map of classes; None takes the model's.
    float32 : whether fractions are stored so, and not as scaled whole numbers.
    """
    from georaster_dl.io.output.writer import RasterSpec

    if card.task == "fractions":
        from georaster_dl.io.output.provenance import fractions_tags

        spec = _fractions(_quantity_names(card), float32=float32)
        return replace(spec, tags=fractions_tags(len(card.targets)))
    if card.targets:
        units = {target.unit for target in card.targets}
        unit = units.pop() if len(units) == 1 else ""
        return RasterSpec(_quantity_names(card), "float32", math.nan, "average", unit=unit)
    return class_spec("land cover", legend or card.legend)


def class_spec(name: str, legend: Legend) -> RasterSpec:
    """Describe a map of classes; ``name`` is the description of its band."""
    from georaster_dl.io.output.writer import RasterSpec

    return RasterSpec([name], legend.dtype, legend.nodata, "mode", legend=legend)


def map_subject(card: Card | None) -> str:
    """Name the subject of a map for its file; the default model has classes."""
    if card is None or not card.targets:
        return "landcover"
    if len(card.targets) > 1:
        return "fractions" if card.task == "fractions" else "values"
    return re.sub(r"\W+", "_", card.targets[0].name.lower()).strip("_") or "values"


def _quantity_names(card: Card) -> list[str]:
    """Names of the quantities, with their units where these differ, then those of the intervals."""
    one_unit = len({target.unit for target in card.targets}) == 1
    return [
        *(target.name if one_unit else target.label for target in card.targets),
        *(
            f"{target.name}, half width of the {target.interval.level:.0%} interval"
            for target in card.targets
            if target.interval is not None
        ),
    ]


def _value_measures(card: Card) -> list[str]:
    """Names of the measures of each quantity; an interval has bounds where its width is known."""
    return [
        f"{target.name}, {measure}" if len(card.targets) > 1 else measure
        for target in card.targets
        for measure in ("mean", "sd", *(("lower", "upper") if target.interval else ()))
    ]


def _entropy(probabilities: Tensor) -> Tensor:
    """Entropy of the probabilities, (1, rows, cols), from 0 to 1."""
    from georaster_dl.models.runtime.uncertainty import entropy

    return entropy(probabilities)[None]


def _write_polygons(finished: FinishedMap, path: Path) -> None:
    from georaster_dl.objects.run import write_objects

    if finished.legend is None:
        raise ValueError("Polygons are made of maps of classes.")
    write_objects(
        finished.path,
        path,
        finished.polygon_options,
        stated=finished.legend.classes,
        warn=finished.warn,
    )


def _check_place(scene: Scene) -> None:
    from odc.geo.gcp import GCPGeoBox
    from odc.geo.geobox import GeoBox

    from georaster_dl.io.vectors.polygons import check_polygons_possible

    geobox = scene.geobox
    check_polygons_possible(
        has_gcps=isinstance(geobox, GCPGeoBox),
        has_transform=isinstance(geobox, GeoBox)
        and (geobox.crs is not None or not geobox.affine.is_identity),
    )


def _write_quicklook(finished: FinishedMap, path: Path) -> None:
    from georaster_dl.predict.outputs import overview

    scene, card, legend = finished.scene, finished.card, finished.legend
    if legend is not None:
        overview.write_class_overview(scene, finished.path, path, legend, finished.counts)
    elif card.task == "fractions":
        overview.write_fraction_overview(
            scene, finished.path, path, [target.name for target in card.targets]
        )
    else:
        overview.write_value_overview(scene, finished.path, path, card.targets[0].label)


_KINDS: tuple[ExtraRaster | DerivedFile, ...] = (
    FractionRaster(
        name="probabilities",
        title="Probabilities",
        help="probability of each class, one band per class",
        argument=Words({"uint8": {}, "float32": {"float32": True}}, "stored as"),
        bands=lambda card: card.legend.names,
        compute=lambda probabilities: probabilities,
    ),
    FractionRaster(
        name="confidence",
        title="Confidence",
        help="probability of the mapped class",
        bands=lambda _card: ["confidence"],
        compute=lambda probabilities: probabilities.amax(dim=0, keepdim=True),
    ),
    UncertaintyRaster(
        name="uncertainty",
        title="Uncertainty",
        help="entropy of the classes' probabilities (0 where one class is certain, 1 where all are "
        "equally probable); of several passes also how far they are apart, of a quantity its spread",
        argument=Words({"softmax": {}} | {name: {"predictor": name} for name in _SEVERAL}, "by"),
        bands=lambda _card: ["uncertainty"],
        compute=_entropy,
    ),
    SetRaster(
        name="sets",
        title="Prediction sets",
        help="classes that a pixel may be (one band per class: 1 where it may be that one, else 0), and as "
        "the last band their number",
        argument=Share("level", 0.9, "the share of pixels whose true class is to be among them"),
    ),
    BoundaryRaster(
        name="boundaries",
        title="Boundaries of objects",
        help="of models that learnt where objects end, how near a pixel is to such a boundary: 1 on it, 0 in the midst of "
        "objects and away from them",
    ),
    WeightRaster(
        name="weights",
        title="Weights of sensors",
        help="of models that weigh several sensors (fusion_unet), which of them decided in a pixel: a band for each, from 0 to "
        "1, of sum 1",
    ),
    NoveltyRaster(
        name="novelty",
        title="Novelty",
        help="how unlike all that the model learnt from a pixel's values are: above 1 they are unlike it",
    ),
    OutlierRaster(
        name="outliers",
        title="Unlike the calibration",
        help="how far a pixel's spectrum is from the calibration (Hotelling's T2, Q residuals, nearest "
        "calibration spectrum, each over its limit of 99 %; first the largest of them): above 1 it is unlike it",
    ),
    DerivedFile(
        name="polygons",
        title="Polygons",
        help="GeoPackage of the map as polygons without seams, with class names and areas",
        suffix=".gpkg",
        needs_classes=True,
        write=_write_polygons,
        check=_check_place,
    ),
    DerivedFile(
        name="quicklook",
        title="Quicklook",
        help="PNG of the scene beside its map",
        suffix=".png",
        needs_classes=False,
        write=_write_quicklook,
    ),
)

EXTRA_OUTPUTS = {kind.name: kind for kind in _KINDS}
"""Kinds of files beside the map, by name."""
