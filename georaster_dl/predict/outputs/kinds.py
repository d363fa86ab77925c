"""Table of the files that a run can write beside its map.

Python's options, the command line, the estimate of disk space, batches, the QGIS plugin and the docs
read it; a further output is one more entry. No heavy import: the command line reads it for ``--help``.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from georaster_dl.core.legend import Legend
    from georaster_dl.io.output.writer import RasterSpec
    from georaster_dl.io.scenes.scene import Scene
    from georaster_dl.models.package.card import Card
    from georaster_dl.predict.options import SegmentOptions

__all__ = [
    "CLASS_MEASURES",
    "EXTRA_OUTPUTS",
    "DerivedFile",
    "ExtraRaster",
    "FinishedMap",
    "FractionRaster",
    "NoveltyRaster",
    "OutputKind",
    "UncertaintyRaster",
    "map_spec",
    "map_subject",
]

# Fractions as whole numbers: 250 steps leave 255 for nodata and make the scale a round 0.004.
_STEPS = 250
_UINT8_NODATA = 255
# Mutual information is small where it is of interest, so 250 steps would be too few.
_FINE_STEPS = 50_000
_UINT16_NODATA = 65_535

CLASS_MEASURES = (
    "predictive entropy",
    "expected entropy",
    "mutual information",
    "variance",
    "confidence",
)
"""Bands of the uncertainty of a class over several passes."""


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
    choices : values that the option takes, the first by default; empty where it takes none.
    chosen : what is chosen, as the beginning of a phrase: ``stored as``, ``by``.
    """

    name: str
    title: str
    help: str
    suffix: str
    needs_classes: bool
    needs_novelty: bool = False
    choices: tuple[str, ...] = ()
    chosen: str = ""

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
        return _fractions(self.bands(card), "uint8", _UINT8_NODATA, _STEPS, options)

    def render(self, probabilities: Tensor, *, float32: bool) -> Tensor:
        """Compute pixels (bands, rows, cols) as ``spec`` stores them, in memory of their own."""
        import torch

        values = self.compute(probabilities)
        return values.clone() if float32 else values.mul(_STEPS).round_().to(torch.uint8)


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
        return _fractions(CLASS_MEASURES, "uint16", _UINT16_NODATA, _FINE_STEPS, options)

    def store(self, measures: Tensor, *, float32: bool) -> Tensor:
        """Convert measures (bands, rows, cols) to the numbers that ``spec`` stores."""
        import torch

        return measures if float32 else measures.mul_(_FINE_STEPS).round_().to(torch.uint16)


def _fractions(
    names: Sequence[str], dtype: str, nodata: int, steps: int, options: SegmentOptions
) -> RasterSpec:
    """Describe fractions, as whole numbers with a scale unless float32 is asked for."""
    from georaster_dl.io.output.writer import RasterSpec

    return RasterSpec(
        names=names,
        dtype="float32" if options.float32 else dtype,
        nodata=math.nan if options.float32 else nodata,
        overview="average",
        scale=None if options.float32 else 1 / steps,
    )


@dataclass(frozen=True, kw_only=True)
class NoveltyRaster(ExtraRaster):
    """A raster of how unlike the model's training pixels are; 1 is the threshold."""

    needs_classes: bool = False
    needs_novelty: bool = True

    def spec(self, card: Card, options: SegmentOptions) -> RasterSpec:
        """Describe the raster, which has no upper end and is float32 always."""
        from georaster_dl.io.output.writer import RasterSpec

        return RasterSpec([self.name], "float32", math.nan, "average")


@dataclass(frozen=True)
class FinishedMap:
    """A map whose pixels are complete.

    Attributes
    ----------
    path : where it can be read for now.
    scene, card : that it was made of.
    legend : its classes; None for quantities.
    counts : pixels of each class, by name; empty where there are no classes.
    """

    path: Path
    scene: Scene
    card: Card
    legend: Legend | None
    counts: Mapping[str, int]


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


def map_spec(card: Card, legend: Legend | None = None) -> RasterSpec:
    """Describe the map of a model: its classes, or a band for each quantity and each interval.

    Parameters
    ----------
    legend : of a map of classes; None takes the model's.
    """
    from georaster_dl.io.output.writer import RasterSpec

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
        return "values"
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
    from georaster_dl.io.vectors.polygons import write_polygons

    if finished.legend is None:
        raise ValueError("Polygons are made of maps of classes.")
    write_polygons(finished.path, path, legend=finished.legend)


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
    from georaster_dl.predict.outputs.overview import write_class_overview, write_value_overview

    scene, legend = finished.scene, finished.legend
    if legend is None:
        write_value_overview(scene, finished.path, path, finished.card.targets[0].label)
    else:
        write_class_overview(scene, finished.path, path, legend, finished.counts)


_KINDS: tuple[ExtraRaster | DerivedFile, ...] = (
    FractionRaster(
        name="probabilities",
        title="Probabilities",
        help="probability of each class, one band per class",
        choices=("uint8", "float32"),
        chosen="stored as",
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
        choices=("softmax", "mc-dropout", "bayesian", "tta", "ensemble"),
        chosen="by",
        bands=lambda _card: ["uncertainty"],
        compute=_entropy,
    ),
    NoveltyRaster(
        name="novelty",
        title="Novelty",
        help="how unlike all that the model learnt from a pixel's values are: above 1 they are unlike it",
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
