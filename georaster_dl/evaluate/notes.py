"""What a reader must know before trusting a figure."""

from __future__ import annotations

from collections import Counter

import geopandas
import numpy as np
import numpy.typing as npt

from georaster_dl.evaluate.area import AreaEstimate
from georaster_dl.evaluate.bootstrap import Intervals
from georaster_dl.evaluate.confusion import Confusion
from georaster_dl.evaluate.matching import Matching

__all__ = ["notes_of_classes"]

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
    "that a value means the same in both, or name them with --classes."
)
_OTHER_STRATA = (
    "The points were drawn from another map: their strata are not this map's classes, so the "
    "area-adjusted figures do not hold (Stehman 2014 gives the estimators for that)."
)


def notes_of_classes(
    matching: Matching,
    confusion: Confusion,
    estimate: AreaEstimate,
    intervals: Intervals,
    points: geopandas.GeoDataFrame | None,
) -> tuple[str, ...]:
    """Cautions that these figures call for.

    Parameters
    ----------
    points : the labelled points; None for a reference of areas.
    """
    notes = [_NOT_SAMPLED if points is None else _SAMPLED]
    if points is not None and _drawn_elsewhere(points, confusion):
        notes.append(_OTHER_STRATA)
    if matching.by == "value" and matching.one_has_names:
        notes.append(_BY_VALUE)
    names = np.array(confusion.names)
    foreign = np.arange(len(names)) >= matching.n_mapped
    if missing := names[foreign & (confusion.referenced > 0)].tolist():
        notes.append(f"In the reference but not in the map, so always wrong: {', '.join(missing)}.")
    untested = (estimate.mapped > 0) & (confusion.mapped == 0)
    if untested.any():
        share = 100 * _share(estimate.mapped, untested)
        notes.append(
            f"Mapped on {share:.2g} % of the area but without any reference: "
            f"{', '.join(names[untested].tolist())}. Area-adjusted totals are unknown for that."
        )
    if not intervals.replicates:
        notes.append(
            f"The reference lies in {intervals.blocks} block(s), too few for intervals; choose "
            f"smaller ones with --block."
        )
    return tuple(notes)


def _share(areas: npt.NDArray[np.float64], which: npt.NDArray[np.bool_]) -> float:
    return float(areas[which].sum() / areas.sum())


def _drawn_elsewhere(points: geopandas.GeoDataFrame, confusion: Confusion) -> bool:
    """Whether points that remember the class they were drawn from now lie on others."""
    if "map_class" not in points:
        return False
    drawn = Counter(points["map_class"].astype(str))
    found = {n: int(k) for n, k in zip(confusion.names, confusion.mapped, strict=True) if k}
    return dict(drawn) != found
