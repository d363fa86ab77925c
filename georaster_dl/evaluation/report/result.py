"""Results of an evaluation, also as plain numbers for JSON."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from georaster_dl.core.legend import MapClass
from georaster_dl.evaluation.inputs.matching import Matching
from georaster_dl.evaluation.inputs.references import Kind
from georaster_dl.evaluation.metrics.area import Z_95, AreaEstimate
from georaster_dl.evaluation.metrics.bootstrap import Intervals
from georaster_dl.evaluation.metrics.confusion import Confusion
from georaster_dl.evaluation.metrics.regression import RegressionScores
from georaster_dl.evaluation.report.text import table_html
from georaster_dl.evaluation.report.thumbnail import View

__all__ = ["Coverage", "Evaluation", "NumberEvaluation", "plain", "units_of"]


@dataclass(frozen=True)
class Coverage:
    """Numbers of compared and of other labels.

    Attributes
    ----------
    compared : pixels, or points.
    unmapped : labelled in the reference where the map is nodata.
    unlabelled : points without a label; 0 for other references.
    outside : points beside the map; 0 for other references.
    rejected : labelled where the map's model held its class too uncertain.
    """

    compared: int
    unmapped: int
    unlabelled: int
    outside: int
    rejected: int = 0

    @property
    def kept(self) -> float:
        """Compute the share of the labelled pixels or points that keep their class, 0-1."""
        return self.compared / (self.compared + self.rejected)


def units_of(kind: Kind) -> str:
    """Name the units of a reference, in the plural."""
    return "points" if kind == "points" else "pixels"


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """How right a map of classes is.

    Attributes
    ----------
    map, reference : the two files.
    kind : what the reference consists of.
    matching : the classes of both, made one list.
    confusion : rows map, columns reference, counts of pixels or points; without rejected pixels.
    intervals : 95 % of the scores, from resampled blocks.
    block : side of a block in pixels.
    coverage : what was compared and what was not.
    estimate : area-weighted accuracy and adjusted areas; in square metres where ``metric``, else
        in pixels, for a map without a CRS. None for a map with rejected pixels, and for a reference
        of proposed areas.
    warnings : why figures may mean nothing.
    notes : what a reader must know before trusting a figure.
    view : both as a picture.
    rejected : class of the map's pixels whose class was too uncertain; None where it has none. The
        scores are of the others, whose share is ``coverage.kept``.
    """

    map: Path
    reference: Path
    kind: Kind
    matching: Matching
    confusion: Confusion
    intervals: Intervals
    block: int
    coverage: Coverage
    estimate: AreaEstimate | None
    metric: bool
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    view: View
    rejected: MapClass | None = None

    def __repr__(self) -> str:
        """The two files and the main scores, in one line."""
        c = self.confusion
        kept = f", coverage {self.coverage.kept:.3f}" if self.rejected else ""
        return (
            f"<Evaluation {self.map.name} against {self.reference.name}: overall accuracy "
            f"{c.overall_accuracy:.3f}, mean IoU {c.mean_iou:.3f}{kept}, {self.coverage.compared:,} "
            f"{units_of(self.kind)}>"
        )

    def _repr_html_(self) -> str:
        """Table of the classes' scores, for notebooks."""
        heads = ("class", "mapped", "reference", "user's", "producer's", "F1", "IoU")
        c = self.confusion
        scores = (c.users, c.producers, c.f1, c.iou)
        rows = [
            [
                name,
                f"{c.mapped[i]:,}",
                f"{c.referenced[i]:,}",
                *(f"{s[i]:.3f}" for s in scores),
            ]
            for i, name in enumerate(c.names)
        ]
        return table_html(repr(self)[1:-1], heads, rows)

    @property
    def sampled(self) -> bool:
        """Whether area-adjusted estimates may be more than a description: points were compared."""
        return self.kind == "points"

    def to_dict(self) -> dict[str, Any]:
        """Return all figures for JSON, None where unknown."""
        c = self.confusion
        figures: dict[str, Any] = plain(
            {
                "task": "classes",
                "map": str(self.map),
                "reference": str(self.reference),
                "reference_kind": self.kind,
                "matched_by": self.matching.by,
                "classes_only_in_reference": list(self.matching.reference_only),
                **asdict(self.coverage),
                "coverage": self.coverage.kept,
                "overall_accuracy": c.overall_accuracy,
                "overall_accuracy_95": self.intervals.overall_accuracy,
                "mean_iou": c.mean_iou,
                "mean_iou_95": self.intervals.mean_iou,
                "macro_f1": c.macro_f1,
                "kappa": c.kappa,
                "quantity_disagreement": c.quantity_disagreement,
                "allocation_disagreement": c.allocation_disagreement,
                "bootstrap": {
                    "block_pixels": self.block,
                    "blocks": self.intervals.blocks,
                    "replicates": self.intervals.replicates,
                },
                "classes": self._classes(),
                "confusion": {
                    "rows": "map",
                    "columns": "reference",
                    "names": list(c.names),
                    "counts": c.counts,
                },
                "area_adjusted": None if self.estimate is None else self._areas(self.estimate),
                "notes": [*self.warnings, *self.notes],
            }
        )
        return figures

    def plus_minus(self, standard_error: Any) -> Any:
        """Half the width of the 95 % interval; NaN where the reference is no sample of points."""
        return Z_95 * standard_error if self.sampled else math.nan * standard_error

    def _classes(self) -> list[dict[str, Any]]:
        c = self.confusion
        return [
            {
                "value": entry.value,
                "name": entry.name,
                "mapped": c.mapped[i],
                "reference": c.referenced[i],
                "users_accuracy": c.users[i],
                "producers_accuracy": c.producers[i],
                "f1": c.f1[i],
                "f1_95": self.intervals.f1[:, i],
                "iou": c.iou[i],
                "iou_95": self.intervals.iou[:, i],
            }
            for i, entry in enumerate(self.matching.classes)
        ]

    def _areas(self, e: AreaEstimate) -> dict[str, Any]:
        classes = [
            {
                "name": name,
                "mapped_area": e.mapped[i],
                "area": e.areas[i],
                "area_plus_minus_95": self.plus_minus(e.areas_se[i]),
                "users_accuracy": e.users[i],
                "users_accuracy_plus_minus_95": self.plus_minus(e.users_se[i]),
                "producers_accuracy": e.producers[i],
                "producers_accuracy_plus_minus_95": self.plus_minus(e.producers_se[i]),
            }
            for i, name in enumerate(self.matching.names)
        ]
        return {
            "from_points": self.sampled,
            "unit": "m2" if self.metric else "pixels",
            "overall_accuracy": e.overall,
            "overall_accuracy_plus_minus_95": self.plus_minus(e.overall_se),
            "quantity_disagreement": e.quantity_disagreement,
            "allocation_disagreement": e.allocation_disagreement,
            "classes": classes,
        }


@dataclass(frozen=True, eq=False, repr=False)
class NumberEvaluation:
    """How right a map of numbers is; the attributes are those of :class:`Evaluation`."""

    map: Path
    reference: Path
    kind: Kind
    scores: RegressionScores
    coverage: Coverage
    warnings: tuple[str, ...]
    view: View

    def __repr__(self) -> str:
        """The two files and the scores, in one line."""
        s = self.scores
        return (
            f"<NumberEvaluation {self.map.name} against {self.reference.name}: RMSE {s.rmse:.4g}, "
            f"bias {s.bias:+.3g}, R2 {s.r2:.3f}, {self.coverage.compared:,} {units_of(self.kind)}>"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all figures for JSON, None where unknown."""
        s = self.scores
        figures: dict[str, Any] = plain(
            {
                "task": "numbers",
                "map": str(self.map),
                "reference": str(self.reference),
                "reference_kind": self.kind,
                **asdict(self.coverage),
                "rmse": s.rmse,
                "mae": s.mae,
                "bias": s.bias,
                "r2": s.r2,
                "reference_mean": s.mean,
                "reference_sd": s.sd,
                "notes": list(self.warnings),
            }
        )
        return figures


def plain(value: Any) -> Any:
    """Convert figures for JSON: numbers of Python for numpy's, None for NaN."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
