"""Predicted against measured values, as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.spectra.scores import ValueScores

__all__ = ["Panel", "plot_values"]

_Floats = npt.NDArray[np.float64]

_ACROSS = 3
_INCHES = 4.2
_DOTS = 120  # an inch
_POINT, _BAR, _LINE = "#1f77b4", "#9ec5e0", "#555555"


@dataclass(frozen=True, eq=False)
class Panel:
    """One diagram.

    Attributes
    ----------
    title : a method or a target.
    measured, predicted : (n,).
    lower, upper : (n,) ends of the intervals, None where there are none.
    """

    title: str
    measured: _Floats = field(repr=False)
    predicted: _Floats = field(repr=False)
    lower: _Floats | None = field(default=None, repr=False)
    upper: _Floats | None = field(default=None, repr=False)


def plot_values(path: Path, panels: Sequence[Panel]) -> None:
    """Draw predicted against measured values with the 1:1 line and bars of the intervals, as PNG."""
    from matplotlib.figure import Figure

    across = min(len(panels), _ACROSS)
    down = math.ceil(len(panels) / across)
    figure = Figure((_INCHES * across, _INCHES * down), dpi=_DOTS, layout="compressed")
    for panel, axes in zip(panels, figure.subplots(down, across, squeeze=False).flat, strict=False):
        _draw(axes, panel)
    for axes in figure.axes[len(panels) :]:
        axes.set_axis_off()
    figure.savefig(path, format="png")


def _draw(axes: Any, panel: Panel) -> None:
    known = np.isfinite(panel.measured) & np.isfinite(panel.predicted)
    measured, predicted = panel.measured[known], panel.predicted[known]
    ends = [measured, predicted]
    if panel.lower is not None and panel.upper is not None:
        lower, upper = panel.lower[known], panel.upper[known]
        axes.vlines(measured, lower, upper, color=_BAR, linewidth=0.8, zorder=1)
        ends += [lower, upper]
    low, high = min(end.min() for end in ends), max(end.max() for end in ends)
    margin = 0.03 * (high - low) or 1.0
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color=_LINE, linewidth=1, zorder=2)
    axes.scatter(measured, predicted, s=12, color=_POINT, linewidth=0, alpha=0.8, zorder=3)
    axes.set(xlim=limits, ylim=limits, aspect="equal", xlabel="measured", ylabel="predicted")
    scores = ValueScores.of(predicted, measured)
    axes.set_title(
        f"{panel.title}\nRMSEP {scores.rmsep:.3g}, R² {scores.r2:.3f}, n {scores.n}", fontsize=10
    )
