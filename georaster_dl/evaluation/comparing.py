"""Reading of a map together with its reference, coverage and warnings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import geopandas
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.evaluation.inputs.maps import MapFile
from georaster_dl.evaluation.inputs.references import Kind, LabelledPoints, Pairs, Reference
from georaster_dl.evaluation.report.notes import warn_of_missed, warn_of_training_labels
from georaster_dl.evaluation.report.result import Coverage
from georaster_dl.evaluation.report.thumbnail import View, Viewer
from georaster_dl.io.files.layer_path import file_of
from georaster_dl.io.labels.read import LabelOptions, is_vector, labels_digest, read_features
from georaster_dl.io.output.provenance import trained_on

__all__ = [
    "Tally",
    "check_background",
    "coverage_of",
    "features_of_reference",
    "kind_of",
    "read_together",
    "single_points",
    "warnings_of",
]

_POINTS = {"Point", "MultiPoint"}


class Tally(Protocol):
    """Labels that were not compared: those on nodata, and those on uncertain pixels."""

    unmapped: int
    rejected: int


def read_together(
    opened: MapFile,
    read: Callable[[slice, slice], npt.NDArray[Any]],
    reference: Reference,
    block: int,
    add: Callable[[slice, npt.NDArray[Any], Pairs], None],
) -> View:
    """Give every strip and its pairs to ``add``."""
    viewer = Viewer(opened.shape, reference.kind)
    for rows in opened.strips(block):
        mapped = read(rows, slice(0, opened.shape[1]))
        pairs = reference.pairs(rows, mapped)
        add(rows, mapped, pairs)
        viewer.add(rows, mapped, pairs)
    return viewer.view()


def features_of_reference(
    path: Path, options: LabelOptions, *, numbers: bool
) -> geopandas.GeoDataFrame | None:
    """Read the features of a reference with their labels; None where it is a raster."""
    return read_features(path, options, numbers=numbers) if is_vector(path) else None


def single_points(
    path: Path, features: geopandas.GeoDataFrame | None, options: LabelOptions
) -> LabelledPoints | None:
    """The single points of a reference that consists of nothing else; None of any other."""
    if features is None or options.width_m is not None or not set(features.geom_type) <= _POINTS:
        return None
    labelled = features[features["label"].notna()]
    unlabelled = len(features) - len(labelled)
    return LabelledPoints(path, labelled.explode(ignore_index=True), unlabelled)


def check_background(options: LabelOptions, points: LabelledPoints | None) -> None:
    """Refuse a background class where the reference is single points."""
    if options.background is not None and points is not None:
        raise OptionError(
            f"`background={options.background!r}` is the class of all ground without a label, but single "
            f"points label none of the ground between them; leave it out, or give them a width (`width_m=`)."
        )


def warnings_of(
    opened: MapFile, path: Path, reference: Reference, options: LabelOptions, *, numbers: bool
) -> tuple[str, ...]:
    """List why figures of any kind of map may mean nothing."""
    names, digests = trained_on(opened.path)
    same = bool(digests) and labels_digest(path, options, numbers=numbers) in digests
    return (
        *warn_of_training_labels(file_of(path).name, names, same=same),
        *warn_of_missed(*reference.missed()),
    )


def kind_of(path: Path) -> Kind:
    """Return the kind of a reference that is not points: raster or polygons."""
    return "polygons" if is_vector(path) else "raster"


def coverage_of(
    opened: MapFile,
    path: Path,
    reference: Reference,
    compared: int,
    tally: Tally,
) -> Coverage:
    """Count the labels compared and those left out.

    Raises
    ------
    OptionError
        When nothing was compared.
    """
    if not compared:
        missed, features = reference.missed()
        if features and missed == features:
            raise OptionError(
                f"Nothing can be compared: all {counted(features, 'feature')} of the reference {path} cover no "
                f"pixel's centre; with `all_touched=True` they take every pixel that they touch."
            )
        rows, cols = opened.shape
        raise OptionError(
            f"Nothing can be compared: the reference {path} has {counted(tally.unmapped, 'label')} on nodata of "
            f"the map {opened.path} ({rows} x {cols} pixels){_on_uncertain(tally.rejected)} and none elsewhere on "
            f"it; check that both show the same ground."
        )
    return Coverage(
        compared, tally.unmapped, reference.unlabelled, reference.outside, tally.rejected
    )


def _on_uncertain(rejected: int) -> str:
    return f", {rejected:,} on its uncertain pixels" if rejected else ""
