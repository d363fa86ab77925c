"""Result of the evaluation of a map of fractions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.evaluation.inputs.references import Kind
from georaster_dl.evaluation.metrics.fractions import FractionIntervals, FractionScores
from georaster_dl.evaluation.report.result import Coverage, plain, units_of
from georaster_dl.evaluation.report.text import table_html
from georaster_dl.evaluation.report.thumbnail import View

__all__ = ["HEADS", "FractionEvaluation", "range_of", "with_ends"]

HEADS = ("fraction", "mean", "mapped", "MAE", "RMSE", "bias", "R2")
"""Columns of the table: name, mean of the reference, mean of the map at the same places, and errors."""


@dataclass(frozen=True, eq=False, repr=False)
class FractionEvaluation:
    """How right a map of fractions is.

    Attributes
    ----------
    map, reference : the two files.
    kind : what the reference consists of.
    names : of the fractions that were compared, in the order of the map's bands.
    map_names : of all fractions of the map.
    scores : of each of ``names``.
    intervals : 95 % of the scores, from resampled blocks.
    block : side of a block in pixels.
    coverage : what was compared and what was not.
    warnings : why figures may mean nothing.
    notes : what a reader must know before trusting a figure.
    pairs : (names, steps, steps) numbers of pairs, by steps from 0 to 1 of the reference and of the map.
    view : both as a picture.
    view_of : places of the compared fractions among the view's: of the map, of the reference.
    """

    map: Path
    reference: Path
    kind: Kind
    names: tuple[str, ...]
    map_names: tuple[str, ...]
    scores: FractionScores
    intervals: FractionIntervals
    block: int
    coverage: Coverage
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    pairs: npt.NDArray[np.int64]
    view: View
    view_of: tuple[tuple[int, ...], tuple[int, ...]]

    def __repr__(self) -> str:
        """The two files and the mean scores, in one line."""
        s = self.scores
        return (
            f"<FractionEvaluation {self.map.name} against {self.reference.name}: mean MAE {s.mae.mean():.3f}, mean "
            f"RMSE {s.rmse.mean():.3f}, {self.coverage.compared:,} {units_of(self.kind)}>"
        )

    def _repr_html_(self) -> str:
        """Table of the fractions' scores, for notebooks."""
        return table_html(repr(self)[1:-1], HEADS, self.rows())

    def rows(self) -> list[tuple[str, ...]]:
        """Give the table of the fractions as text, with intervals in brackets: the columns ``HEADS``."""
        s, ends = self.scores, self.intervals
        return [
            (
                name,
                f"{s.mean[i]:.3f}",
                f"{s.mean[i] + s.bias[i]:.3f}",
                with_ends(f"{s.mae[i]:.3f}", ends.mae[:, i]),
                with_ends(f"{s.rmse[i]:.3f}", ends.rmse[:, i]),
                with_ends(f"{s.bias[i]:+.3f}", ends.bias[:, i], "+.3f"),
                with_ends(f"{s.r2[i]:.3f}" if np.isfinite(s.r2[i]) else "-", ends.r2[:, i]),
            )
            for i, name in enumerate(self.names)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return all figures for JSON, None where unknown."""
        s, ends = self.scores, self.intervals
        figures: dict[str, Any] = plain(
            {
                "task": "fractions",
                "map": str(self.map),
                "reference": str(self.reference),
                "reference_kind": self.kind,
                **asdict(self.coverage),
                "mean_mae": s.mae.mean(),
                "mean_mae_95": ends.mean_mae,
                "mean_rmse": s.rmse.mean(),
                "mean_rmse_95": ends.mean_rmse,
                "bootstrap": {
                    "block_pixels": self.block,
                    "blocks": ends.blocks,
                    "replicates": ends.replicates,
                },
                "fractions": [
                    {
                        "name": name,
                        "reference_mean": s.mean[i],
                        "reference_sd": s.sd[i],
                        "mae": s.mae[i],
                        "mae_95": ends.mae[:, i],
                        "rmse": s.rmse[i],
                        "rmse_95": ends.rmse[:, i],
                        "bias": s.bias[i],
                        "bias_95": ends.bias[:, i],
                        "r2": s.r2[i],
                        "r2_95": ends.r2[:, i],
                    }
                    for i, name in enumerate(self.names)
                ],
                "notes": [*self.warnings, *self.notes],
            }
        )
        return figures


def with_ends(figure: str, ends: npt.NDArray[np.float64], form: str = ".3f") -> str:
    """Write a figure with its interval in brackets, where that is known."""
    between = range_of(ends, form)
    return f"{figure} ({between})" if between else figure


def range_of(ends: npt.NDArray[np.float64], form: str = ".3f") -> str:
    """Write an interval; empty where it is not known."""
    return f"{ends[0]:{form}} to {ends[1]:{form}}" if np.isfinite(ends).all() else ""
