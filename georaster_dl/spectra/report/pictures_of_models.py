"""Charts of a model: its latent variables, its distance to samples, and other methods beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from georaster_dl.render.palette import palette
from georaster_dl.spectra.report.axis import Axis
from georaster_dl.spectra.report.chart import Chart, Style
from georaster_dl.spectra.report.content import ComponentsCurve, Distances, MethodResult, Samples
from georaster_dl.spectra.report.style import BLUE, DASHED, DOTTED, ORANGE, PARTS, thinned

__all__ = ["components_chart", "distance_chart", "methods_chart", "score_chart"]

_Floats = npt.NDArray[np.float64]

_NAMED = 8  # outliers with their name beside them
_FAR = 8.0  # times the limit: from there on a distance needs a logarithmic scale
_MARKS = ("circle", "square", "triangle", "diamond")


def components_chart(curve: ComponentsCurve, error: str) -> Chart:
    """Draw errors over the number of latent variables; ``error`` names them, with their unit."""
    counts = np.arange(1, len(curve.rmsecv) + 1)
    drawn = [curve.rmsecv, curve.rmsecv if curve.se is None else curve.rmsecv + curve.se]
    if curve.rmsec is not None:
        drawn.append(curve.rmsec)
    chart = Chart(
        "Error by number of latent variables",
        Axis("number of latent variables", 0.4, len(counts) + 0.6, whole=True),
        Axis.up_from_zero(error, *drawn),
        f"Dashed: the {curve.chosen} that the model has.",
    )
    chart.rule(DASHED, x=float(curve.chosen))
    if curve.rmsec is not None:
        calibration = Style(BLUE, width=1.4, dashes="4 3")
        chart.line(counts, curve.rmsec, calibration, "on the training rows (RMSEC)")
    if curve.se is not None:
        low, high = curve.rmsecv - curve.se, curve.rmsecv + curve.se
        chart.segments((counts, low), (counts, high), Style(ORANGE, width=1, opacity=0.8))
    chart.line(counts, curve.rmsecv, Style(ORANGE, width=2))
    tips = [
        f"{n} latent variables: {value:.4g}" for n, value in zip(counts, curve.rmsecv, strict=True)
    ]
    name = "cross-validated (RMSECV)" + ("" if curve.se is None else " ± standard error")
    chart.points(counts, curve.rmsecv, Style(ORANGE), name, tips=tips)
    return chart


def score_chart(
    distances: Distances, samples: Samples, classes: npt.NDArray[np.object_] | None
) -> Chart:
    """Draw scores of the first two latent variables, coloured by class or else by part."""
    scores = distances.scores
    up = scores[:, 1] if scores.shape[1] > 1 else np.zeros(len(scores))
    chart = Chart(
        "PLS scores",
        Axis.around("latent variable 1", scores[:, 0]),
        Axis.around("latent variable 2", up),
        "Each point is a spectrum: clusters are kinds of samples, and what lies apart is unlike the rest.",
    )
    labels = samples.part if classes is None else classes
    for name, style in _styles(labels).items():
        rows = thinned(np.flatnonzero(labels == name))
        tips = [f"{samples.names[row]} ({name})" for row in rows]
        chart.points(scores[rows, 0], up[rows], style, name, tips=tips)
    return chart


def _styles(labels: npt.NDArray[np.object_]) -> dict[str, Style]:
    """Colours and marks of parts, or of classes."""
    names = sorted({name for name in labels if name is not None})
    if set(names) <= set(PARTS):
        return {name: style for name, style in PARTS.items() if name in names}
    return {
        name: Style(color, _MARKS[i % len(_MARKS)], opacity=0.85)
        for i, (name, color) in enumerate(zip(names, palette(len(names)), strict=True))
    }


def distance_chart(distances: Distances, samples: Samples) -> Chart:
    """Draw Q residuals against T2 with their limits; the farthest samples are named."""
    t2, q = distances.t2, distances.q
    highest = max(distances.t2_limits), max(distances.q_limits)
    t2_limit, q_limit = distances.t2_limits[highest[0]], distances.q_limits[highest[1]]
    over = np.maximum(t2 / t2_limit, q / q_limit)
    outside = np.flatnonzero(over > 1)
    chart = Chart(
        "Distance from the calibration",
        _distance_axis("Hotelling's T²", t2, t2_limit),
        _distance_axis("Q residual", q, q_limit),
        f"{len(outside)} of {len(t2):,} spectra lie beyond a limit of {100 * highest[0]:g} %: right of it of unusual composition, above it "
        f"with something in them that the calibration does not have.",
    )
    for limits, across in ((distances.t2_limits, True), (distances.q_limits, False)):
        for level, style in zip(sorted(limits), (DOTTED, DASHED), strict=False):
            name = f"{100 * level:g} % limit" if across else ""
            at = {"x": limits[level]} if across else {"y": limits[level]}
            chart.rule(style, name, **at)
    for part, style in PARTS.items():
        rows = thinned(np.flatnonzero(samples.part == part), always=outside)
        if rows.size:
            tips = [f"{samples.names[row]}: T² {t2[row]:.3g}, Q {q[row]:.3g}" for row in rows]
            chart.points(t2[rows], q[rows], style, part, tips=tips)
    for row in outside[np.argsort(-over[outside])][:_NAMED]:
        chart.label(float(t2[row]), float(q[row]), str(samples.names[row]))
    return chart


def _distance_axis(label: str, values: _Floats, limit: float) -> Axis:
    high = max(float(np.nanmax(values)), limit)
    if high <= _FAR * limit:
        return Axis(label, 0.0, 1.06 * high)
    low = max(float(np.min(values[values > 0], initial=limit)), limit / 1e3)
    return Axis(f"{label} (logarithmic)", low / 1.3, high * 1.5, log=True)


def methods_chart(methods: Sequence[MethodResult], error: str) -> Chart:
    """Draw the errors of all methods, out of fold with standard errors and on the test rows."""
    levels = np.arange(len(methods), dtype=np.float64)
    cv, se, test = (
        np.array([np.nan if value is None else value for value in column], np.float64)
        for column in zip(*((each.cv, each.cv_se, each.test) for each in methods), strict=True)
    )
    names = tuple(f"{each.name}{' (kept)' if each.kept else ''}" for each in methods)
    chart = Chart(
        "Methods on the same rows",
        Axis.up_from_zero(error, cv + np.nan_to_num(se), cv, test),
        Axis.of_names("", names),
        "Smaller is better. What lies within a standard error of the best is as good, as far as these rows tell.",
    )
    if np.isfinite(cv).any():
        at = np.isfinite(cv)
        bars = Style(BLUE, width=2, opacity=0.8)
        chart.segments((cv - se, levels), (cv + se, levels), bars)
        tips = [
            f"{name}: {value:.4g}" for name, value in zip(np.array(names)[at], cv[at], strict=True)
        ]
        named = "cross-validated, ± standard error" if np.isfinite(se).any() else "cross-validated"
        chart.points(cv[at], levels[at], Style(BLUE), named, tips=tips)
    if np.isfinite(test).any():
        at = np.isfinite(test)
        tips = [
            f"{name}: {value:.4g}"
            for name, value in zip(np.array(names)[at], test[at], strict=True)
        ]
        chart.points(test[at], levels[at] + 0.18, Style(ORANGE, "diamond"), "test rows", tips=tips)
    return chart
