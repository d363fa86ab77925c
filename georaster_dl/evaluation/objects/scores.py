"""Scores of mapped objects of one class, or of several together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from georaster_dl.evaluation.objects.matching import THRESHOLDS

__all__ = ["Near", "ObjectScores", "together"]

_NAN = float("nan")


@dataclass(frozen=True)
class Near:
    """Lengths of outlines, whole and near the other file's.

    Attributes
    ----------
    mapped, reference : whole lengths.
    mapped_near, reference_near : of these, what is within the tolerance.
    """

    mapped: float
    mapped_near: float
    reference: float
    reference_near: float

    @property
    def precision(self) -> float:
        """Compute the share of the mapped outlines that are near those of the reference."""
        return _share(self.mapped_near, self.mapped)

    @property
    def recall(self) -> float:
        """Compute the share of the reference's outlines within the tolerance."""
        return _share(self.reference_near, self.reference)

    @property
    def f1(self) -> float:
        """Compute the harmonic mean of both; 0 where one file has no objects."""
        if not self.mapped and not self.reference:
            return _NAN
        sums = np.nan_to_num(self.precision) + np.nan_to_num(self.recall)
        return 2 * self.precision * self.recall / sums if sums else 0.0


@dataclass(frozen=True)
class ObjectScores:
    """How well objects of a class are found and drawn; NaN where a score means nothing.

    Attributes
    ----------
    mapped, reference : numbers of objects.
    matched : of them, by threshold of ``THRESHOLDS``.
    shared : sum of the intersections over union of the pairs matched at 0.5.
    mapped_area, reference_area : in square metres, or in the map's unit where that is not known.
    boundary : lengths of outlines.
    average_precisions : by threshold; None where objects have no confidence.
    """

    mapped: int
    reference: int
    matched: tuple[int, ...]
    shared: float
    mapped_area: float
    reference_area: float
    boundary: Near
    average_precisions: tuple[float, ...] | None

    @property
    def precision(self) -> float:
        """Compute the share of the mapped objects that are matched at 0.5."""
        return _share(self.matched[0], self.mapped)

    @property
    def recall(self) -> float:
        """Compute the share of the reference's objects that are matched at 0.5."""
        return _share(self.matched[0], self.reference)

    @property
    def f1s(self) -> tuple[float, ...]:
        """Compute F1 by threshold."""
        return tuple(_share(2 * n, self.mapped + self.reference) for n in self.matched)

    @property
    def f1(self) -> float:
        """Compute F1 at 0.5."""
        return self.f1s[0]

    @property
    def mean_f1(self) -> float:
        """Compute the mean of F1 over the thresholds."""
        return float(np.mean(self.f1s))

    @property
    def mean_iou(self) -> float:
        """Compute the mean intersection over union of the pairs matched at 0.5."""
        return _share(self.shared, self.matched[0])

    @property
    def panoptic_quality(self) -> float:
        """Compute the panoptic quality (Kirillov et al. 2019): F1 times the mean intersection over union, at 0.5."""
        return _share(2 * self.shared, self.mapped + self.reference)

    @property
    def average_precision(self) -> float:
        """Compute the mean of the average precisions; NaN where objects have no confidence."""
        return _NAN if self.average_precisions is None else float(np.mean(self.average_precisions))

    @property
    def count_error(self) -> float:
        """Compute the error of the count, mapped minus reference, relative to the reference."""
        return _share(self.mapped - self.reference, self.reference)

    @property
    def area_error(self) -> float:
        """Compute the error of the area, mapped minus reference, relative to the reference."""
        return _share(self.mapped_area - self.reference_area, self.reference_area)

    def to_dict(self) -> dict[str, Any]:
        """Return all figures, NaN where unknown."""
        by_threshold: list[dict[str, Any]] = [
            {"iou": threshold, "matched": n, "f1": f1}
            for threshold, n, f1 in zip(THRESHOLDS, self.matched, self.f1s, strict=True)
        ]
        for entry, ap in zip(by_threshold, self.average_precisions or (), strict=False):
            entry["average_precision"] = ap
        return {
            "mapped": self.mapped,
            "reference": self.reference,
            "matched": self.matched[0],
            "false": self.mapped - self.matched[0],
            "missed": self.reference - self.matched[0],
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "mean_iou_of_matched": self.mean_iou,
            "panoptic_quality": self.panoptic_quality,
            "mean_f1": self.mean_f1,
            "average_precision": self.average_precision,
            "boundary_precision": self.boundary.precision,
            "boundary_recall": self.boundary.recall,
            "boundary_f1": self.boundary.f1,
            "count_error": self.count_error,
            "mapped_area": self.mapped_area,
            "reference_area": self.reference_area,
            "area_error": self.area_error,
            "by_threshold": by_threshold,
        }


def together(scores: Sequence[ObjectScores]) -> ObjectScores:
    """Add up the objects of several classes; the average precision is the mean of those of the classes that have one."""
    precisions = None
    if all(one.average_precisions is not None for one in scores):
        each = np.array([one.average_precisions for one in scores], np.float64)
        known = each[np.isfinite(each).all(axis=1)]
        precisions = tuple((known.mean(axis=0) if len(known) else each[0]).tolist())
    lengths = [one.boundary for one in scores]
    return ObjectScores(
        mapped=sum(one.mapped for one in scores),
        reference=sum(one.reference for one in scores),
        matched=tuple(sum(each) for each in zip(*(one.matched for one in scores), strict=True)),
        shared=sum(one.shared for one in scores),
        mapped_area=sum(one.mapped_area for one in scores),
        reference_area=sum(one.reference_area for one in scores),
        boundary=Near(
            mapped=sum(one.mapped for one in lengths),
            mapped_near=sum(one.mapped_near for one in lengths),
            reference=sum(one.reference for one in lengths),
            reference_near=sum(one.reference_near for one in lengths),
        ),
        average_precisions=precisions,
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else _NAN
