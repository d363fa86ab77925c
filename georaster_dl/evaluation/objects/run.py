"""Comparison of mapped and reference objects: reading, matching, scoring."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.evaluation.metrics.bootstrap import block_draws, percentiles
from georaster_dl.evaluation.objects.boundary import length_near, segments_of
from georaster_dl.evaluation.objects.classes import ScoredClass, scored_classes
from georaster_dl.evaluation.objects.ground import Ground, Placed, ground_of
from georaster_dl.evaluation.objects.inputs import ObjectFile, read_objects
from georaster_dl.evaluation.objects.matching import (
    THRESHOLDS,
    Overlaps,
    average_precision,
    one_to_one,
    overlapping,
)
from georaster_dl.evaluation.objects.options import ObjectOptions, Tolerance
from georaster_dl.evaluation.objects.result import ObjectEvaluation, ObjectIntervals
from georaster_dl.evaluation.objects.scores import Near, ObjectScores, together
from georaster_dl.evaluation.report.notes import warn_of_training_labels
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.files.layer_path import file_of
from georaster_dl.io.labels.read import LabelOptions, is_vector, labels_digest
from georaster_dl.io.output.provenance import trained_on

__all__ = ["evaluate_objects"]

_BLOCKS = 100
_ROOM = 0.1  # of the sides of what is mapped, around it
_MANY = 0.1  # of the reference
_PIXELS, _METRES = Tolerance(2, "px"), Tolerance(1, "m")

_Floats = npt.NDArray[np.float64]


def evaluate_objects(
    map_path: Path, reference: Path, options: ObjectOptions | None = None
) -> ObjectEvaluation:
    """Compare the objects of a map with those of a reference.

    Objects are polygons, or areas of pixels of one class that share edges. What does not hang together is several
    objects, also where it is one feature. Both files are cut at the border of the ground that both cover: that of
    rasters without their nodata (but a nodata of 0, which masks declare), that of the map which polygons were made of,
    where they tell it, and that of an area of interest. Memory grows with the outlines, not with pixels.

    Parameters
    ----------
    map_path : raster of classes, or polygons with their class, if any, in ``class_name``, and a ``confidence``, if any.
    reference : polygons in any CRS, or a raster of classes or a mask.
    options : how they are compared.

    Raises
    ------
    GeoRasterError
        When a file cannot be read, or nothing can be compared: no common ground, no common class.
    """
    options = options or ObjectOptions()
    with gdal_environment():
        mapped = read_objects(map_path, options.labels, reference=False)
        other = read_objects(reference, options.labels, reference=True)
    classes = scored_classes(mapped, other, options.labels)
    ground = ground_of(mapped, other, options.aoi)
    tolerance = options.tolerance or (_METRES if ground.pixel is None else _PIXELS)
    distance = _in_plane(tolerance, ground)
    compared = [_compared(each, mapped, other, ground, distance) for each in classes]
    total = together([each.scores for each in compared])
    left_out = tuple(sum(each.left_out[i] for each in compared) for i in (0, 1))
    return ObjectEvaluation(
        map=map_path,
        reference=reference,
        scores={each.name: each.scores for each in compared},
        total=total,
        intervals=_intervals(compared, ground, options),
        tolerance=str(tolerance) if ground.metres or tolerance.unit == "px" else "1 map unit",
        metric=ground.metres is not None,
        left_out=(left_out[0], left_out[1]),
        warnings=_warnings(mapped, other, options.labels, compared, total, left_out[1], ground),
        notes=_notes(mapped, other),
        objects=_layers(compared, mapped, ground),
    )


@dataclass(frozen=True, eq=False)
class _Compared:
    """Objects of one class, compared."""

    name: str
    mapped: Placed
    reference: Placed
    matched: Overlaps
    scores: ObjectScores

    @property
    def left_out(self) -> tuple[int, int]:
        return self.mapped.left_out, self.reference.left_out


def _compared(
    one: ScoredClass, mapped: ObjectFile, reference: ObjectFile, ground: Ground, distance: float
) -> _Compared:
    ours, theirs = ground.place(mapped, one.mapped), ground.place(reference, one.reference)
    pairs = overlapping(ours.shapes, theirs.shapes)
    matched = [one_to_one(pairs, threshold) for threshold in THRESHOLDS]
    precisions = None
    if mapped.confidence is not None:
        confidence = mapped.confidence[ours.owner]
        n = len(theirs.shapes)
        precisions = tuple(average_precision(pairs, confidence, n, t) for t in THRESHOLDS)
    square = (ground.metres or 1.0) ** 2
    scores = ObjectScores(
        mapped=len(ours.shapes),
        reference=len(theirs.shapes),
        matched=tuple(map(len, matched)),
        shared=float(matched[0].iou.sum()),
        mapped_area=float(shapely.area(ours.shapes).sum()) * square,
        reference_area=float(shapely.area(theirs.shapes).sum()) * square,
        boundary=_near(ours, theirs, ground, distance),
        average_precisions=precisions,
    )
    return _Compared(one.name, ours, theirs, matched[0], scores)


def _near(ours: Placed, theirs: Placed, ground: Ground, distance: float) -> Near:
    one, other = (segments_of(ground.outlines(each)) for each in (ours, theirs))
    near, whole = length_near(one, other, distance)
    found, there = length_near(other, one, distance)
    return Near(whole, near, there, found)


def _in_plane(tolerance: Tolerance, ground: Ground) -> float:
    """The tolerance in the plane's unit."""
    if tolerance.unit == "px":
        if ground.pixel is None:
            raise OptionError(
                f"`tolerance={tolerance}` counts pixels, but both files are polygons; give metres, as 1m."
            )
        return tolerance.amount * ground.pixel
    if ground.metres is None and tolerance is not _METRES:
        raise OptionError(
            f"`tolerance={tolerance}` is in metres, but the files have no CRS, or one of unknown unit; give pixels, as "
            f"2px, of a map that is a raster."
        )
    return tolerance.amount / (ground.metres or 1.0)


def _intervals(
    compared: Sequence[_Compared], ground: Ground, options: ObjectOptions
) -> ObjectIntervals:
    """Resample blocks; an object belongs to that of its centre."""
    centres = [[_centres(each.mapped), _centres(each.reference)] for each in compared]
    everywhere = np.concatenate([places for both in centres for places in both])
    low = everywhere.min(axis=0) if len(everywhere) else np.zeros(2)
    spans = np.ptp(everywhere, axis=0) if len(everywhere) else np.zeros(2)
    unit = ground.pixel or 1.0
    side = options.block * unit if options.block else math.sqrt(max(spans.prod() / _BLOCKS, 0))
    side = side or 1.0
    across = int(spans[0] // side) + 1
    counts = np.zeros(((int(spans[1] // side) + 1) * across, 4))
    for each, (ours, theirs) in zip(compared, centres, strict=True):
        chosen = (ours[each.matched.mapped], ours, theirs[each.matched.reference], theirs)
        for column, places in enumerate(chosen):
            block = ((places - low) // side).astype(np.int64)
            np.add.at(counts[:, column], block[:, 1] * across + block[:, 0], 1)
    filled = counts[counts.any(axis=1)]
    drawn = block_draws(len(filled), 1000, options.seed) @ filled
    with np.errstate(invalid="ignore", divide="ignore"):
        right, mapped, found, reference = drawn.T
        scores = np.stack(
            [right / mapped, found / reference, (right + found) / (mapped + reference)], axis=1
        )
    ends = percentiles(scores) if len(drawn) else np.full((2, 3), np.nan)
    return ObjectIntervals(
        precision=ends[:, 0],
        recall=ends[:, 1],
        f1=ends[:, 2],
        block=side / unit,
        blocks=len(filled),
        replicates=len(drawn),
    )


def _centres(placed: Placed) -> _Floats:
    bounds = shapely.bounds(placed.shapes).reshape(-1, 4)
    return np.asarray((bounds[:, :2] + bounds[:, 2:]) / 2, np.float64)


def _layers(
    compared: Sequence[_Compared], mapped: ObjectFile, ground: Ground
) -> Mapping[str, geopandas.GeoDataFrame]:
    """Sort objects into matched, false and missed, in the map's CRS."""
    parts: dict[str, list[geopandas.GeoDataFrame]] = {"matched": [], "false": [], "missed": []}
    for each in compared:
        wrong = np.ones(len(each.mapped.shapes), bool)
        wrong[each.matched.mapped] = False
        missed = np.ones(len(each.reference.shapes), bool)
        missed[each.matched.reference] = False
        iou = {"iou": each.matched.iou}
        right = each.mapped.shapes[each.matched.mapped]
        parts["matched"].append(_frame(each.name, right, ground, iou))
        parts["false"].append(_frame(each.name, each.mapped.shapes[wrong], ground, {}))
        parts["missed"].append(_frame(each.name, each.reference.shapes[missed], ground, {}))
    frames = {name: pd.concat(some, ignore_index=True) for name, some in parts.items()}
    if ground.crs is None or ground.crs == mapped.crs:
        return frames
    return {name: frame.to_crs(mapped.crs) for name, frame in frames.items()}


def _frame(
    name: str, shapes: npt.NDArray[np.object_], ground: Ground, columns: Mapping[str, _Floats]
) -> geopandas.GeoDataFrame:
    areas = shapely.area(shapes) * (ground.metres or 1.0) ** 2
    fields = {"class_name": np.full(len(shapes), name, object), **columns}
    fields["area_m2" if ground.metres else "area"] = areas
    return geopandas.GeoDataFrame(fields, geometry=shapes, crs=ground.crs)


def _warnings(
    mapped: ObjectFile,
    reference: ObjectFile,
    labels: LabelOptions,
    compared: Sequence[_Compared],
    total: ObjectScores,
    outside: int,
    ground: Ground,
) -> tuple[str, ...]:
    warned = _learnt(mapped, reference, labels)
    if not total.reference:
        warned.append(
            f"The reference has no object on the ground that is compared ({outside:,} beside it), so nothing can be "
            f"found or missed; check its place and its class."
        )
    if not total.mapped:
        warned.append("The map has no object of what is compared, so its precision is unknown.")
    if ground.area is None and total.mapped and total.reference:
        warned += _beside(compared, total.reference)
    return tuple(warned)


def _beside(compared: Sequence[_Compared], n: int) -> list[str]:
    """Warn of reference objects far beside the mapped polygons, whose footprint is unknown."""
    ours = np.concatenate([shapely.bounds(each.mapped.shapes) for each in compared])
    theirs = np.concatenate([shapely.bounds(each.reference.shapes) for each in compared])
    low, high = ours[:, :2].min(axis=0), ours[:, 2:].max(axis=0)
    room = _ROOM * (high - low)
    beside = int(((theirs[:, :2] > high + room) | (theirs[:, 2:] < low - room)).any(axis=1).sum())
    if beside == n:
        return [
            f"All of the reference ({counted(n, 'object')}) lies beside the mapped objects, so none can be found; check that "
            f"the files show the same place, and their CRSs."
        ]
    if beside <= _MANY * n:
        return []
    return [
        f"{beside:,} of {counted(n, 'reference object')} lie beside the mapped ones, where the map may not reach, and count "
        f"as missed; give its ground as `aoi=`."
    ]


def _learnt(mapped: ObjectFile, reference: ObjectFile, labels: LabelOptions) -> list[str]:
    """Warn that the map's model was trained on the reference."""
    if mapped.grid is None:
        return []
    names, digests = trained_on(mapped.path)
    same = False
    with suppress(OptionError):  # what could not be learnt from, invalid polygons for example
        same = bool(digests) and labels_digest(reference.path, labels, numbers=False) in digests
    return list(warn_of_training_labels(file_of(reference.path).name, names, same=same))


def _notes(mapped: ObjectFile, reference: ObjectFile) -> tuple[str, ...]:
    notes = [
        f"{counted(file.repaired, 'invalid polygon')} of {file.path.name} repaired."
        for file in (mapped, reference)
        if file.repaired
    ]
    if mapped.confidence is None:
        notes.append(
            "Mapped objects have no confidence, so there is no average precision; the mean of F1 over the same thresholds "
            "is given instead."
        )
    if not is_vector(mapped.path):
        notes.append(
            "Objects of the map are areas of pixels that share edges, so that touching objects are one."
        )
    return tuple(notes)
