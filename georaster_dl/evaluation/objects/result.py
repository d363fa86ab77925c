"""Result of a comparison of objects, also as plain numbers for JSON and as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt

from georaster_dl.core.wording import counted
from georaster_dl.evaluation.objects.matching import THRESHOLDS
from georaster_dl.evaluation.objects.scores import ObjectScores
from georaster_dl.evaluation.report.result import plain
from georaster_dl.evaluation.report.text import between, number, percent, table_html

__all__ = ["HEADS", "ObjectEvaluation", "ObjectIntervals"]

HEADS = (
    "class", "mapped", "reference", "matched", "precision", "recall", "F1", "mean IoU", "boundary F1", "area error",
)  # fmt: skip
"""Columns of the table; shares are in percent."""


@dataclass(frozen=True, eq=False)
class ObjectIntervals:
    """Intervals (95 %) of scores at an intersection over union of 0.5, from resampled blocks.

    Attributes
    ----------
    precision, recall, f1 : (2,) lower and upper end; NaN where there are too few blocks.
    block : side of a block, in pixels or in the unit of the plane.
    blocks : blocks with at least one object.
    replicates : draws.
    """

    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]
    f1: npt.NDArray[np.float64]
    block: float
    blocks: int
    replicates: int


@dataclass(frozen=True, eq=False, repr=False)
class ObjectEvaluation:
    """How well the objects of a map are found and drawn.

    Attributes
    ----------
    map, reference : the two files.
    scores : of each class, by its name.
    total : of all classes together; average precision is the mean over classes.
    intervals : of the total.
    tolerance : of the boundary F1, with its unit.
    metric : whether areas are in square metres; else in the squared unit of the coordinates.
    left_out : objects of the map and of the reference outside the compared ground.
    warnings : why figures may mean nothing.
    notes : what a reader must know before trusting a figure.
    objects : ``matched``, ``false`` (both as mapped) and ``missed`` (of the reference), with ``class_name``, ``area`` and,
        of matched ones, ``iou``.
    """

    map: Path
    reference: Path
    scores: Mapping[str, ObjectScores]
    total: ObjectScores
    intervals: ObjectIntervals
    tolerance: str
    metric: bool
    left_out: tuple[int, int]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    objects: Mapping[str, geopandas.GeoDataFrame]

    def __repr__(self) -> str:
        """The two files and the main scores, in one line."""
        t = self.total
        return (
            f"<ObjectEvaluation {self.map.name} against {self.reference.name}: precision {t.precision:.3f}, recall "
            f"{t.recall:.3f}, F1 {t.f1:.3f}, boundary F1 {t.boundary.f1:.3f}, {counted(t.mapped, 'mapped object')}, "
            f"{t.reference:,} of the reference>"
        )

    def _repr_html_(self) -> str:
        """Table of the classes' scores, for notebooks."""
        return table_html(repr(self)[1:-1], HEADS, self.rows())

    @property
    def scored(self) -> bool:
        """Whether objects have a confidence, so that there is an average precision."""
        return self.total.average_precisions is not None

    def rows(self) -> list[tuple[str, ...]]:
        """Give the table of the classes as text, and of all together where there are several: the columns ``HEADS``."""
        several = [("all", self.total)] if len(self.scores) > 1 else []
        return [_row(name, scores) for name, scores in [*self.scores.items(), *several]]

    def by_threshold(self) -> list[tuple[str, ...]]:
        """Give threshold, matched objects, F1 and, where it exists, average precision as text."""
        t = self.total
        rows: list[tuple[str, ...]] = [
            (f"{threshold:.2f}", number(n), percent(f1))
            for threshold, n, f1 in zip(THRESHOLDS, t.matched, t.f1s, strict=True)
        ]
        if t.average_precisions is None:
            return rows
        return [(*row, percent(ap)) for row, ap in zip(rows, t.average_precisions, strict=True)]

    def summary(self) -> list[tuple[str, str, str]]:
        """Give the headline: label, figure in percent, and its interval or meaning."""
        t, ends = self.total, self.intervals
        over = "over IoU 0.5 to 0.95"
        mean = (
            ("Average precision", percent(t.average_precision), over)
            if self.scored
            else ("Mean F1", percent(t.mean_f1), f"{over}; no confidence, so no AP")
        )
        return [
            ("Precision", percent(t.precision), between(ends.precision) or "at IoU 0.5"),
            ("Recall", percent(t.recall), between(ends.recall) or "at IoU 0.5"),
            ("F1", percent(t.f1), between(ends.f1) or "at IoU 0.5"),
            mean,
            ("Boundary F1", percent(t.boundary.f1), f"within {self.tolerance}"),
        ]

    def compared(self) -> str:
        """Say how many objects were compared, and how many were left out."""
        t = self.total
        text = f"{counted(t.mapped, 'mapped object')}, {t.reference:,} of the reference"
        if any(self.left_out):
            ours, theirs = self.left_out
            text += f"; {counted(theirs, 'reference object')} and {ours:,} mapped ones lie outside the compared ground"
        return text

    def to_dict(self) -> dict[str, Any]:
        """Return all figures for JSON, None where unknown."""
        ends = self.intervals
        figures: dict[str, Any] = plain(
            {
                "task": "objects",
                "map": str(self.map),
                "reference": str(self.reference),
                **self.total.to_dict(),
                "precision_95": ends.precision,
                "recall_95": ends.recall,
                "f1_95": ends.f1,
                "bootstrap": {
                    "block": ends.block,
                    "blocks": ends.blocks,
                    "replicates": ends.replicates,
                },
                "boundary_tolerance": self.tolerance,
                "area_unit": "m2" if self.metric else "map unit squared",
                "mapped_outside": self.left_out[0],
                "reference_outside": self.left_out[1],
                "classes": [{"name": name} | one.to_dict() for name, one in self.scores.items()],
                "notes": [*self.warnings, *self.notes],
            }
        )
        return figures


def _row(name: str, s: ObjectScores) -> tuple[str, ...]:
    shares = (s.precision, s.recall, s.f1, s.mean_iou, s.boundary.f1)
    counts = (s.mapped, s.reference, s.matched[0])
    error = f"{100 * s.area_error:+.1f}" if np.isfinite(s.area_error) else "-"
    return (name, *map(number, counts), *map(percent, shares), error)
