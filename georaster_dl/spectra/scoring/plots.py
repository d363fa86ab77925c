"""Predicted against measured values, as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from georaster_dl.spectra.scoring.scores import ValueScores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
    quantity : what was measured, with its unit where that is known; panels of the same quantity have the
        same axes.
    measured, predicted : (n,).
    lower, upper : (n,) ends of the intervals, None where there are none.
    level : share of values that these are meant to hold, 0..1.
    """

    title: str
    quantity: str
    measured: _Floats = field(repr=False)
    predicted: _Floats = field(repr=False)
    lower: _Floats | None = field(default=None, repr=False)
    upper: _Floats | None = field(default=None, repr=False)
    level: float | None = None

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """(n,) where a value was both measured and predicted."""
        both: npt.NDArray[np.bool_] = np.isfinite(self.measured) & np.isfinite(self.predicted)
        return both


def plot_values(path: Path, panels: Sequence[Panel]) -> None:
    """Draw predicted against measured values with the 1:1 line and bars of the intervals, as PNG.

    Both axes have one range and one scale, which panels of the same quantity share.
    """
    _figure(panels).savefig(path, format="png")


def _figure(panels: Sequence[Panel]) -> Figure:
    from matplotlib.figure import Figure

    across = min(len(panels), _ACROSS)
    down = math.ceil(len(panels) / across)
    figure = Figure((_INCHES * across, _INCHES * down), dpi=_DOTS, layout="compressed")
    for panel, axes in zip(panels, figure.subplots(down, across, squeeze=False).flat, strict=False):
        _draw(axes, panel, _limits([other for other in panels if other.quantity == panel.quantity]))
    for axes in figure.axes[len(panels) :]:
        axes.set_axis_off()
    return figure


def _limits(panels: Sequence[Panel]) -> tuple[float, float]:
    """Ends of an axis that holds all values and intervals."""
    ends = [
        values[panel.known]
        for panel in panels
        for values in (panel.measured, panel.predicted, panel.lower, panel.upper)
        if values is not None
    ]
    low, high = min(end.min() for end in ends), max(end.max() for end in ends)
    margin = 0.03 * (high - low) or 1.0
    return float(low - margin), float(high + margin)


def _draw(axes: Any, panel: Panel, limits: tuple[float, float]) -> None:
    from matplotlib.ticker import MaxNLocator

    known = panel.known
    measured, predicted = panel.measured[known], panel.predicted[known]
    if panel.lower is not None and panel.upper is not None:
        lower, upper = panel.lower[known], panel.upper[known]
        share = "" if panel.level is None else f"{100 * panel.level:g} % "
        axes.vlines(
            measured, lower, upper, color=_BAR, linewidth=0.8, zorder=1, label=f"{share}intervals"
        )
        axes.legend(loc="upper left", fontsize=8, frameon=False)
    axes.plot(limits, limits, color=_LINE, linewidth=1, zorder=2)
    axes.scatter(measured, predicted, s=12, color=_POINT, linewidth=0, alpha=0.8, zorder=3)
    ticks = [tick for tick in MaxNLocator(5).tick_values(*limits) if limits[0] <= tick <= limits[1]]
    axes.set(xlim=limits, ylim=limits, xticks=ticks, yticks=ticks, aspect="equal")
    axes.set(xlabel=f"measured {panel.quantity}", ylabel=f"predicted {panel.quantity}")
    scores = ValueScores.of(predicted, measured)
    axes.set_title(
        f"{panel.title}\nRMSEP {scores.rmsep:.3g}, R² {scores.r2:.3f}, n {scores.n}", fontsize=10
    )
