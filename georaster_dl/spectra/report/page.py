"""A calibration's report as one HTML page that needs no other file and no network."""

from __future__ import annotations

import math
from typing import Any

from georaster_dl.evaluation.report.text import percent
from georaster_dl.render.html import render_page
from georaster_dl.spectra.report.chart import Chart
from georaster_dl.spectra.report.content import ClassResult, ReportContent, Samples, ValueResult
from georaster_dl.spectra.report.pictures_of_models import (
    components_chart,
    distance_chart,
    methods_chart,
    score_chart,
)
from georaster_dl.spectra.report.pictures_of_spectra import (
    class_importance_chart,
    importance_charts,
    spectra_charts,
)
from georaster_dl.spectra.report.pictures_of_values import (
    agreement_chart,
    group_chart,
    residual_chart,
)
from georaster_dl.spectra.report.style import MOST_POINTS
from georaster_dl.spectra.report.words import (
    largest_class,
    limits,
    mean_error,
    what_it_reads,
    worth_of_classes,
    worth_of_values,
)

__all__ = ["render_report"]

_LARGEST_MATRIX = 40
_MOST_LINES = 10


def render_report(content: ReportContent) -> str:
    """Make the page: a summary first, then data, charts and tables."""
    samples = content.samples
    values = content.values
    page = {
        "title": content.title,
        "table": content.table,
        "cards": _cards(content),
        "alarms": (),
        "predicts": _predicts(content),
        "reads": what_it_reads(samples),
        "worth": _worth(content),
        "picture": agreement_chart(values[0], samples) if len(values) == 1 else None,
        "limits": limits(content),
        "choice": content.choice,
        "facts": content.facts,
        "thinned": len(samples) > MOST_POINTS,
        "most": MOST_POINTS,
        "repairs": content.repairs,
        "spectra": spectra_charts(samples),
        "values": [_value(content, result) for result in values],
        "classes": None if content.classes is None else _classes(content.classes, samples),
        "space": _space(content),
        "methods": [
            _methods(content, name) for name, each in content.methods.items() if len(each) > 1
        ],
    }
    return render_page(
        "georaster_dl.spectra.report",
        "report.html",
        page,
        parents={"charts.html": "georaster_dl.spectra.report"},
    )


def _predicts(content: ReportContent) -> str:
    if content.classes is not None:
        return (
            f"{content.classes.name} (one of {len(content.classes.scores.confusion.names)} classes)"
        )
    labels = list(dict.fromkeys(result.label for result in content.values))
    return " and ".join([", ".join(labels[:-1]), labels[-1]]) if len(labels) > 1 else labels[0]


def _worth(content: ReportContent) -> list[str]:
    if content.classes is not None:
        return [worth_of_classes(content.classes)]
    return [worth_of_values(result, content.samples) for result in content.values]


def _cards(content: ReportContent) -> list[tuple[str, str, str]]:
    """Make the headline: label, figure, and a line below."""
    if content.classes is not None:
        return _class_cards(content.classes)
    if len(content.values) > 1:
        return [
            (
                f"RMSEP, {result.method or result.name}",
                f"{result.scores.rmsep:.3g}",
                f"R² {result.scores.r2:.3f}; the mean: {mean_error(result, content.samples):.3g}",
            )
            for result in content.values
        ]
    (result,) = content.values
    scores, alone = result.scores, mean_error(result, content.samples)
    return [
        ("RMSEP", f"{scores.rmsep:.3g}", f"always the mean: {alone:.3g}"),
        ("R²", f"{scores.r2:.3f}", f"of {scores.n:,} test spectra"),
        ("RPD", f"{scores.rpd:.3g}", "spread of the values by SEP"),
        ("Bias", f"{scores.bias:+.2g}", "predicted minus measured"),
    ]


def _class_cards(result: ClassResult) -> list[tuple[str, str, str]]:
    scores = result.scores
    name, share = largest_class(result)
    return [
        ("Overall accuracy", f"{percent(scores.accuracy)} %", f"of {scores.n:,} test spectra"),
        ("Balanced accuracy", f"{percent(scores.balanced_accuracy)} %", "mean over the classes"),
        ("Macro F1", f"{percent(scores.macro_f1)} %", "mean over the classes"),
        ("Always the largest class", f"{percent(share)} %", name),
    ]


def _value(content: ReportContent, result: ValueResult) -> dict[str, Any]:
    samples = content.samples
    charts = [residual_chart(result, samples)]
    if len(content.values) > 1:
        charts.insert(0, agreement_chart(result, samples))
    grouped = group_chart(result, samples)
    charts += [] if grouped is None else [grouped]
    charts += (
        [] if result.curve is None else [components_chart(result.curve, f"error of {result.label}")]
    )
    charts += (
        []
        if result.importance is None
        else importance_charts(result.importance, samples, several=len(content.values) > 1)
    )
    scores = result.scores
    listed = {
        **result.errors,
        "RMSEP": scores.rmsep,
        "Bias": scores.bias,
        "SEP": scores.sep,
        "R²": scores.r2,
        "RPD": scores.rpd,
        "RPIQ": scores.rpiq,
    }
    return {
        "label": result.subject,
        "scores": [
            (name, f"{value:.4g}") for name, value in listed.items() if math.isfinite(value)
        ],
        "n": f"{scores.n:,}",
        "charts": charts,
    }


def _classes(result: ClassResult, samples: Samples) -> dict[str, Any]:
    curve = result.curve
    charts = [] if curve is None else [components_chart(curve, "1 - macro F1")]
    if 0 < len(result.importance) <= _MOST_LINES:
        charts.append(class_importance_chart(result.importance, samples))
    confusion = result.scores.confusion
    names = confusion.names
    matrix = None
    if len(names) <= _LARGEST_MATRIX:
        shares = confusion.counts / confusion.referenced.clip(min=1)
        matrix = [
            (
                name,
                [
                    (f"{confusion.counts[i, j]:,}", float(shares[i, j]), i == j)
                    for j in range(len(names))
                ],
            )
            for i, name in enumerate(names)
        ]
    return {
        "name": result.name,
        "names": names,
        "matrix": matrix,
        "rows": [
            (
                name,
                f"{confusion.referenced[i]:,}",
                percent(confusion.producers[i]),
                percent(confusion.users[i]),
                percent(confusion.f1[i]),
            )
            for i, name in enumerate(names)
        ],
        "charts": charts,
    }


def _space(content: ReportContent) -> list[Chart]:
    if content.distances is None:
        return []
    classes = None if content.classes is None else content.classes.reference
    return [
        score_chart(content.distances, content.samples, classes),
        distance_chart(content.distances, content.samples),
    ]


def _methods(content: ReportContent, name: str) -> dict[str, Any]:
    methods = content.methods[name]
    labels = {result.name: result.label for result in content.values}
    error = "1 - macro F1" if content.classes is not None else f"error of {labels.get(name, name)}"
    columns = {
        "Settings": [each.settings for each in methods],
        "Cross-validation": [_number(each.cv) for each in methods],
        "Standard error": [_number(each.cv_se) for each in methods],
        "Test rows": [_number(each.test) for each in methods],
        "± over seeds": [_number(each.test_sd) for each in methods],
        "p": ["" if each.p_value is None else _p(each.p_value) for each in methods],
    }
    columns = {header: cells for header, cells in columns.items() if any(cells)}
    return {
        "name": labels.get(name, name),
        "error": error,
        "chart": methods_chart(methods, error),
        "headers": list(columns),
        "rows": [
            (each.name, each.kept, cells)
            for each, cells in zip(methods, zip(*columns.values(), strict=True), strict=True)
        ],
    }


def _number(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.4g}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
