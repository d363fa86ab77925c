"""A picture to judge a map by: the image beside it, with legend or colour bar, and scale bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OutputError
from georaster_dl.core.legend import Legend, MapClass, color_hex
from georaster_dl.render.colors import (
    Colors,
    class_colors,
    mixed_colors,
    on_hatching,
    ramp_colors,
    ramp_limits,
)
from georaster_dl.render.palette import choose_colors
from georaster_dl.render.quicklook_page import LEGEND_ROW_INCHES, RAMP_INCHES, Layout, write_page
from georaster_dl.render.stretch import stretched

__all__ = [
    "write_class_page",
    "write_classes_quicklook",
    "write_fraction_quicklook",
    "write_quicklook",
    "write_value_quicklook",
]

_LONGEST_LEGEND = 24
_RAMP_ROWS = 12  # rows of a legend that it takes, name and "no data" included


def write_quicklook(
    out_png: Path,
    *,
    image: npt.NDArray[np.floating[Any]] | None,
    image_valid: npt.NDArray[np.bool_] | None,
    classes: npt.NDArray[np.unsignedinteger[Any]],
    legend: Legend,
    counts: Mapping[str, int],
    resolution_m: float | None,
    title: str,
) -> None:
    """Write a PNG of the scene beside its class map.

    Parameters
    ----------
    out_png : the picture.
    image : (3, rows, cols) red, green, blue in any unit, or None for the map alone. It is stretched
        by its own valid pixels, for display only.
    image_valid : (rows, cols) True where ``image`` holds data; None where all of it does.
    classes : (rows, cols) pixel values of ``legend``. Everything else is drawn as "no data".
    legend : classes of the map; only those present are listed.
    counts : pixels of each class by name, for the shares in percent; of the whole map, which a
        thinned-out ``classes`` would only estimate.
    resolution_m : size of a pixel of ``classes`` in metres; None leaves out the scale bar.
    title : line above the pictures.

    Raises
    ------
    OutputError
        When image and map have different shapes or the file cannot be written.
    """
    colors, known = class_colors(classes, legend.classes)
    pictures = _beside(image, image_valid, ("Classes", on_hatching(colors, known)))
    write_class_page(out_png, pictures, legend, counts, not known.all(), resolution_m, title)


def write_classes_quicklook(
    out_png: Path,
    *,
    panels: Mapping[str, npt.NDArray[np.unsignedinteger[Any]]],
    legend: Legend,
    counts: Mapping[str, int],
    resolution_m: float | None,
    title: str,
) -> None:
    """Write a PNG of several class maps beside each other.

    Parameters
    ----------
    panels : (rows, cols) pixel values of ``legend`` by the name of the map, all of one shape.
    out_png, legend, counts, resolution_m, title : as ``write_quicklook`` has them.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    colored = {name: class_colors(classes, legend.classes) for name, classes in panels.items()}
    pictures = [(name, on_hatching(colors, known)) for name, (colors, known) in colored.items()]
    gaps = not all(known.all() for _colors, known in colored.values())
    write_class_page(out_png, pictures, legend, counts, gaps, resolution_m, title)


def write_class_page(
    out_png: Path,
    pictures: list[tuple[str, Colors]],
    legend: Legend,
    counts: Mapping[str, int],
    gaps: bool,
    resolution_m: float | None,
    title: str,
) -> None:
    """Write a PNG of coloured pictures beside each other, with the classes and their shares.

    Parameters
    ----------
    pictures : name and colours (rows, cols, 3) of each.
    gaps : whether the legend explains hatching.
    out_png, legend, counts, resolution_m, title : as ``write_quicklook`` has them.
    """
    entries, hidden = _shares(counts, legend)
    write_page(
        out_png,
        pictures,
        key=partial(_legend, entries=entries, hidden=hidden, gaps=gaps),
        n_rows=len(entries) + bool(hidden) + 1,
        resolution_m=resolution_m,
        title=title,
    )


def write_value_quicklook(
    out_png: Path,
    *,
    image: npt.NDArray[np.floating[Any]] | None,
    image_valid: npt.NDArray[np.bool_] | None,
    values: npt.NDArray[np.floating[Any]],
    name: str,
    resolution_m: float | None,
    title: str,
) -> None:
    """Write a PNG of the scene beside its map of a quantity, with a colour bar.

    Parameters
    ----------
    values : (rows, cols) of the map; what is not finite is drawn as "no data". The colours span
        the 2nd to the 98th percentile.
    name : of the quantity, with its unit.
    out_png, image, image_valid, resolution_m, title : as ``write_quicklook`` has them.

    Raises
    ------
    OutputError
        When image and map have different shapes or the file cannot be written.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    limits, known = ramp_limits(values), np.isfinite(values)
    ramp = ScalarMappable(Normalize(*limits), "viridis")
    colors = on_hatching(ramp_colors(values, limits), known)
    write_page(
        out_png,
        _beside(image, image_valid, ("Values", colors)),
        key=partial(_color_bar, ramp=ramp, values=values[known], name=name, gaps=not known.all()),
        n_rows=_RAMP_ROWS,
        resolution_m=resolution_m,
        title=title,
    )


def write_fraction_quicklook(
    out_png: Path,
    *,
    image: npt.NDArray[np.floating[Any]] | None,
    image_valid: npt.NDArray[np.bool_] | None,
    fractions: npt.NDArray[np.floating[Any]],
    names: Sequence[str],
    resolution_m: float | None,
    title: str,
) -> None:
    """Write a PNG of the scene beside its map of fractions, whose colours are mixed as the pixels are.

    Parameters
    ----------
    fractions : (fractions, rows, cols) from 0 to 1; what is not finite is drawn as "no data".
    names : what they are of; of each the legend gives the mean.
    out_png, image, image_valid, resolution_m, title : as ``write_quicklook`` has them.

    Raises
    ------
    OutputError
        When image and map have different shapes or the file cannot be written.
    """
    palette = choose_colors(names)
    colors, known = mixed_colors(fractions, palette)
    means = 100 * fractions[:, known].mean(axis=1) if known.any() else np.zeros(len(names))
    entries = [
        (MapClass(value, name, color), float(mean))
        for value, (name, color, mean) in enumerate(zip(names, palette, means, strict=True))
    ]
    entries.sort(key=lambda entry: -entry[1])
    hidden = len(entries[_LONGEST_LEGEND:])
    entries = entries[:_LONGEST_LEGEND]
    write_page(
        out_png,
        _beside(image, image_valid, ("Fractions, colours mixed", on_hatching(colors, known))),
        key=partial(_legend, entries=entries, hidden=hidden, gaps=not known.all()),
        n_rows=len(entries) + bool(hidden) + 1,
        resolution_m=resolution_m,
        title=title,
    )


def _beside(
    image: npt.NDArray[np.floating[Any]] | None,
    valid: npt.NDArray[np.bool_] | None,
    mapped: tuple[str, Colors],
) -> list[tuple[str, Colors]]:
    """List the pictures: the image, if any, and the coloured map."""
    if image is None:
        return [mapped]
    shape = mapped[1].shape[:2]
    if image.shape != (3, *shape):
        raise OutputError(
            f"A quicklook needs an image of shape {(3, *shape)} for this map, but got {image.shape}; "
            f"read both at the same size."
        )
    return [("Image", stretched(image, valid)), mapped]


def _shares(counts: Mapping[str, int], legend: Legend) -> tuple[list[tuple[MapClass, float]], int]:
    """List the classes present with their percent, largest first, and how many did not fit."""
    total = sum(counts.values())
    present = [(c, 100 * counts[c.name] / total) for c in legend.classes if counts.get(c.name)]
    present.sort(key=lambda entry: -entry[1])
    return present[:_LONGEST_LEGEND], len(present[_LONGEST_LEGEND:])


def _legend(
    figure: Any, layout: Layout, entries: list[tuple[MapClass, float]], *, hidden: int, gaps: bool
) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(
            facecolor=color_hex(c.color),
            edgecolor="0.4",
            label=f"{_short(c.name)}  {_percent(share)}",
        )
        for c, share in entries
    ]
    if hidden:
        handles.append(Patch(facecolor="none", edgecolor="none", label=f"and {hidden} more"))
    if gaps:
        handles.append(_no_data())
    _show_handles(figure, handles, layout.legend())


def _color_bar(
    figure: Any,
    layout: Layout,
    *,
    ramp: Any,
    values: npt.NDArray[np.floating[Any]],
    name: str,
    gaps: bool,
) -> None:
    """Name, ramp, and pointed ends where the map has values beyond it."""
    left, top = layout.legend()
    figure.text(left, top, _short(name, 36), ha="left", va="top", fontsize=9)
    beyond = bool((values < ramp.norm.vmin).any()), bool((values > ramp.norm.vmax).any())
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}
    axes = figure.add_axes(layout.ramp())
    bar = figure.colorbar(ramp, cax=axes, extend=extend.get(beyond, "neither"))
    bar.ax.tick_params(labelsize=9)
    if gaps:
        below = RAMP_INCHES[1] + 2 * LEGEND_ROW_INCHES
        _show_handles(figure, [_no_data()], layout.legend(below))


def _no_data() -> Any:
    from matplotlib.patches import Patch

    return Patch(facecolor="white", edgecolor="0.6", hatch="////", label="no data")


def _show_handles(figure: Any, handles: list[Any], place: tuple[float, float]) -> None:
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=place,
        frameon=False,
        fontsize=9,
        borderaxespad=0,
    )


def _short(name: str, longest: int = 28) -> str:
    """Shorten a name, that of a change on both sides; without a dollar sign, which would start a formula."""
    sides = name.split(" -> ") if len(name) > longest else [name]
    most = (longest - 4 * (len(sides) - 1)) // len(sides)
    shown = (side if len(side) <= most else f"{side[: most - 1]}…" for side in sides)
    return " -> ".join(shown).replace("$", r"\$")


def _percent(share: float) -> str:
    return "< 0.1 %" if share < 0.05 else f"{share:.1f} %"
