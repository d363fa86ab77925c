"""Reliability diagram: accuracy over confidence, before and after a calibration."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from georaster_dl.calibration.judged import Judged
from georaster_dl.evaluation.metrics.reliability import BINS, Reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FEWEST", "reliability_png"]

FEWEST = 20
"""Pixels of the smallest bin that is drawn; of fewer, chance makes the height."""

_INCHES = 3.9
_DOTS = 130  # an inch
_BAR, _GAP, _LINE = (
    "#4477aa",
    "#ee7733",
    "#444444",
)  # Tol's bright and vibrant, safe for the colour-blind


def reliability_png(judged: Sequence[Judged]) -> bytes:
    """Draw a row of two diagrams for each predictor, as PNG.

    Below each diagram: the share of the pixels in each bin of confidence. Bins of few pixels are left out.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = len(judged)
    figure = Figure((2 * _INCHES, 1.3 * _INCHES * rows), dpi=_DOTS, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(
        2 * rows, 2, squeeze=False, sharex=True, gridspec_kw={"height_ratios": [4, 1] * rows}
    )
    for row, each in enumerate(judged):
        for col, (when, found) in enumerate((("before", each.before), ("after", each.after))):
            title = f"{each.predictor}, {when}: ECE {found.ece.value:.3f}"
            _draw(grid[2 * row, col], found, title)
            _draw_shares(grid[2 * row + 1, col], found)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def _draw(axes: Axes, found: Reliability, title: str) -> None:
    pixels, confidence, accuracy = found.bins.T
    there = pixels >= FEWEST
    left = np.arange(BINS)[there] / BINS
    confidence, accuracy = confidence[there], accuracy[there]
    axes.bar(
        left, accuracy, 1 / BINS, align="edge", color=_BAR, edgecolor="white", label="accuracy"
    )
    axes.bar(
        left,
        confidence - accuracy,
        1 / BINS,
        accuracy,
        align="edge",
        color="none",
        edgecolor=_GAP,
        hatch="////",
        linewidth=0.8,
        label="gap to the confidence",
    )
    axes.plot((0, 1), (0, 1), color=_LINE, linewidth=1, linestyle="--")
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
    axes.set_title(title, fontsize=10)
    axes.legend(loc="upper left", fontsize=8, frameon=False)


def _draw_shares(axes: Axes, found: Reliability) -> None:
    pixels = np.nan_to_num(found.bins[:, 0])
    axes.bar(
        np.arange(BINS) / BINS,
        pixels / pixels.sum(),
        1 / BINS,
        align="edge",
        color="0.7",
        edgecolor="white",
    )
    axes.set(ylim=(0, 1), xlabel="confidence", ylabel="pixels")
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
