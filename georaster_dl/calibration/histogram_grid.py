"""Picture of histograms of certainty: a row a point, a column a class."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from georaster_dl.calibration.histograms import BINS, Histograms

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["histograms_png"]

_MOST_POINTS, _MOST_CLASSES = 12, 8
_WIDE, _HIGH = 1.5, 1.1  # inches of a histogram
_DOTS = 130  # an inch
_KINDS = {1: ("sure yes", "#0077bb"), -1: ("sure no", "#999999"), 0: ("undecided", "#ee7733")}


def histograms_png(histograms: Histograms) -> bytes:
    """Draw the histograms of up to 12 points, from the surest to the least sure, and 8 classes, as PNG.

    The colour tells whether nearly all passes say yes or no to a class, or neither.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    rows, cols = _shown(histograms)
    figure = Figure(
        (_WIDE * len(cols) + 1.1, _HIGH * len(rows) + 0.9), dpi=_DOTS, layout="constrained"
    )
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(rows), len(cols), squeeze=False, sharex=True, sharey=True)
    for down, point in enumerate(rows):
        for across, of_class in enumerate(cols):
            axes = grid[down, across]
            _draw(axes, histograms, point, of_class)
            if down == 0:
                axes.set_title(histograms.names[of_class].replace("$", r"\$"), fontsize=9)
        grid[down, 0].set_ylabel(f"fid {point + 1}", fontsize=8)
    figure.supxlabel("probability, of each pass", fontsize=9)
    handles = [Patch(color=color, label=name) for name, color in _KINDS.values()]
    figure.legend(handles=handles, loc="outside upper right", ncols=3, fontsize=8, frameon=False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def _shown(histograms: Histograms) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Choose points, spread from the surest to the least sure, and the classes that these are likeliest."""
    sure = np.argsort(-histograms.mean.max(axis=1), kind="stable")
    picked = np.linspace(0, len(sure) - 1, min(len(sure), _MOST_POINTS)).round().astype(int)
    rows = sure[picked]
    likely = np.argsort(-histograms.mean[rows].max(axis=0), kind="stable")[:_MOST_CLASSES]
    return rows, np.sort(likely)


def _draw(axes: Axes, histograms: Histograms, point: int, of_class: int) -> None:
    counts = histograms.counts[point, of_class]
    _, color = _KINDS[int(histograms.verdicts[point, of_class])]
    axes.bar(
        np.arange(BINS) / BINS,
        counts / counts.sum(),
        1 / BINS,
        align="edge",
        color=color,
        linewidth=0,
    )
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=())
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
