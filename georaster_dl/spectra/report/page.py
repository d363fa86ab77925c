"""A calibration's report as one HTML page that needs no other file and no network."""

from __future__ import annotations

import math
from typing import Any

from georaster_dl.evaluation.report.text import percent
from georaster_dl.render.html import render_page
from georaster_dl.spectra.report.chart import Chart
from georaster_dl.spectra.report.content import ClassResult, ReportContent, ValueResult
from georaster_dl.spectra.report.pictures_of_models import (
    components_chart,
    distance_chart,
    methods_chart,
    score_chart,
)
from georaster_dl.spectra.report.pictures_of_spectra import signature_charts, spectra_charts
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
        "classes": None if content.classes is None else _classes(content.classes),
        "space": _space(content),
        "methods": [_methods(content, name) for name in content.methods],
    }
    return render_page("georaster_dl.spectra.report", "report.html", page)


def _predicts(content: ReportContent) -> str:
    if content.classes is not None:
        return (
            f"{content.classes.name}, one of {len(content.classes.scores.confusion.names)} classes"
        )
    labels = [result.label for result in content.values]
    return " and ".join([", ".join(labels[:-1]), labels[-1]]) if len(labels) > 1 else labels[0]


def _worth(content: ReportContent) -> list[str]:
    if content.classes is not None:
        return [worth_of_classes(content.classes)]
    return [worth_of_values(result, content.samples) for result in content.values]


def _cards(content: ReportContent) -> list[tuple[str, str, str]]:
    """Make the headline: label, figure, and a line below."""
    if content.classes is not None:
        scores = content.classes.scores
        name, share = largest_class(content.classes)
        return [
            ("Overall accuracy", f"{percent(scores.accuracy)} %", f"of {scores.n:,} test spectra"),
            (
                "Balanced accuracy",
                f"{percent(scores.balanced_accuracy)} %",
                "mean over the classes",
            ),
            ("Macro F1", f"{percent(scores.macro_f1)} %", "mean over the classes"),
            ("Always the largest class", f"{percent(share)} %", name),
        ]
    several = len(content.values) > 1
    cards = []
    for result in content.values:
        of = f", {result.name}" if several else ""
        alone = mean_error(result, content.samples)
        cards.append((f"RMSEP{of}", f"{result.scores.rmsep:.3g}", f"the mean alone: {alone:.3g}"))
        cards.append((f"R²{of}", f"{result.scores.r2:.3f}", f"of {result.scores.n:,} test spectra"))
        if not several:
            cards.append(("RPD", f"{result.scores.rpd:.3g}", "spread of the values by SEP"))
            cards.append(("Bias", f"{result.scores.bias:+.2g}", "predicted minus measured"))
    return cards


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
    charts += [] if result.signature is None else signature_charts(result.signature, samples)
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
        "label": result.label,
        "scores": [
            (name, f"{value:.4g}") for name, value in listed.items() if math.isfinite(value)
        ],
        "n": f"{scores.n:,}",
        "charts": charts,
    }


def _classes(result: ClassResult) -> dict[str, Any]:
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
        "charts": [] if result.curve is None else [components_chart(result.curve, "error rate")],
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
    error = f"error of {labels.get(name, name)}" if content.classes is None else "error rate"
    return {
        "name": labels.get(name, name),
        "chart": methods_chart(methods, error),
        "rows": [
            (
                each.name,
                each.kept,
                _number(each.cv),
                _number(each.cv_se),
                _number(each.test),
                "" if each.p_value is None else _p(each.p_value),
            )
            for each in methods
        ],
        "tested": any(each.p_value is not None for each in methods),
    }


def _number(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.4g}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
