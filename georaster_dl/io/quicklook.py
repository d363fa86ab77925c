"""A picture to judge a map by: the image beside the classes, with legend, shares and scale bar."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.errors import OutputError
from georaster_dl.legend import Legend, MapClass

__all__ = ["write_quicklook"]

_DPI = 120
_PANEL_INCHES = 5.5  # longest side of one picture
_SLIMMEST = 0.18  # no panel gets thinner than this share of its length, so titles stay readable
_LEGEND_ROW_INCHES = 0.22
_LONGEST_LEGEND = 24
_NODATA_GREY = 0.82


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
        between the 1st and 98th percentile of the valid pixels, for display only.
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
    if image is not None and image.shape != (3, *classes.shape):
        raise OutputError(
            f"A quicklook needs an image of shape {(3, *classes.shape)} for this map, but got {image.shape}; "
            f"read both at the same size."
        )
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    pictures = [("Classes", _map_colors(classes, legend))]
    if image is not None:
        pictures.insert(0, ("Image", _stretched(image, image_valid)))
    entries, hidden = _shares(counts, legend)
    layout = _Layout(classes.shape, len(pictures), len(entries) + bool(hidden) + 1)
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
    gaps = not np.isin(classes, legend.values).all()
    _legend(figure, layout, entries, hidden=hidden, gaps=gaps)
    figure.text(0.5, 1 - 0.2 / layout.figure[1], title, ha="center", va="center", fontsize=11)
    try:
        figure.savefig(out_png, format="png")
    except OSError as error:
        raise OutputError(
            f"Cannot write {out_png.name}: {error.strerror}; free space or write elsewhere."
        ) from error


class _Layout:
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
        needed = n_rows * _LEGEND_ROW_INCHES + 0.3
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

    def legend(self) -> tuple[float, float]:
        """Upper left corner of the legend."""
        left, top, *_ = self._relative(
            self._side + self._wide + self._gap, self._bottom + self._high, 0, 0
        )
        return left, top

    def meters_per_inch(self, resolution_m: float) -> float:
        """Ground distance of an inch on the pictures."""
        return resolution_m / self._scale


def _stretched(
    image: npt.NDArray[np.floating[Any]], valid: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.float64]:
    """Return (rows, cols, 3) in 0..1, stretched by percentiles of the valid pixels, others hatched.

    One stretch for the three bands keeps the hue; the root keeps land visible beside clouds.
    """
    good = np.isfinite(image).all(axis=0)
    if valid is not None:
        good &= valid
    shown = np.full((*image.shape[1:], 3), _NODATA_GREY)
    if good.any():
        pixels = image[:, good].astype(np.float64)
        low, high = np.percentile(pixels, [1, 98])
        if high > low:
            shown[good] = np.sqrt(np.clip((pixels - low) / (high - low), 0, 1)).T
        else:
            shown[good] = 0.5
    shown[~good] = _hatched(good.shape)[~good]
    return shown


def _map_colors(classes: npt.NDArray[Any], legend: Legend) -> npt.NDArray[np.float64]:
    """Return (rows, cols, 3) in 0..1; what is no class is hatched."""
    shown = _hatched(classes.shape)
    for entry in legend.classes:
        shown[classes == entry.value] = np.array(entry.color) / 255
    return shown


def _hatched(shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """White with grey diagonals, about sixty across whatever the size: no land cover looks like it."""
    rows, cols = np.indices(shape, sparse=True)
    step = max(4, max(shape) // 60)
    line = (rows + cols) % step < max(1, step // 4)
    return np.where(line[..., None], _NODATA_GREY, 1.0) * np.ones(3)


def _shares(counts: Mapping[str, int], legend: Legend) -> tuple[list[tuple[MapClass, float]], int]:
    """List the classes present with their percent, largest first, and how many did not fit."""
    total = sum(counts.values())
    present = [(c, 100 * counts[c.name] / total) for c in legend.classes if counts.get(c.name)]
    present.sort(key=lambda entry: -entry[1])
    return present[:_LONGEST_LEGEND], len(present[_LONGEST_LEGEND:])


def _legend(
    figure: Any, layout: _Layout, entries: list[tuple[MapClass, float]], *, hidden: int, gaps: bool
) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(
            facecolor=f"#{c.color[0]:02x}{c.color[1]:02x}{c.color[2]:02x}",
            edgecolor="0.4",
            label=f"{_short(c.name)}  {_percent(share)}",
        )
        for c, share in entries
    ]
    if hidden:
        handles.append(Patch(facecolor="none", edgecolor="none", label=f"and {hidden} more"))
    if gaps:
        handles.append(Patch(facecolor="white", edgecolor="0.6", hatch="////", label="no data"))
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=layout.legend(),
        frameon=False,
        fontsize=9,
        borderaxespad=0,
    )


def _short(name: str, longest: int = 28) -> str:
    # A dollar sign would start a formula.
    text = name if len(name) <= longest else f"{name[: longest - 1]}…"
    return text.replace("$", r"\$")


def _percent(share: float) -> str:
    return "< 0.1 %" if share < 0.05 else f"{share:.1f} %"


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
