"""Cautions about the figures of an evaluation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import geopandas
import numpy as np
import numpy.typing as npt

from georaster_dl.core.wording import counted
from georaster_dl.evaluation.inputs.matching import Matching
from georaster_dl.evaluation.metrics.area import AreaEstimate
from georaster_dl.evaluation.metrics.bootstrap import Intervals
from georaster_dl.evaluation.metrics.confusion import Confusion

__all__ = [
    "note_of_rejection",
    "notes_of_classes",
    "warn_of_missed",
    "warn_of_one_class",
    "warn_of_proposed",
    "warn_of_training_labels",
]

_SAMPLED = (
    "Area-adjusted figures hold if the points are a random sample stratified by this map's classes, "
    "as geodl sample-points draws it; the other scores count every point alike."
)
_NOT_SAMPLED = (
    "The reference is no random sample: area-adjusted figures describe the ground that it covers and "
    "have no interval. To estimate areas, label points drawn by geodl sample-points."
)
_BY_VALUE = (
    "Classes were matched by value, because map or reference does not name its classes: make sure "
    "that a value means the same in both, or name them with `classes=`."
)
_OTHER_STRATA = (
    "The points were drawn from another map: their strata are not this map's classes, so the "
    "area-adjusted figures do not hold (Stehman 2014 gives the estimators for that)."
)
_REJECTED = (
    "The map leaves uncertain pixels without a class, and all scores are of the others. Areas of its classes "
    "are not given, because they would lack the uncertain ground: map without `reject=` for areas."
)
_PROPOSED = (
    "The areas of {} were chosen by geodl propose where a model is uncertain, which is no random sample: accuracy "
    "is too low on them, and no area is estimated from them. Label points drawn by geodl sample-points."
)
_ONE_CLASS = (
    "The reference holds one class only ({}), so false alarms cannot be seen: user's accuracy, overall "
    "accuracy and IoU are too high and mean nothing. {}"
)
_ONE_CLASS_OF_AREAS = (
    "If all that is not labelled is known to be another class, name it with `background=`."
)
_ONE_CLASS_OF_POINTS = "Label points of the other classes, too."


def warn_of_one_class(confusion: Confusion, *, points: bool) -> tuple[str, ...]:
    """Caution that the reference holds one class only.

    Parameters
    ----------
    points : whether the reference is points, which have no background.
    """
    held = [name for name, n in zip(confusion.names, confusion.referenced, strict=True) if n]
    if len(held) != 1:
        return ()
    return (_ONE_CLASS.format(held[0], _ONE_CLASS_OF_POINTS if points else _ONE_CLASS_OF_AREAS),)


def note_of_rejection(*, rejected: bool) -> tuple[str, ...]:
    """Note that a map with uncertain pixels has no areas of classes."""
    return (_REJECTED,) if rejected else ()


def warn_of_proposed(name: str, *, proposed: bool) -> tuple[str, ...]:
    """Warn that a model's doubts chose the reference; ``name`` is that of its file."""
    return (_PROPOSED.format(name),) if proposed else ()


def warn_of_missed(missed: int, features: int) -> tuple[str, ...]:
    """Caution that features of the reference cover no pixel's centre, so that they do not count."""
    if not missed:
        return ()
    return (
        f"{missed:,} of {counted(features, 'feature')} of the reference cover no pixel's centre and do not "
        f"count; with `all_touched=True` features take every pixel that they touch.",
    )


def warn_of_training_labels(name: str, learnt: Sequence[str], *, same: bool) -> tuple[str, ...]:
    """Warn that the reference was among the training labels of the map's model.

    Parameters
    ----------
    name : of the reference's file.
    learnt : names of the files that the model was trained on.
    same : whether one of them holds the same labels.
    """
    if same:
        return (
            f"The reference {name} is what the model of this map was trained on, so the figures are those of "
            f"its training, not of the map; use labels that it has not seen.",
        )
    if name in learnt:
        return (
            f"The model of this map was trained on a file of the name of the reference, {name}; if they hold "
            f"the same labels, the figures are those of its training, not of the map.",
        )
    return ()


def notes_of_classes(
    matching: Matching,
    confusion: Confusion,
    estimate: AreaEstimate | None,
    intervals: Intervals,
    points: geopandas.GeoDataFrame | None,
) -> tuple[str, ...]:
    """Cautions that these figures call for.

    Parameters
    ----------
    estimate : of areas; None where they cannot be estimated.
    points : the labelled points; None for a reference of areas.
    """
    notes = [] if estimate is None else _notes_of_areas(confusion, estimate, points)
    if matching.by == "value" and matching.one_has_names:
        notes.append(_BY_VALUE)
    names = np.array(confusion.names)
    foreign = np.arange(len(names)) >= matching.n_mapped
    if missing := names[foreign & (confusion.referenced > 0)].tolist():
        notes.append(f"In the reference but not in the map, so always wrong: {', '.join(missing)}.")
    if not intervals.replicates:
        notes.append(
            f"The reference lies in {counted(intervals.blocks, 'block')}, too few for intervals; choose "
            f"smaller ones with `block=`."
        )
    return tuple(notes)


def _notes_of_areas(
    confusion: Confusion, estimate: AreaEstimate, points: geopandas.GeoDataFrame | None
) -> list[str]:
    notes = [_NOT_SAMPLED if points is None else _SAMPLED]
    if points is not None and _drawn_elsewhere(points, confusion):
        notes.append(_OTHER_STRATA)
    untested = (estimate.mapped > 0) & (confusion.mapped == 0)
    if untested.any():
        share = 100 * _share(estimate.mapped, untested)
        names = np.array(confusion.names)[untested].tolist()
        notes.append(
            f"Mapped on {share:.2g} % of the area but without any reference: {', '.join(names)}. "
            f"Area-adjusted totals are unknown for that."
        )
    return notes


def _share(areas: npt.NDArray[np.float64], which: npt.NDArray[np.bool_]) -> float:
    return float(areas[which].sum() / areas.sum())


def _drawn_elsewhere(points: geopandas.GeoDataFrame, confusion: Confusion) -> bool:
    """Return whether points were drawn from another map, by the class noted in them."""
    if "map_class" not in points:
        return False
    drawn = Counter(points["map_class"].astype(str))
    found = {n: int(k) for n, k in zip(confusion.names, confusion.mapped, strict=True) if k}
    return dict(drawn) != found
