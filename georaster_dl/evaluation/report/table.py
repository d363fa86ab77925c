"""An evaluation as tables: for spreadsheets, and of areas for people."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from georaster_dl.core.text import cell
from georaster_dl.evaluation.metrics.area import AreaEstimate
from georaster_dl.evaluation.report.fractions import FractionEvaluation
from georaster_dl.evaluation.report.result import Evaluation, NumberEvaluation
from georaster_dl.evaluation.report.text import number, percent, plus_minus

__all__ = ["area_table", "csv_table", "object_table"]

_HECTARE = 10_000.0


def csv_table(evaluation: Evaluation | NumberEvaluation | FractionEvaluation) -> str:
    """Comma-separated text: a row per class of the map with its scores, areas and matrix row.

    The matrix's columns are named ``reference: NAME``. Intervals have a column per end. A map of
    numbers has one row, one of fractions a row for each. What is unknown is empty.
    """
    facts = evaluation.to_dict()
    if isinstance(evaluation, FractionEvaluation):
        return _written([_flat(scores) for scores in facts["fractions"]])
    if isinstance(evaluation, NumberEvaluation):
        return _written([facts])
    names = [f"reference: {name}" for name in facts["confusion"]["names"]]
    areas = facts["area_adjusted"]
    rows = [
        _flat(scores)
        | {key: value for key, value in of_areas.items() if key.endswith("area") or "95" in key}
        | dict(zip(names, counts, strict=True))
        for scores, of_areas, counts in zip(
            facts["classes"],
            areas["classes"] if areas else [{}] * len(names),
            facts["confusion"]["counts"],
            strict=True,
        )
    ]
    return _written(rows)


def object_table(facts: dict[str, Any]) -> str:
    """Comma-separated text of a comparison of objects: a row per class; without the scores by threshold.

    Parameters
    ----------
    facts : all figures, as the evaluation gives them.
    """
    return _written(
        [{k: v for k, v in row.items() if k != "by_threshold"} for row in facts["classes"]]
    )


def area_table(evaluation: Evaluation, e: AreaEstimate, shown: Sequence[int]) -> dict[str, Any]:
    """Area-adjusted estimates as text: ``unit`` of the areas, and ``rows``, one per class.

    Parameters
    ----------
    e : the evaluation's estimate.
    shown : indexes of the classes wanted.
    """
    total = e.mapped.sum()
    hectares = evaluation.metric and total >= _HECTARE
    unit = _HECTARE if hectares else 1.0
    digits = 0 if total / unit >= 1000 else 1
    half = evaluation.plus_minus(e.areas_se) / unit

    def weighted(figure: float, standard_error: float) -> str:
        return f"{percent(figure)} {plus_minus(evaluation.plus_minus(standard_error))}".strip()

    return {
        "unit": "ha" if hectares else "m²" if evaluation.metric else "pixels",
        "rows": [
            {
                "name": evaluation.confusion.names[i],
                "mapped": number(e.mapped[i] / unit, digits),
                "area": number(e.areas[i] / unit, digits),
                "half": number(half[i], digits),
                "users": weighted(e.users[i], e.users_se[i]),
                "producers": weighted(e.producers[i], e.producers_se[i]),
            }
            for i in shown
        ],
    }


def _flat(scores: dict[str, Any]) -> dict[str, Any]:
    """Intervals as two entries."""
    out: dict[str, Any] = {}
    for key, value in scores.items():
        if isinstance(value, list):
            out |= {f"{key}_low": value[0], f"{key}_high": value[1]}
        else:
            out[key] = value
    return out


def _written(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for line in (list(rows[0]), *(row.values() for row in rows)):
        writer.writerow([cell(value) for value in line])
    return text.getvalue()
