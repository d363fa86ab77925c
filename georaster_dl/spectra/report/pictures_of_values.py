"""Charts of predicted against measured values, and of residuals."""

from __future__ import annotations

import numpy as np

from georaster_dl.spectra.report.axis import Axis
from georaster_dl.spectra.report.chart import Chart, Style
from georaster_dl.spectra.report.content import TEST, TRAINING, Samples, ValueResult
from georaster_dl.spectra.report.style import ORANGE, PARTS, THIN, about_zero, shown, told_tips

__all__ = ["agreement_chart", "group_chart", "residual_chart"]

_MOST_GROUPS = 30
_NAMES = {TRAINING: "training (out of fold)", TEST: "test"}


def agreement_chart(result: ValueResult, samples: Samples) -> Chart:
    """Draw predicted against measured values on equal axes, with the 1:1 line and the intervals."""
    test = shown(result, samples, TEST)
    ends = [end[test] for end in (result.lower, result.upper) if end is not None]
    every = np.concatenate([shown(result, samples, part) for part in PARTS])
    both = Axis.around("", result.measured[every], result.predicted[every], *ends)
    chart = Chart(
        "Predicted against measured",
        Axis(f"measured {result.label}", both.low, both.high),
        Axis(f"predicted {result.label}", both.low, both.high),
        "The line is where both are equal. Hover over a point for its sample.",
        square=True,
    )
    if result.lower is not None and result.upper is not None:
        share = "" if result.level is None else f"{100 * result.level:g} % "
        at = result.measured[test]
        bars = Style(ORANGE, width=1, opacity=0.35)
        chart.segments((at, result.lower[test]), (at, result.upper[test]), bars, f"{share}interval")
    chart.line([both.low, both.high], [both.low, both.high], THIN)
    for part, style in PARTS.items():
        rows = shown(result, samples, part)
        if rows.size:
            chart.points(
                result.measured[rows],
                result.predicted[rows],
                style,
                _NAMES[part],
                tips=told_tips(result, samples, rows),
            )
    return chart


def residual_chart(result: ValueResult, samples: Samples) -> Chart:
    """Draw predicted minus measured against measured values."""
    residuals = result.predicted - result.measured
    rows = {part: shown(result, samples, part) for part in PARTS}
    every = np.concatenate(list(rows.values()))
    chart = Chart(
        "Residuals",
        Axis.around(f"measured {result.label}", result.measured[every]),
        about_zero(f"predicted \N{MINUS SIGN} measured {result.label}", residuals[every]),
        "A slope or a curve says that the method misses something, a funnel that errors grow with the value.",
    )
    chart.rule(THIN, y=0.0)
    for part, style in PARTS.items():
        if rows[part].size:
            at = rows[part]
            tips = told_tips(result, samples, at)
            chart.points(result.measured[at], residuals[at], style, _NAMES[part], tips=tips)
    return chart


def group_chart(result: ValueResult, samples: Samples) -> Chart | None:
    """Draw the residuals of each group; None where there are no groups, or too many to read."""
    if samples.groups is None:
        return None
    known = np.isfinite(result.measured) & np.isfinite(result.predicted)
    every = np.flatnonzero(known & np.isin(samples.part, list(PARTS)))
    groups = samples.groups[every]
    names = sorted({str(name) for name in groups if name is not None})
    if not 2 <= len(names) <= _MOST_GROUPS:
        return None
    residuals = result.predicted - result.measured
    chart = Chart(
        "Residuals by group",
        about_zero(f"predicted \N{MINUS SIGN} measured {result.label}", residuals[every]),
        Axis.of_names("", tuple(names)),
        "Upright strokes: the mean of each. A group off the line is one that the model does not know.",
    )
    chart.rule(THIN, x=0.0)
    place = {name: float(i) for i, name in enumerate(names)}
    for part, style in PARTS.items():
        rows = shown(result, samples, part)
        rows = rows[[samples.groups[row] is not None for row in rows]]
        if rows.size:
            at = [place[str(samples.groups[row])] for row in rows]
            chart.points(
                residuals[rows], at, style, _NAMES[part], tips=told_tips(result, samples, rows)
            )
    means = np.array([residuals[every][groups == name].mean() for name in names])
    level = np.arange(len(names), dtype=np.float64)
    chart.segments((means, level - 0.32), (means, level + 0.32), Style((27, 31, 35), width=2.5))
    return chart
