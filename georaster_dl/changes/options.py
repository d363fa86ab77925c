"""Options and outputs of a comparison of two dates."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path

from georaster_dl.core.errors import OptionError
from georaster_dl.core.scene_options import LabelOptions, SceneOptions
from georaster_dl.predict.options import SegmentOptions

__all__ = ["ChangeOptions", "ChangeOutputs", "confidence_beside"]


_TIFF = (".tif", ".tiff")
_OF_MAPS = {"aoi", "overwrite"}  # of use for finished maps, too
_HARMLESS = {"device", "precision", "tile"}  # say where and how fast, not what


@dataclass(frozen=True)
class ChangeOutputs:
    """Files to make; only the map always is.

    Attributes
    ----------
    map : raster (COG) of changes.
    confidence : raster of how sure both dates' classes are.
    csv : from-to table.
    quicklook : PNG of both dates' classes beside the changes.

    Raises
    ------
    OptionError
        When a file's name promises another format.
    """

    map: Path
    confidence: Path | None = None
    csv: Path | None = None
    quicklook: Path | None = None

    def __post_init__(self) -> None:
        """Check the endings: no program would open a picture called table.csv."""
        _check_ending("the map of changes", self.map, "a GeoTIFF", *_TIFF)
        _check_ending("`confidence=`", self.confidence, "a GeoTIFF", *_TIFF)
        _check_ending("`csv=`", self.csv, "CSV", ".csv")
        _check_ending("`quicklook=`", self.quicklook, "a PNG", ".png")

    @property
    def extras(self) -> list[Path]:
        """Files beside the map."""
        files = (self.confidence, self.csv, self.quicklook)
        return [path for path in files if path is not None]


def _check_ending(subject: str, path: Path | None, kind: str, *endings: str) -> None:
    if path is not None and path.suffix.lower() not in endings:
        raise OptionError(f"{subject} is {kind}, but its name is {path}; end it in {endings[0]}.")


def confidence_beside(map_path: Path) -> Path:
    """Name the raster of confidence after the map of changes."""
    return map_path.with_name(f"{map_path.stem}_confidence.tif")


@dataclass(frozen=True)
class ChangeOptions:
    """How two dates are compared.

    Attributes
    ----------
    run : how the scenes are read and the model is run; without record and journal.
    minimum_confidence : probability that both classes are right, below which a change is uncertain.
    reference : points with the true change, a random sample stratified by a map of changes; gives areas
        with intervals.
    labels : how the reference is read.
    """

    run: SegmentOptions = field(default_factory=SegmentOptions)
    minimum_confidence: float | None = None
    reference: Path | None = None
    labels: LabelOptions = field(default_factory=LabelOptions)

    def __post_init__(self) -> None:
        """Check the limit, and that nothing is asked for that two runs cannot keep."""
        limit = self.minimum_confidence
        if limit is not None and not 0 < limit < 1:
            raise OptionError(
                f"`minimum_confidence=` is a probability between 0 and 1, but got {limit:g}."
            )
        if self.reference is not None and (limit is not None or self.run.reject is not None):
            limiting = "minimum_confidence" if limit is not None else "reject"
            raise OptionError(
                f"`reference=` estimates the areas of all ground, which a map with uncertain pixels does not "
                f"divide into changes; leave `{limiting}=` out."
            )
        for name in ("record", "journal"):
            if getattr(self.run, name) is not None:
                raise OptionError(
                    f"Two dates are two runs, so `{name}=` has no place; leave it out."
                )

    def check_for_maps(self) -> None:
        """Refuse options of scenes and of a model's run, where finished maps are compared.

        Raises
        ------
        OptionError
            When such an option is given; it names them all.
        """
        kept = {"scene"} | _OF_MAPS | _HARMLESS
        asked = [
            f"`{each.name}=`"
            for way, usual in ((self.run.scene, SceneOptions()), (self.run, SegmentOptions()))
            for each in fields(way)
            if each.name not in kept and getattr(way, each.name) != getattr(usual, each.name)
        ]
        if asked:
            raise OptionError(
                f"{', '.join(asked)} say how scenes are mapped, but without `model=` two finished maps are compared; give "
                f"it to `geodl segment` when the maps are made, or name the model and the two scenes."
            )
