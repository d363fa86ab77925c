"""Contact sheet: small pictures of many areas on one page."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georaster_dl.render.colors import Colors

__all__ = ["Tile", "contact_sheet_png"]

_COLUMNS = 10
_INCHES = 1.35  # side of a picture
_TITLE_INCHES = 0.34
_DPI = 110


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet.

    Attributes
    ----------
    colors : (rows, cols, 3) in 0..1.
    outlines : (points, 2) cols and rows of each ring that is drawn, in pixels of the picture.
    title : two short lines above it.
    """

    colors: Colors
    outlines: Sequence[npt.NDArray[np.float64]]
    title: str


def contact_sheet_png(tiles: Sequence[Tile], title: str) -> bytes:
    """Draw pictures in rows, ten at most in each, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    across = min(_COLUMNS, len(tiles))
    down = math.ceil(len(tiles) / across)
    size = (across * _INCHES + 0.2, down * (_INCHES + _TITLE_INCHES) + 0.45)
    figure = Figure(figsize=size, dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.1 / size[0], 1 - 0.22 / size[1], title, va="center", fontsize=9)
    for number, tile in enumerate(tiles):
        row, col = divmod(number, across)
        left = 0.1 + col * _INCHES
        top = size[1] - 0.4 - row * (_INCHES + _TITLE_INCHES)
        side = _INCHES - 0.08
        axes = figure.add_axes(
            (
                left / size[0],
                (top - _TITLE_INCHES - side) / size[1],
                side / size[0],
                side / size[1],
            )
        )
        axes.imshow(tile.colors, interpolation="nearest", extent=_extent(tile.colors))
        for ring in tile.outlines:
            axes.plot(*ring.T, color="black", linewidth=2.6)
            axes.plot(*ring.T, color="#ffd400", linewidth=1.3)
        rows, cols = tile.colors.shape[:2]
        axes.set(xlim=(0, cols), ylim=(rows, 0))
        axes.axis("off")
        figure.text(
            left / size[0],
            (top - 0.02) / size[1],
            tile.title.replace("$", r"\$"),
            va="top",
            fontsize=6.5,
            linespacing=1.1,
        )
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _extent(colors: Colors) -> tuple[float, float, float, float]:
    rows, cols = colors.shape[:2]
    return 0, cols, rows, 0
