"""Charts of a model: its latent variables, its distance to samples, and other methods beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from georaster_dl.core.wording import counted
from georaster_dl.render.palette import palette
from georaster_dl.spectra.report.axis import Axis
from georaster_dl.spectra.report.chart import Chart, Style
from georaster_dl.spectra.report.content import ComparedMethod, ComponentsCurve, Distances, Samples
from georaster_dl.spectra.report.style import BLUE, DASHED, DOTTED, ORANGE, PARTS, thinned

__all__ = ["components_chart", "distance_chart", "methods_chart", "score_chart"]

_Floats = npt.NDArray[np.float64]

_AS_GOOD = " What lies within a standard error of the best is as good, as far as these rows tell."
_LEVEL = 0.99
_NAMED = 8  # outliers with their name beside them
_FAR = 8.0  # times a limit: from there on a distance needs a logarithmic scale
_MARKS = ("circle", "square", "triangle", "diamond")


def components_chart(curve: ComponentsCurve, error: str) -> Chart:
    """Draw errors over the number of latent variables; ``error`` names them, with their unit."""
    counts = np.arange(1, len(curve.crossed) + 1)
    fitted = np.array([]) if curve.fitted is None else curve.fitted
    fewer = ""
    if curve.fewest is not None and curve.fewest < curve.chosen:
        fewer = f"{curve.fewest} would be within one standard error of the least. "
    chart = Chart(
        "Error by number of latent variables",
        Axis("number of latent variables", 0.4, len(counts) + 0.6, whole=True),
        Axis.up_from_zero(error, curve.crossed, fitted),
        f"Of {curve.method}; dashed: the {curve.chosen} that were taken. {fewer}The RMSECV of the table may be larger, as there "
        f"they are chosen anew in each fold.",
    )
    chart.rule(DASHED, x=float(curve.chosen))
    if curve.fitted is not None:
        chart.line(counts[: len(fitted)], fitted, Style(BLUE, width=2), "training rows")
    chart.line(counts, curve.crossed, Style(ORANGE, width=2))
    tips = [f"{n} latent variables: {x:.4g}" for n, x in zip(counts, curve.crossed, strict=True)]
    chart.points(counts, curve.crossed, Style(ORANGE), "cross-validation", tips=tips)
    return chart


def score_chart(
    distances: Distances, samples: Samples, classes: npt.NDArray[np.object_] | None
) -> Chart:
    """Draw scores of the first two latent variables, coloured by class or else by part."""
    known = np.isin(samples.part, list(PARTS))
    scores = np.where(known[:, None], distances.scores, np.nan)
    up = scores[:, 1] if scores.shape[1] > 1 else np.zeros(len(scores))
    chart = Chart(
        "PLS scores",
        Axis.around("latent variable 1", scores[:, 0]),
        Axis.around("latent variable 2", up),
        "Each point is a spectrum: clusters are kinds of samples, and what lies apart is unlike the rest.",
    )
    labels = (samples.part if classes is None else classes).copy()
    labels[~known] = None
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
    """Draw Q residuals against T2, both by their limit of 99 %; the farthest samples are named."""
    t2, q = (
        values / limits[_LEVEL]
        for values, limits in (
            (distances.t2, distances.t2_limits),
            (distances.q, distances.q_limits),
        )
    )
    known = np.isin(samples.part, list(PARTS))
    over = np.where(known, np.maximum(t2, q), 0.0)
    outside = np.flatnonzero(over > 1)
    chart = Chart(
        "Distance from the calibration",
        _distance_axis("Hotelling's T² by its limit", t2[known]),
        _distance_axis("Q residual by its limit", q[known]),
        f"{len(outside):,} of {counted(int(known.sum()), 'spectrum')} lie beyond a limit of 99 %: on the right of unusual composition, "
        f"on top with something in them that the calibration does not have.",
    )
    chart.rule(DASHED, "99 % limit", x=1.0)
    chart.rule(DASHED, y=1.0)
    chart.rule(DOTTED, "95 % limit", x=distances.t2_limits[0.95] / distances.t2_limits[_LEVEL])
    chart.rule(DOTTED, y=distances.q_limits[0.95] / distances.q_limits[_LEVEL])
    for part, style in PARTS.items():
        rows = thinned(np.flatnonzero(samples.part == part), always=outside)
        if rows.size:
            tips = [
                f"{samples.names[row]}: T² {distances.t2[row]:.3g}, Q {distances.q[row]:.3g}"
                for row in rows
            ]
            chart.points(t2[rows], q[rows], style, part, tips=tips)
    for row in outside[np.argsort(-over[outside])][:_NAMED]:
        chart.label(float(t2[row]), float(q[row]), str(samples.names[row]))
    return chart


def _distance_axis(label: str, ratios: _Floats) -> Axis:
    high = max(float(np.nanmax(ratios)), 1.0)
    if high <= _FAR:
        return Axis(label, 0.0, 1.06 * high)
    low = max(float(np.min(ratios[ratios > 0], initial=1.0)), 1e-3)
    return Axis(f"{label} (logarithmic)", low / 1.3, high * 1.5, log=True)


def methods_chart(methods: Sequence[ComparedMethod], error: str) -> Chart:
    """Draw the errors of all methods, in cross-validation and on the test rows."""
    names = tuple(f"{each.name}{' (kept)' if each.kept else ''}" for each in methods)
    levels = np.arange(len(methods), dtype=np.float64)
    series = (
        ("cross-validation", "standard error", Style(BLUE), "cv", "cv_se", -0.1),
        ("test rows", "standard deviation over seeds", Style(ORANGE, "diamond"), "test", "test_sd", 0.1),
    )  # fmt: skip
    found = [
        (name, of, style, _column(methods, errors), _column(methods, spreads), levels + shift)
        for name, of, style, errors, spreads, shift in series
    ]
    ends = [errors + np.nan_to_num(spread) for *_, errors, spread, _ in found]
    chart = Chart(
        "Methods on the same rows",
        Axis.up_from_zero(error, *ends),
        Axis.of_names("", names),
        "Smaller is better."
        + (_AS_GOOD if any(each.cv_se is not None for each in methods) else ""),
    )
    for name, of, style, errors, spread, at in found:
        if np.isfinite(errors).any():
            bars = replace(style, width=2, opacity=0.8)
            chart.segments((errors - spread, at), (errors + spread, at), bars)
            tips = [f"{each}: {value:.4g}" for each, value in zip(names, errors, strict=True)]
            shown = f"{name}, ± {of}" if np.isfinite(spread).any() else name
            chart.points(errors, at, style, shown, tips=tips)
    return chart


def _column(methods: Sequence[ComparedMethod], name: str) -> _Floats:
    return np.array([getattr(each, name) for each in methods], np.float64)
