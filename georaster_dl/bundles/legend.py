"""Legend of a map as a picture of its own, for reports and slides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from georaster_dl.core.disk import writing

__all__ = ["write_color_bar", "write_swatches"]

_DPI = 200
_LONGEST_COLUMN = 25  # entries
_BAR_INCHES = (0.22, 2.6)  # width and height


def write_swatches(path: Path, entries: Sequence[tuple[str, str]]) -> None:
    """Write a PNG of a swatch for each class.

    Parameters
    ----------
    entries : name and colour (``#rrggbb``) of each class.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    from matplotlib.patches import Patch

    figure = _figure()
    handles = [
        Patch(facecolor=color, edgecolor="0.4", label=_plain(name)) for name, color in entries
    ]
    columns = -(-len(handles) // _LONGEST_COLUMN)
    figure.legend(handles=handles, loc="upper left", frameon=False, fontsize=9, ncols=columns)
    _save(figure, path)


def write_color_bar(path: Path, steps: Sequence[tuple[float, str]], name: str) -> None:
    """Write a PNG of a colour bar.

    Parameters
    ----------
    steps : value and colour (``#rrggbb``), by increasing value; colours between are mixed.
    name : of the quantity.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    figure = _figure()
    scale = Normalize(steps[0][0], steps[-1][0])
    placed = [(float(scale(value)), color) for value, color in steps]
    ramp = LinearSegmentedColormap.from_list("steps", placed)
    wide, high = (side / 4 for side in _BAR_INCHES)
    bar = figure.colorbar(ScalarMappable(scale, ramp), cax=figure.add_axes((0.1, 0.1, wide, high)))
    bar.ax.tick_params(labelsize=9)
    bar.ax.set_title(_plain(name), fontsize=9, loc="left")
    _save(figure, path)


def _figure() -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 4), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Any, path: Path) -> None:
    with writing(path):
        figure.savefig(path, format="png", bbox_inches="tight", pad_inches=0.08)


def _plain(text: str) -> str:
    """Give text that matplotlib takes for no formula."""
    return text.replace("$", r"\$")
