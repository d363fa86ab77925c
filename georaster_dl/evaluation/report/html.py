"""An evaluation as one HTML page that needs no other file and no network."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from georaster_dl.core.legend import color_hex
from georaster_dl.evaluation.report.fractions import HEADS, FractionEvaluation, range_of
from georaster_dl.evaluation.report.pictures import (
    Picture,
    class_pictures,
    embedded,
    fraction_pictures,
    number_pictures,
    scene_picture,
)
from georaster_dl.evaluation.report.result import Evaluation, NumberEvaluation
from georaster_dl.evaluation.report.table import area_table
from georaster_dl.evaluation.report.text import between, compared, number, percent, plus_minus
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.render.html import render_page

__all__ = ["render_report"]

_LARGEST_MATRIX = 40
_RIGHT_CELL, _WRONG_CELL = (15, 118, 110), (197, 27, 27)


def render_report(
    evaluation: Evaluation | NumberEvaluation | FractionEvaluation,
    *,
    image: Path | None = None,
    curves: Path | None = None,
) -> str:
    """Make the page: figures, tables and pictures.

    Parameters
    ----------
    image : scene to show beside the map.
    curves : PNG of the training's curves to show.

    Raises
    ------
    GeoRasterError
        When the scene or the picture of the curves cannot be read.
    """
    if isinstance(evaluation, Evaluation):
        pictures, page = class_pictures(evaluation), _class_page(evaluation)
    elif isinstance(evaluation, FractionEvaluation):
        pictures, page = fraction_pictures(evaluation), _fraction_page(evaluation)
    else:
        pictures, page = number_pictures(evaluation), _number_page(evaluation)
    if image is not None:
        geobox = open_scene(evaluation.map).geobox
        pictures.insert(0, scene_picture(image, evaluation.view, geobox))
    page = {"fractions": ()} | page
    page |= {
        "title": f"Accuracy of {evaluation.map.name}",
        "map": evaluation.map.name,
        "reference": evaluation.reference.name,
        "kind": evaluation.kind,
        "warnings": evaluation.warnings,
        "compared": compared(evaluation.kind, *astuple(evaluation.coverage)),
        "alarms": (),
        "pictures": pictures,
        "curves": None if curves is None else Picture("Training curves", embedded(curves)),
    }
    return render_page("georaster_dl.evaluation.report", "report.html", page)


def _class_page(evaluation: Evaluation) -> dict[str, Any]:
    c, estimate = evaluation.confusion, evaluation.estimate
    mapped = False if estimate is None else estimate.mapped > 0
    shown = np.flatnonzero(c.occurs | mapped).tolist()
    colors = {i: color_hex(entry.color) for i, entry in enumerate(evaluation.matching.classes)}
    rejected = evaluation.rejected
    return {
        "cards": _cards(evaluation),
        "notes": evaluation.notes,
        "legend": [
            *((c.names[i], colors[i]) for i in shown),
            *([] if rejected is None else [(rejected.name, color_hex(rejected.color))]),
        ],
        "gaps": any((plane == -1).any() for plane in evaluation.view.planes),
        "classes": [_class_row(evaluation, i) | {"color": colors[i]} for i in shown],
        "matrix": _matrix(evaluation, shown) if len(shown) <= _LARGEST_MATRIX else None,
        "names": [c.names[i] for i in shown],
        "areas": None if estimate is None else area_table(evaluation, estimate, shown),
        "sampled": evaluation.sampled,
        "kappa": f"{c.kappa:.3f}",
        "macro_f1": percent(c.macro_f1),
        "blocks": evaluation.intervals.blocks,
        "replicates": evaluation.intervals.replicates,
        "block": evaluation.block,
    }


def _cards(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """The headline: label, figure, and its interval or meaning."""
    c, estimate, ends = evaluation.confusion, evaluation.estimate, evaluation.intervals
    cards = [
        ("Overall accuracy", percent(c.overall_accuracy), between(ends.overall_accuracy)),
        ("Mean IoU", percent(c.mean_iou), between(ends.mean_iou)),
        ("Quantity disagreement", percent(c.quantity_disagreement), "amounts differ"),
        ("Allocation disagreement", percent(c.allocation_disagreement), "places differ"),
    ]
    if evaluation.rejected is not None:
        kept = evaluation.coverage.kept
        cards.insert(0, ("Coverage", percent(kept), "of the labels; scores are of these"))
    if estimate is not None and evaluation.sampled:
        half = plus_minus(evaluation.plus_minus(estimate.overall_se))
        cards.insert(0, ("Area-adjusted accuracy", percent(estimate.overall), half))
    return [(label, f"{figure} %", below) for label, figure, below in cards]


def _class_row(evaluation: Evaluation, i: int) -> dict[str, Any]:
    c, ends = evaluation.confusion, evaluation.intervals
    return {
        "name": c.names[i],
        "mapped": number(c.mapped[i]),
        "referenced": number(c.referenced[i]),
        "users": percent(c.users[i]),
        "producers": percent(c.producers[i]),
        "f1": percent(c.f1[i]),
        "f1_95": between(ends.f1[:, i]),
        "iou": percent(c.iou[i]),
        "iou_95": between(ends.iou[:, i]),
        "bar": f"{100 * float(np.nan_to_num(c.iou[i])):.1f}",
    }


def _matrix(evaluation: Evaluation, shown: list[int]) -> list[dict[str, Any]]:
    """Rows of cells: count, percent of the reference class, and colour."""
    c = evaluation.confusion
    shares = c.counts / np.maximum(c.referenced, 1)
    return [
        {
            "name": c.names[i],
            "cells": [
                (number(c.counts[i, j]), _small(shares[i, j]), _tint(shares[i, j], right=i == j))
                for j in shown
            ],
            "total": number(c.mapped[i]),
            "users": percent(c.users[i]),
        }
        for i in shown
    ]


def _small(share: float) -> str:
    """Format percent, with a mark for shares above 0 that round to 0."""
    return "< 0.1" if 0 < share < 0.0005 else percent(share)


def _tint(share: float, *, right: bool) -> str:
    """Return the CSS colour of a cell; errors scale by the root, so that small errors are visible."""
    red, green, blue = _RIGHT_CELL if right else _WRONG_CELL
    strength = 0.6 * (share if right else share**0.5)
    return f"rgba({red}, {green}, {blue}, {strength:.3f})"


def _number_page(evaluation: NumberEvaluation) -> dict[str, Any]:
    s = evaluation.scores
    return {
        "cards": [
            ("RMSE", f"{s.rmse:.4g}", "root mean square error"),
            ("R²", f"{s.r2:.3f}", "1 - SSE / SST"),
            ("Bias", f"{s.bias:+.3g}", "map minus reference"),
            ("MAE", f"{s.mae:.4g}", "mean absolute error"),
            ("SD of the reference", f"{s.sd:.4g}", "RMSE of predicting its mean"),
        ],
        "notes": (),
        "legend": [],
        "gaps": any(np.isnan(plane).any() for plane in evaluation.view.planes),
        "classes": None,
    }


def _fraction_page(evaluation: FractionEvaluation) -> dict[str, Any]:
    s, ends = evaluation.scores, evaluation.intervals
    mean = "Mean " if len(evaluation.names) > 1 else ""
    return {
        "cards": [
            (f"{mean}MAE", f"{s.mae.mean():.3f}", range_of(ends.mean_mae)),
            (f"{mean}RMSE", f"{s.rmse.mean():.3f}", range_of(ends.mean_rmse)),
            (
                f"{mean}SD of the reference",
                f"{s.sd.mean():.3f}",
                f"RMSE of predicting its {'means' if mean else 'mean'}",
            ),
        ],
        "notes": evaluation.notes,
        "legend": [],
        "gaps": any(np.isnan(plane).any() for plane in evaluation.view.planes),
        "classes": None,
        "fraction_heads": HEADS,
        "fractions": evaluation.rows(),
        "blocks": ends.blocks,
        "replicates": ends.replicates,
        "block": evaluation.block,
    }
