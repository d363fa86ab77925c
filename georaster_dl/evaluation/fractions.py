"""A map of fractions against its reference: fractions matched by name, errors of each tallied by block."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.scene_options import FractionOptions, LabelOptions
from georaster_dl.core.wording import counted
from georaster_dl.evaluation.comparing import (
    coverage_of,
    features_of_reference,
    kind_of,
    read_together,
    single_points,
    warnings_of,
)
from georaster_dl.evaluation.inputs.maps import MapFile
from georaster_dl.evaluation.inputs.references import (
    AreaReference,
    LabelledPoints,
    Pairs,
    PointReference,
    Reference,
)
from georaster_dl.evaluation.metrics.fractions import (
    SUMS,
    FractionScores,
    error_sums,
    fraction_intervals,
)
from georaster_dl.evaluation.report.fractions import FractionEvaluation
from georaster_dl.evaluation.report.notes import warn_of_proposed
from georaster_dl.io.labels.fractions.checks import OTHER, normalised
from georaster_dl.io.labels.fractions.read import FractionSet, open_fraction_labels, read_fractions
from georaster_dl.io.vectors.areas import is_proposed

__all__ = ["BINS", "evaluate_fractions", "match_fractions"]

BINS = 50
"""Steps from 0 to 1 in which pairs are counted for the picture of mapped over measured fractions."""


def evaluate_fractions(
    opened: MapFile, path: Path, labels: LabelOptions, side: int, seed: int
) -> FractionEvaluation:
    """Compare a map of fractions with a reference: bands, fields of features, or shares of finer classes.

    Parameters
    ----------
    opened : the map.
    path : the reference.
    labels : how it is read; FractionOptions where fields or bands are named.
    side : of the blocks that are resampled for intervals, in pixels.
    seed : of the resampling.

    Raises
    ------
    OptionError
        When fractions do not fit those of the map, or nothing can be compared.
    """
    options = _fraction_options(labels)
    warned: list[str] = []
    stated = read_fractions([path], options, warned.append)
    names = stated.names if len(stated.fields) != 1 else stated.fields  # the rest was not measured
    matching, warning = match_fractions(opened.fractions, names)
    ours, theirs = (np.array(places) for places in zip(*matching, strict=True))
    features = features_of_reference(path, options, numbers=stated.legend is None)
    points = None if stated.legend else single_points(path, features, options)
    reference = _reference(opened, path, points, stated, options)
    tally = _FractionTally(opened.shape, ours, theirs, side)
    with closing(opened.shares()) as reader, closing(reference):
        view = read_together(opened, reader.read, reference, side, tally.add)
    scores = FractionScores(tally.blocks.sum(axis=(0, 1)))
    coverage = coverage_of(opened, path, reference, int(scores.n[0]), tally)
    intervals = fraction_intervals(tally.blocks.reshape(-1, SUMS, len(ours)), seed=seed)
    warned += [warning] if warning else []
    warned += warn_of_proposed(path.name, proposed=features is not None and is_proposed(features))
    warned += warnings_of(opened, path, reference, options, numbers=stated.legend is None)
    compared = [opened.fractions[i] for i in ours]
    return FractionEvaluation(
        map=opened.path,
        reference=path,
        kind=reference.kind,
        names=tuple(compared),
        map_names=opened.fractions,
        scores=scores,
        intervals=intervals,
        block=side,
        coverage=coverage,
        warnings=tuple(warned),
        notes=_notes(
            opened.fractions, compared, names, theirs, intervals.blocks, intervals.replicates
        ),
        pairs=tally.pairs,
        view=view,
        view_of=(tuple(ours.tolist()), tuple(theirs.tolist())),
    )


def match_fractions(
    mapped: Sequence[str], reference: Sequence[str]
) -> tuple[list[tuple[int, int]], str | None]:
    """Match the fractions of a map and of a reference: by name, in either case; else by their order.

    Returns
    -------
    Places of each pair among those of the map and of the reference, and a warning where they were matched by order.

    Raises
    ------
    OptionError
        When there is no common name, and not as many fractions in both.
    """
    places = {name.casefold(): i for i, name in enumerate(mapped)}
    by_name = [
        (places[name.casefold()], i)
        for i, name in enumerate(reference)
        if name.casefold() in places
    ]
    if by_name:
        return sorted(by_name), None
    shown = ", ".join(mapped), ", ".join(reference)
    alone = len(reference) == 1 and len(mapped) == 2 and mapped[1].casefold() in (OTHER, "rest")
    if len(mapped) != len(reference) and not alone:
        raise OptionError(
            f"The map holds {counted(len(mapped), 'fraction')} ({shown[0]}) but the reference "
            f"{len(reference)} of other names ({shown[1]}), so it is not known which to compare; give "
            f"the fields of the reference the map's names, or name as many of them in `fraction_fields=`."
        )
    warning = (
        f"No fraction of the reference ({shown[1]}) has the name of one of the map ({shown[0]}), so they are compared "
        f"in their order."
    )
    return [(i, i) for i in range(len(reference))], warning


def _fraction_options(labels: LabelOptions) -> FractionOptions:
    if isinstance(labels, FractionOptions):
        options = labels
    else:
        options = FractionOptions(**{f.name: getattr(labels, f.name) for f in fields(labels)})
    if options.per_polygon:
        raise OptionError(
            "`per_polygon=` is of trainings; a map is compared pixel by pixel, so leave it out."
        )
    return options


def _reference(
    opened: MapFile,
    path: Path,
    points: LabelledPoints | None,
    stated: FractionSet,
    options: FractionOptions,
) -> Reference:
    if points is None:
        labels = open_fraction_labels(path, opened.geobox, stated, options)
        return AreaReference(labels, kind_of(path), None)
    values = np.array(points.frame["label"].tolist(), np.float64)
    fractions = normalised(values, percent=stated.percent)
    return PointReference(opened, points, fractions.T)


class _FractionTally:
    """Sums of errors by block, and pairs counted in a grid of mapped over measured.

    Parameters
    ----------
    shape : of the map.
    ours, theirs : places of the compared fractions in the map and in the reference.
    side : of a block in pixels.

    Attributes
    ----------
    blocks : (down, across, SUMS, fractions).
    pairs : (fractions, BINS, BINS) numbers of pairs, by steps of the reference and of the map.
    """

    def __init__(
        self, shape: tuple[int, int], ours: npt.NDArray[Any], theirs: npt.NDArray[Any], side: int
    ) -> None:
        self._ours, self._theirs, self._side = ours, theirs, side
        down, across = (-(-length // side) for length in shape)
        self.blocks = np.zeros((down, across, SUMS, len(ours)))
        self.pairs = np.zeros((len(ours), BINS, BINS), np.int64)
        self.unmapped = self.rejected = 0

    def add(self, rows: slice, _mapped: npt.NDArray[Any], pairs: Pairs) -> None:
        """Take the errors of a strip within a row of blocks."""
        mapped, true = pairs.mapped[self._ours], pairs.true[self._theirs]
        labelled = np.isfinite(true).all(axis=0)
        known = labelled & np.isfinite(mapped).all(axis=0)
        self.unmapped += int(labelled.sum() - known.sum())
        across = pairs.cols[known] // self._side
        ours, theirs = (each[:, known].astype(np.float64) for each in (mapped, true))
        row = self.blocks[rows.start // self._side]
        for i, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            for j, terms in enumerate(error_sums(one, other)):
                row[:, j, i] += np.bincount(across, weights=terms, minlength=len(row))
            steps = [np.clip((each * BINS).astype(int), 0, BINS - 1) for each in (other, one)]
            cells = np.bincount(steps[0] * BINS + steps[1], minlength=BINS**2)
            self.pairs[i] += cells.reshape(BINS, BINS)


def _notes(
    mapped: Sequence[str],
    compared: Sequence[str],
    reference: Sequence[str],
    theirs: npt.NDArray[np.int64],
    blocks: int,
    replicates: int,
) -> tuple[str, ...]:
    notes = []
    if missing := [name for name in mapped if name not in compared]:
        notes.append(f"On the map but not in the reference, so not compared: {', '.join(missing)}.")
    if foreign := [name for i, name in enumerate(reference) if i not in theirs]:
        notes.append(f"In the reference but not on the map, so not compared: {', '.join(foreign)}.")
    if not replicates:
        notes.append(
            f"The reference lies in {counted(blocks, 'block')}, too few for intervals; choose smaller ones with "
            f"`block=`."
        )
    return tuple(notes)
