"""Charts of simulated beside real spectra."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.spectra.report.axis import Axis
from georaster_dl.spectra.report.chart import Chart, Style
from georaster_dl.spectra.report.style import BLUE, DASHED, ORANGE, thinned
from georaster_dl.spectra.simulate.judging.judge import Judged
from georaster_dl.spectra.simulate.result import Simulated

__all__ = ["gain_chart", "neighbour_chart", "score_chart", "spectra_charts"]

_Floats = npt.NDArray[np.float64]

_REAL, _MADE = Style(BLUE, "circle", opacity=0.75), Style(ORANGE, "diamond", opacity=0.75)
_MOST_CLASSES = 8
_BINS = 30
_POINTS = 600


def spectra_charts(made: Simulated, judged: Judged | None) -> list[Chart]:
    """Draw mean and quantiles of real and simulated spectra, for each class where there are at most eight."""
    everything = [("All spectra", _rows(made, None, ""), _rows(judged, None, ""))]
    if judged is None or not judged.truth.of_classes:
        return [_spectra_chart(made, *each) for each in everything]
    column = str(judged.truth.class_column)
    names = np.unique(np.asarray(made.columns[column]).astype(str)).tolist()
    if len(names) > _MOST_CLASSES:
        return [_spectra_chart(made, *each) for each in everything]
    return [
        _spectra_chart(made, name, _rows(made, column, name), _rows(judged, column, name))
        for name in names
    ]


def _rows(source: Simulated | Judged | None, column: str | None, name: str) -> _Floats:
    """Return the spectra (n, bands) of all rows or of a class."""
    if source is None:
        return np.empty((0, 0))
    spectra, names = (
        (source.spectra, source.columns.get(column or ""))
        if isinstance(source, Simulated)
        else (source.real.spectra, None if column is None else source.real.classes(column))
    )
    return np.asarray(
        spectra if column is None else spectra[np.asarray(names).astype(str) == name], np.float64
    )


def _spectra_chart(made: Simulated, title: str, simulated: _Floats, real: _Floats) -> Chart:
    nm = np.asarray(made.wavelengths_nm)
    quantiles = [np.quantile(rows, (0.05, 0.95), axis=0) for rows in (simulated, real) if len(rows)]
    chart = Chart(
        title,
        Axis.around("wavelength (nm)", nm, margin=0.01),
        Axis.around(made.quantity, *quantiles),
        "Thick: means. Between the dashed lines"
        + (", and in the blue band," if len(real) else "")
        + " lie 90 % of the spectra.",
    )
    if len(real):
        low, high = np.quantile(real, (0.05, 0.95), axis=0)
        chart.band(nm, low, high, Style(BLUE, opacity=0.22))
        chart.line(nm, real.mean(axis=0), Style(BLUE, width=2.4), f"real, {len(real):,}")
    for end in np.quantile(simulated, (0.05, 0.95), axis=0):
        chart.line(nm, end, Style(ORANGE, width=1.3, dashes="5 3"))
    chart.line(
        nm, simulated.mean(axis=0), Style(ORANGE, width=1.8), f"simulated, {len(simulated):,}"
    )
    return chart


def score_chart(made: Simulated, judged: Judged) -> Chart:
    """Draw scores of the first two principal components of the real spectra."""
    from sklearn.decomposition import PCA

    space = PCA(2, svd_solver="full").fit(judged.real.spectra)
    real, simulated = (space.transform(spectra) for spectra in (judged.real.spectra, made.spectra))
    some = np.random.default_rng(0).permutation(len(simulated))[:_POINTS]
    first, second = 100 * space.explained_variance_ratio_
    chart = Chart(
        "Principal components",
        Axis.around(f"component 1 ({first:.0f} % of the variance)", real[:, 0], simulated[some, 0]),
        Axis.around(f"component 2 ({second:.0f} %)", real[:, 1], simulated[some, 1]),
        "Of the real spectra as measured: simulated ones should lie among them, and fill no more than their space.",
    )
    chart.points(simulated[some, 0], simulated[some, 1], _MADE, f"simulated, {len(some):,} of them")
    shown = thinned(np.arange(len(real)))
    chart.points(real[shown, 0], real[shown, 1], _REAL, "real")
    return chart


def neighbour_chart(judged: Judged) -> Chart:
    """Draw histograms of the distance to the nearest real spectrum that was learnt from."""
    made, real = (
        np.concatenate([getattr(fold, name) for fold in judged.likeness])
        for name in ("nearest", "nearest_real")
    )
    edges = np.linspace(0, float(np.quantile(np.concatenate([made, real]), 0.99)) or 1.0, _BINS + 1)
    shares = [100 * np.histogram(each, edges)[0] / len(each) for each in (made, real)]
    chart = Chart(
        "Distance to the nearest real spectrum",
        Axis("distance of preprocessed spectra", 0.0, float(edges[-1])),
        Axis.up_from_zero("spectra (%)", *shares),
        "Left of the blue: near copies. Right of it: spectra unlike any that was learnt from. Dashed: medians.",
    )
    across = np.repeat(edges, 2)[1:-1]
    for share, style, name, values in (
        (shares[1], _REAL, "held-out real", real),
        (shares[0], _MADE, "simulated", made),
    ):
        steps = np.repeat(share, 2)
        chart.band(across, np.zeros(len(steps)), steps, replace(style, opacity=0.2))
        chart.line(across, steps, replace(style, opacity=1.0), name)
        chart.rule(replace(DASHED, color=style.color), x=float(np.median(values)))
    return chart


def gain_chart(judged: Judged) -> Chart:
    """Draw scores with and without simulated spectra by number of real spectra."""
    gains = [gain for gain in judged.gains if not gain.refused]
    names = tuple(gain.label for gain in gains)
    levels = np.arange(len(gains), dtype=np.float64)
    series: Sequence[tuple[str, Style, Any, float]] = (
        ("real alone", _REAL, [gain.alone for gain in gains], -0.12),
        ("real and simulated", _MADE, [gain.both for gain in gains], 0.12),
    )
    ends = [float(end) for _, _, scores, _ in series for each in scores for end in _about(each)]
    chart = Chart(
        "Use, by number of real spectra",
        Axis.around(f"{judged.score_name} on held-out real spectra", ends),
        Axis.of_names("", names),
        f"More is better. Bars: standard deviation over draws or parts. Dashed: simulated spectra alone "
        f"({judged.of_simulated.mean():.3f}).",
    )
    if chart.x.low <= judged.of_simulated.mean() <= chart.x.high:
        chart.rule(DASHED, x=float(judged.of_simulated.mean()))
    for name, style, scores, shift in series:
        low, high = np.array([_about(each) for each in scores]).T
        chart.segments((low, levels + shift), (high, levels + shift), replace(style, width=2))
        means = np.array([each.mean() for each in scores])
        tips = [f"{label}: {mean:.3f}" for label, mean in zip(names, means, strict=True)]
        chart.points(means, levels + shift, style, name, tips=tips)
    return chart


def _about(scores: _Floats) -> tuple[float, float]:
    spread = float(scores.std(ddof=1)) if len(scores) > 1 else 0.0
    return float(scores.mean()) - spread, float(scores.mean()) + spread
