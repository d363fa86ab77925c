"""A map against its reference: read together in strips, tallied by block, scored."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import pixel_areas
from georaster_dl.core.legend import Legend
from georaster_dl.core.scene_options import FractionOptions
from georaster_dl.evaluation.comparing import (
    check_background,
    coverage_of,
    features_of_reference,
    kind_of,
    read_together,
    single_points,
    warnings_of,
)
from georaster_dl.evaluation.fractions import evaluate_fractions
from georaster_dl.evaluation.inputs.maps import REJECTED, MapFile, count_by_row, open_map
from georaster_dl.evaluation.inputs.matching import match_classes
from georaster_dl.evaluation.inputs.references import (
    AreaReference,
    Pairs,
    PointReference,
    Reference,
)
from georaster_dl.evaluation.metrics.area import estimate_areas
from georaster_dl.evaluation.metrics.bootstrap import bootstrap
from georaster_dl.evaluation.metrics.confusion import Confusion
from georaster_dl.evaluation.metrics.regression import RegressionScores
from georaster_dl.evaluation.report.fractions import FractionEvaluation
from georaster_dl.evaluation.report.notes import (
    note_of_rejection,
    notes_of_classes,
    warn_of_one_class,
    warn_of_proposed,
)
from georaster_dl.evaluation.report.result import Evaluation, NumberEvaluation
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.labels.read import (
    LabelOptions,
    open_class_labels,
    open_number_labels,
    read_legend,
)
from georaster_dl.io.vectors.areas import is_proposed

__all__ = ["EvaluateOptions", "default_block", "evaluate"]

_BLOCKS = 100
_POINTS = {"Point", "MultiPoint"}
_FRACTIONS = ", or say with `fraction_fields=` that they are fractions"


@dataclass(frozen=True)
class EvaluateOptions:
    """How map and reference are compared.

    Attributes
    ----------
    labels : how the reference is read; its ``classes`` name the map's classes too. Of fractions FractionOptions.
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
) -> Evaluation | NumberEvaluation | FractionEvaluation:
    """Compare a map with a reference.

    Both are read in strips, so memory does not grow with the scene. The reference is laid on the
    map's grid, reprojected where its CRS is another. A polygon counts every pixel whose centre it
    covers; a point counts as one sample of the pixel that contains it, also where two share one.
    With ``labels.width_m``, points are areas.

    Parameters
    ----------
    map_path : single-band raster of classes or of floating-point numbers, or a band for each fraction of a pixel.
    reference : raster, or vector file of polygons, lines or points.
    options : how it is read; with ``labels.background`` all pixels without a label is of that class, so
        that polygons of one class also show where it is falsely mapped.

    Returns
    -------
    An Evaluation for a map of classes, a NumberEvaluation for one of numbers, a FractionEvaluation for one
    of fractions.

    Raises
    ------
    GeoRasterError
        When a file cannot be read, or nothing can be compared: no common ground, no common class.
    """
    options = options or EvaluateOptions()
    named = isinstance(options.labels, FractionOptions) and bool(options.labels.fraction_fields)
    opened = open_map(map_path, options.labels.classes, several_bands=named, hint=_FRACTIONS)
    with gdal_environment():
        if opened.fractions:
            side = options.block or default_block(opened.shape)
            return evaluate_fractions(opened, reference, options.labels, side, options.seed)
        if opened.legend is None:
            return _evaluate_numbers(opened, reference, options)
        return _evaluate_classes(opened, opened.legend, reference, options)


def default_block(shape: tuple[int, int]) -> int:
    """Side in pixels of the blocks of which a map of (rows, cols) has about 100."""
    return math.ceil(math.sqrt(shape[0] * shape[1] / _BLOCKS))


def _evaluate_classes(
    opened: MapFile, legend: Legend, path: Path, options: EvaluateOptions
) -> Evaluation:
    features = features_of_reference(path, options.labels, numbers=False)
    points = single_points(path, features, options.labels)
    check_background(options.labels, points)
    theirs = read_legend([path], options.labels)
    text = features is not None and isinstance(features["label"].dropna().iloc[0], str)
    matching = match_classes(
        legend, theirs, text=text, unseen=opened.unseen, background=options.labels.background
    )
    reference: Reference
    if points is None:
        labels = open_class_labels(path, opened.geobox, theirs, options.labels)
        reference = AreaReference(labels, kind_of(path), matching.lookup)
    else:
        reference = PointReference(opened, points, points.classes(theirs, matching.lookup))
    side = options.block or default_block(opened.shape)
    tally = _ClassTally(opened, len(matching.names), side)
    with closing(opened.classes(legend)) as reader, closing(reference):
        view = read_together(opened, reader.read, reference, side, tally.add)
    proposed = features is not None and is_proposed(features)
    blocks = tally.blocks.reshape(-1, *tally.blocks.shape[-2:])
    confusion = Confusion(matching.names, blocks.sum(axis=0))
    coverage = coverage_of(opened, path, reference, confusion.total, tally)
    # Uncertain is no class of the ground, so that the areas of the others are those of no ground either; and
    # no estimator undoes a choice of the reference by the model's own doubts.
    unsound = opened.rejected or proposed
    estimate = None if unsound else estimate_areas(confusion.counts, tally.areas)
    intervals = bootstrap(blocks, matching.names, seed=options.seed)
    warnings = (
        *warn_of_proposed(path.name, proposed=proposed),
        *warn_of_one_class(confusion, points=points is not None),
        *warnings_of(opened, path, reference, options.labels, numbers=False),
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
    points = single_points(
        path, features_of_reference(path, options.labels, numbers=True), options.labels
    )
    if options.labels.background is not None:
        raise OptionError(
            f"`background=` names a class, but {opened.path} is a map of numbers; leave it out."
        )
    reference: Reference
    if points is None:
        labels = open_number_labels(path, opened.geobox, options.labels)
        reference = AreaReference(labels, kind_of(path), None)
    else:
        reference = PointReference(opened, points, points.frame["label"].to_numpy(np.float64))
    tally = _NumberTally()
    with closing(opened.numbers()) as reader, closing(reference):
        view = read_together(opened, reader.read, reference, opened.shape[0], tally.add)
    coverage = coverage_of(opened, path, reference, tally.scores.n, tally)
    return NumberEvaluation(
        map=opened.path,
        reference=path,
        kind=reference.kind,
        scores=tally.scores,
        coverage=coverage,
        warnings=warnings_of(opened, path, reference, options.labels, numbers=True),
        view=view,
    )


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
