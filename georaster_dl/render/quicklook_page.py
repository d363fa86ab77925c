"""Page of a quicklook: pictures of the same size, a legend or colour bar, a scale bar."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.disk import writing

__all__ = ["LEGEND_ROW_INCHES", "RAMP_INCHES", "Layout", "write_page"]

LEGEND_ROW_INCHES = 0.22
RAMP_INCHES = (0.22, 2.2)  # width and height of a colour bar
_DPI = 120
_PANEL_INCHES = 5.5  # longest side of one picture
_SLIMMEST = 0.18  # no panel gets thinner than this share of its length, so titles stay readable


def write_page(
    out_png: Path,
    pictures: list[tuple[str, npt.NDArray[np.float64]]],
    *,
    key: Callable[[Any, Layout], None],
    n_rows: int,
    resolution_m: float | None,
    title: str,
) -> None:
    """Write a PNG of pictures beside each other.

    Parameters
    ----------
    pictures : name and colours in 0..1 as (rows, cols, 3), all of one shape.
    key : draws what explains the colours on a figure, where the layout says.
    n_rows : rows of a legend that it takes.
    resolution_m : size of a pixel in metres; None leaves out the scale bar.
    title : line above the pictures.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    layout = Layout(pictures[0][1].shape[:2], len(pictures), n_rows)
    figure = Figure(figsize=layout.figure, dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    for index, (name, colors) in enumerate(pictures):
        axes = figure.add_axes(layout.picture(index))
        # The place already has the scene's shape, but for strips of a few rows, which get widened.
        axes.imshow(colors, interpolation="nearest", aspect="auto")
        axes.set_title(name, fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
    if resolution_m is not None:
        _scale_bar(figure.add_axes(layout.bar()), layout.meters_per_inch(resolution_m))
    key(figure, layout)
    figure.text(0.5, 1 - 0.2 / layout.figure[1], title, ha="center", va="center", fontsize=11)
    with writing(out_png):
        figure.savefig(out_png, format="png")


class Layout:
    """Where things go, in inches: pictures side by side, or one above the other for wide scenes."""

    def __init__(self, shape: tuple[int, ...], n_pictures: int, n_rows: int) -> None:
        rows, cols = shape
        self._scale = _PANEL_INCHES / max(rows, cols)  # inches per pixel
        self._size = (
            max(cols * self._scale, _SLIMMEST * _PANEL_INCHES),
            max(rows * self._scale, _SLIMMEST * _PANEL_INCHES),
        )
        self._stacked = cols > 1.8 * rows
        self._n = n_pictures
        across, down = (1, n_pictures) if self._stacked else (n_pictures, 1)
        self._gap, self._top, self._bottom, self._side = 0.3, 0.65, 0.6, 0.25
        self._legend_width = 2.6
        wide = across * self._size[0] + (across - 1) * self._gap
        high = down * self._size[1] + (down - 1) * (self._gap + 0.1)
        needed = n_rows * LEGEND_ROW_INCHES + 0.3
        self._high = max(high, needed)
        self.figure = (
            2 * self._side + wide + self._gap + self._legend_width,
            self._top + self._high + self._bottom,
        )
        self._wide = wide

    def _relative(
        self, left: float, bottom: float, wide: float, high: float
    ) -> tuple[float, float, float, float]:
        return (
            left / self.figure[0],
            bottom / self.figure[1],
            wide / self.figure[0],
            high / self.figure[1],
        )

    def picture(self, index: int) -> tuple[float, float, float, float]:
        """Place of a picture as matplotlib takes it: left, bottom, width, height in parts of the figure."""
        across, down = (0, index) if self._stacked else (index, 0)
        left = self._side + across * (self._size[0] + self._gap)
        top = self._bottom + self._high - down * (self._size[1] + self._gap + 0.1)
        return self._relative(left, top - self._size[1], *self._size)

    def bar(self) -> tuple[float, float, float, float]:
        """Place of the scale bar: below the pictures, 2 inches that it fills in part."""
        return self._relative(self._side, 0.1, 2.0, 0.4)

    def legend(self, below: float = 0.0) -> tuple[float, float]:
        """Return the upper left corner of the legend, or the place so many inches below it."""
        left, top, *_ = self._relative(
            self._side + self._wide + self._gap, self._bottom + self._high - below, 0, 0
        )
        return left, top

    def ramp(self) -> tuple[float, float, float, float]:
        """Place of the colour bar: below a row for its name."""
        wide, high = RAMP_INCHES
        bottom = self._bottom + self._high - LEGEND_ROW_INCHES - high
        return self._relative(self._side + self._wide + self._gap, bottom, wide, high)

    def meters_per_inch(self, resolution_m: float) -> float:
        """Ground distance of an inch on the pictures."""
        return resolution_m / self._scale


def _round_length(meters: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is at most ``meters``."""
    power = 10.0 ** math.floor(math.log10(meters))
    return max(step * power for step in (1, 2, 5) if step * power <= meters * 1.000001)


def _scale_bar(axes: Any, meters_per_inch: float) -> None:
    length = _round_length(2.0 * meters_per_inch)
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    axes.set(xlim=(0, 2.0), ylim=(0, 1))
    axes.axis("off")
    axes.plot(
        [0, length / meters_per_inch],
        [0.75, 0.75],
        color="black",
        linewidth=3,
        solid_capstyle="butt",
    )
    axes.text(length / meters_per_inch / 2, 0.5, text, ha="center", va="top", fontsize=9)
