"""A map against its reference: read together in strips, tallied by block, scored."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import pixel_areas
from georaster_dl.core.legend import Legend
from georaster_dl.core.wording import counted
from georaster_dl.evaluation.inputs.maps import REJECTED, MapFile, count_by_row, open_map
from georaster_dl.evaluation.inputs.matching import match_classes
from georaster_dl.evaluation.inputs.references import (
    AreaReference,
    Kind,
    LabelledPoints,
    Pairs,
    PointReference,
    Reference,
)
from georaster_dl.evaluation.metrics.area import estimate_areas
from georaster_dl.evaluation.metrics.bootstrap import bootstrap
from georaster_dl.evaluation.metrics.confusion import Confusion
from georaster_dl.evaluation.metrics.regression import RegressionScores
from georaster_dl.evaluation.report.notes import (
    note_of_rejection,
    notes_of_classes,
    warn_of_missed,
    warn_of_one_class,
    warn_of_proposed,
    warn_of_training_labels,
)
from georaster_dl.evaluation.report.result import Coverage, Evaluation, NumberEvaluation
from georaster_dl.evaluation.report.thumbnail import View, Viewer
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.files.layer_path import file_of
from georaster_dl.io.labels.read import (
    LabelOptions,
    is_vector,
    labels_digest,
    open_class_labels,
    open_number_labels,
    read_features,
    read_legend,
)
from georaster_dl.io.output.provenance import trained_on
from georaster_dl.io.vectors.areas import is_proposed

__all__ = ["EvaluateOptions", "default_block", "evaluate"]

_BLOCKS = 100
_POINTS = {"Point", "MultiPoint"}


@dataclass(frozen=True)
class EvaluateOptions:
    """How map and reference are compared.

    Attributes
    ----------
    labels : how the reference is read; its ``classes`` name the map's classes too.
    block : side in pixels of the blocks that are resampled for intervals; None makes about 100.
    seed : of the resampling.
    """

    labels: LabelOptions = field(default_factory=LabelOptions)
    block: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the block."""
        if self.block is not None and self.block < 1:
            raise OptionError(f"A block has at least 1 pixel a side, not {self.block}.")


def evaluate(
    map_path: Path, reference: Path, options: EvaluateOptions | None = None
) -> Evaluation | NumberEvaluation:
    """Compare a map with a reference.

    Both are read in strips, so memory does not grow with the scene. The reference is laid on the
    map's grid, reprojected where its CRS is another. A polygon counts every pixel whose centre it
    covers; a point counts as one sample of the pixel that contains it, also where two share one.
    With ``labels.width_m``, points are areas.

    Parameters
    ----------
    map_path : single-band raster of classes, or of floating-point numbers.
    reference : raster, or vector file of polygons, lines or points.
    options : how it is read; with ``labels.background`` all pixels without a label is of that class, so
        that polygons of one class also show where it is falsely mapped.

    Returns
    -------
    An Evaluation for a map of classes, a NumberEvaluation for one of numbers.

    Raises
    ------
    GeoRasterError
        When a file cannot be read, or nothing can be compared: no common ground, no common class.
    """
    options = options or EvaluateOptions()
    opened = open_map(map_path, options.labels.classes)
    with gdal_environment():
        if opened.legend is None:
            return _evaluate_numbers(opened, reference, options)
        return _evaluate_classes(opened, opened.legend, reference, options)


def default_block(shape: tuple[int, int]) -> int:
    """Side in pixels of the blocks of which a map of (rows, cols) has about 100."""
    return math.ceil(math.sqrt(shape[0] * shape[1] / _BLOCKS))


def _evaluate_classes(
    opened: MapFile, legend: Legend, path: Path, options: EvaluateOptions
) -> Evaluation:
    features = _features(path, options.labels, numbers=False)
    points = _points(path, features, options.labels)
    _check_background(options.labels, points)
    theirs = read_legend([path], options.labels)
    text = features is not None and isinstance(features["label"].dropna().iloc[0], str)
    matching = match_classes(
        legend, theirs, text=text, unseen=opened.unseen, background=options.labels.background
    )
    reference: Reference
    if points is None:
        labels = open_class_labels(path, opened.geobox, theirs, options.labels)
        reference = AreaReference(labels, _kind(path), matching.lookup)
    else:
        reference = PointReference(opened, points, points.classes(theirs, matching.lookup))
    side = options.block or default_block(opened.shape)
    tally = _ClassTally(opened, len(matching.names), side)
    with closing(opened.classes(legend)) as reader, closing(reference):
        view = _read_together(opened, reader.read, reference, side, tally.add)
    proposed = features is not None and is_proposed(features)
    blocks = tally.blocks.reshape(-1, *tally.blocks.shape[-2:])
    confusion = Confusion(matching.names, blocks.sum(axis=0))
    coverage = _coverage(opened, path, reference, confusion.total, tally)
    # Uncertain is no class of the ground, so that the areas of the others are those of no ground either; and
    # no estimator undoes a choice of the reference by the model's own doubts.
    unsound = opened.rejected or proposed
    estimate = None if unsound else estimate_areas(confusion.counts, tally.areas)
    intervals = bootstrap(blocks, matching.names, seed=options.seed)
    warnings = (
        *warn_of_proposed(path.name, proposed=proposed),
        *warn_of_one_class(confusion, points=points is not None),
        *_warnings(opened, path, reference, options.labels, numbers=False),
    )
    return Evaluation(
        map=opened.path,
        reference=path,
        kind=reference.kind,
        matching=matching,
        confusion=confusion,
        intervals=intervals,
        block=side,
        coverage=coverage,
        estimate=estimate,
        metric=pixel_areas(opened.geobox, slice(0, 1)) is not None,
        warnings=warnings,
        notes=(
            *note_of_rejection(rejected=bool(opened.rejected)),
            *notes_of_classes(matching, confusion, estimate, intervals, points and points.frame),
        ),
        view=view,
        rejected=opened.rejected,
    )


def _evaluate_numbers(opened: MapFile, path: Path, options: EvaluateOptions) -> NumberEvaluation:
    points = _points(path, _features(path, options.labels, numbers=True), options.labels)
    if options.labels.background is not None:
        raise OptionError(
            f"`background=` names a class, but {opened.path} is a map of numbers; leave it out."
        )
    reference: Reference
    if points is None:
        labels = open_number_labels(path, opened.geobox, options.labels)
        reference = AreaReference(labels, _kind(path), None)
    else:
        reference = PointReference(opened, points, points.frame["label"].to_numpy(np.float64))
    tally = _NumberTally()
    with closing(opened.numbers()) as reader, closing(reference):
        view = _read_together(opened, reader.read, reference, opened.shape[0], tally.add)
    coverage = _coverage(opened, path, reference, tally.scores.n, tally)
    return NumberEvaluation(
        map=opened.path,
        reference=path,
        kind=reference.kind,
        scores=tally.scores,
        coverage=coverage,
        warnings=_warnings(opened, path, reference, options.labels, numbers=True),
        view=view,
    )


def _read_together(
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


class _ClassTally:
    """Counts pairs by block, and the ground area of each mapped class."""

    def __init__(self, opened: MapFile, n: int, side: int) -> None:
        self._geobox = opened.geobox
        self._n = n
        self._side = side
        down, across = (-(-length // side) for length in opened.shape)
        self.blocks = np.zeros((down, across, n, n), np.int64)
        self.areas = np.zeros(n)
        self.unmapped = self.rejected = 0

    def add(self, rows: slice, mapped: npt.NDArray[np.int16], pairs: Pairs) -> None:
        """Count a strip within a row of blocks."""
        counts = count_by_row(mapped, self._n)
        per_pixel = pixel_areas(self._geobox, rows)
        self.areas += counts.sum(axis=0) if per_pixel is None else per_pixel @ counts
        labelled = pairs.true >= 0
        known = labelled & (pairs.mapped >= 0)
        rejected = int((labelled & (pairs.mapped == REJECTED)).sum())
        self.unmapped += int(labelled.sum() - known.sum()) - rejected
        self.rejected += rejected
        n, row = self._n, self.blocks[rows.start // self._side]
        cell = (pairs.cols[known] // self._side * n + pairs.mapped[known]) * n + pairs.true[known]
        row += np.bincount(cell, minlength=row.size).reshape(row.shape)


class _NumberTally:
    """Adds up errors."""

    def __init__(self) -> None:
        self.scores = RegressionScores()
        self.unmapped = self.rejected = 0

    def add(self, _rows: slice, _mapped: npt.NDArray[np.float32], pairs: Pairs) -> None:
        """Take the errors of a strip."""
        self.scores += RegressionScores.of(pairs.mapped, pairs.true)
        self.unmapped += int((np.isfinite(pairs.true) & ~np.isfinite(pairs.mapped)).sum())


def _features(path: Path, options: LabelOptions, *, numbers: bool) -> geopandas.GeoDataFrame | None:
    return read_features(path, options, numbers=numbers) if is_vector(path) else None


def _points(
    path: Path, features: geopandas.GeoDataFrame | None, options: LabelOptions
) -> LabelledPoints | None:
    """The single points of a reference that consists of nothing else; None of any other."""
    if features is None or options.width_m is not None or not set(features.geom_type) <= _POINTS:
        return None
    labelled = features[features["label"].notna()]
    unlabelled = len(features) - len(labelled)
    return LabelledPoints(path, labelled.explode(ignore_index=True), unlabelled)


def _check_background(options: LabelOptions, points: LabelledPoints | None) -> None:
    if options.background is not None and points is not None:
        raise OptionError(
            f"`background={options.background!r}` is the class of all ground without a label, but single "
            f"points label none of the ground between them; leave it out, or give them a width (`width_m=`)."
        )


def _warnings(
    opened: MapFile, path: Path, reference: Reference, options: LabelOptions, *, numbers: bool
) -> tuple[str, ...]:
    names, digests = trained_on(opened.path)
    same = bool(digests) and labels_digest(path, options, numbers=numbers) in digests
    return (
        *warn_of_training_labels(file_of(path).name, names, same=same),
        *warn_of_missed(*reference.missed()),
    )


def _kind(path: Path) -> Kind:
    return "polygons" if is_vector(path) else "raster"


def _coverage(
    opened: MapFile,
    path: Path,
    reference: Reference,
    compared: int,
    tally: _ClassTally | _NumberTally,
) -> Coverage:
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
