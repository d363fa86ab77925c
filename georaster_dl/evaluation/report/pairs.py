"""Diagram of mapped over measured fractions, a panel for each."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["pairs_png"]

_COLUMNS = 3
_INCHES = 2.9
_DOTS = 130  # an inch


def pairs_png(pairs: npt.NDArray[np.int64], names: Sequence[str]) -> bytes:
    """Draw numbers of pairs, the darker the more, with the line of agreement, as PNG.

    Parameters
    ----------
    pairs : (names, steps, steps) by steps from 0 to 1 of the measured and of the mapped fraction.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    across = min(_COLUMNS, math.ceil(math.sqrt(len(names))))
    down = math.ceil(len(names) / across)
    figure = Figure((_INCHES * across, _INCHES * down), dpi=_DOTS, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    for axes, counts, name in zip(grid.ravel(), pairs, names, strict=False):
        _draw(axes, counts, name)
    for axes in grid.ravel()[len(names) :]:
        axes.set_axis_off()
    figure.supxlabel("measured", fontsize=10)
    figure.supylabel("mapped", fontsize=10)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def _draw(axes: Any, counts: npt.NDArray[np.int64], name: str) -> None:
    # By the root, as most pairs of most covers are near 0 and would leave all others pale.
    strength = np.sqrt(np.where(counts > 0, counts, np.nan)).T
    axes.imshow(
        strength, origin="lower", extent=(0, 1, 0, 1), cmap="Greys", vmin=-0.3 * np.sqrt(counts.max()),
        interpolation="nearest",
    )  # fmt: skip
    axes.axline((0, 0), slope=1, color="#4477aa", linewidth=1)
    axes.set_title(name.replace("$", r"\$"), fontsize=10)
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    axes.tick_params(labelsize=8)
