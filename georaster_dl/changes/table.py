"""From-to tables: areas estimated with reference points, text for spreadsheets."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from georaster_dl.changes.transitions import Transition
from georaster_dl.core.errors import OptionError
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.core.text import cell
from georaster_dl.evaluation.compare import EvaluateOptions, evaluate
from georaster_dl.evaluation.report.result import Evaluation

__all__ = ["csv_table", "table_rows", "with_estimates"]

_HECTARE = 10_000.0


def with_estimates(
    transitions: Sequence[Transition],
    change_map: Path,
    reference: Path,
    labels: LabelOptions,
    warn: Callable[[str], None],
) -> list[Transition]:
    """Add the areas that reference points estimate, with intervals (Olofsson et al. 2014).

    Changes that only the reference has become rows without pixels.

    Parameters
    ----------
    change_map : finished map of changes.
    reference : points labelled with the map's names ("forest -> bare", "forest") or values.

    Raises
    ------
    OptionError
        When the reference cannot be compared, consists of anything but points, or was chosen by the model.
    """
    found = evaluate(change_map, reference, EvaluateOptions(labels))
    if not isinstance(found, Evaluation) or not found.sampled:
        raise OptionError(
            f"`reference={reference}` holds areas, but intervals come from points drawn at random within each class of a "
            f"map of changes; draw some (`geodl sample-points`) and label them."
        )
    for message in found.warnings:
        warn(message)
    estimate = found.estimate
    if estimate is None or not found.metric:
        raise OptionError(
            f"`reference={reference}` gives no areas: its points were chosen by a model, the map has uncertain pixels, or "
            f"its CRS has no unit; draw points at random (`geodl sample-points`)."
        )
    half = found.plus_minus(estimate.areas_se)
    estimated = {
        name: (float(estimate.areas[i]), float(half[i]))
        for i, name in enumerate(found.confusion.names)
    }
    rows = []
    for row in transitions:
        area, width = estimated.pop(row.name, (None, None))
        rows.append(replace(row, adjusted_m2=area, half_width_m2=width))
    for name, (area, width) in estimated.items():
        before, _, after = name.partition(" -> ")
        rows.append(Transition(-1, name, before, after or before, 0, 0.0, None, area, width))
    return rows


def table_rows(transitions: Sequence[Transition], pixels: int) -> list[dict[str, Any]]:
    """List the rows of a from-to table by the names of its columns, None where unknown.

    Parameters
    ----------
    pixels : of the map, nodata included. The shares of it add up to what is known at both dates.
    """
    total = sum(row.pixels for row in transitions)
    return [
        {
            "value": row.value if row.value >= 0 else None,
            "from": row.before,
            "to": row.after,
            "changed": row.changed,
            "pixels": row.pixels,
            "percent": round(100 * row.pixels / total, 4),
            "percent_of_map": round(100 * row.pixels / pixels, 4),
            "area_ha": _hectares(row.area_m2),
            "mean_confidence": None if row.confidence is None else round(row.confidence, 4),
            "estimated_area_ha": _hectares(row.adjusted_m2),
            "estimated_area_plus_minus_95_ha": _hectares(row.half_width_m2),
        }
        for row in transitions
    ]


def csv_table(transitions: Sequence[Transition], pixels: int) -> str:
    """Format a from-to table as comma-separated text, with unknown values empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    rows = table_rows(transitions, pixels)
    for line in (list(rows[0]), *(row.values() for row in rows)):
        writer.writerow([cell(value) for value in line])
    return text.getvalue()


def _hectares(area: float | None) -> float | None:
    return None if area is None or math.isnan(area) else round(area / _HECTARE, 4)
