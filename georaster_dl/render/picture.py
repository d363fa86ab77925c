"""Pictures of rasters in memory: classes in their colours, images stretched, quantities on a ramp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import Band
from georaster_dl.core.legend import Legend, MapClass, color_hex
from georaster_dl.render.colors import Colors, class_colors, on_hatching, ramp_colors, ramp_limits
from georaster_dl.render.stretch import red_green_blue, stretched

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Picture", "draw_picture", "make_picture"]

_COLORS = 3  # bands of an image
_POINTED: dict[tuple[bool, bool], Literal["neither", "min", "max", "both"]] = {
    (False, False): "neither",
    (True, False): "min",
    (False, True): "max",
    (True, True): "both",
}


@dataclass(frozen=True)
class Picture:
    """Colours of a raster with their classes or limits.

    Attributes
    ----------
    colors : (rows, cols, 3) in 0..1, hatched where nothing is known.
    known : (rows, cols) True where the raster holds data.
    classes : those of a map that occur in it; empty for anything else.
    limits : values of the first and the last colour of the ramp; None where there is none.
    beyond : whether there are smaller and larger values.
    """

    colors: Colors
    known: npt.NDArray[np.bool_]
    classes: tuple[MapClass, ...] = ()
    limits: tuple[float, float] | None = None
    beyond: tuple[bool, bool] = (False, False)


def make_picture(
    array: npt.NDArray[Any],
    valid: npt.NDArray[np.bool_],
    bands: Sequence[Band],
    legend: Legend | None = None,
) -> Picture:
    """Choose the colours of a raster.

    Parameters
    ----------
    array : (bands, rows, cols); with a legend one band of class values. Of one or two bands the first
        is shown on a ramp, of more those nearest to red, green and blue.
    valid : (rows, cols) True where there is data.
    """
    if legend is not None:
        colors, of_a_class = class_colors(array[0], legend.classes)
        known = valid & of_a_class
        present = set(np.unique(array[0][known]).tolist())
        classes = tuple(entry for entry in legend.classes if entry.value in present)
        return Picture(on_hatching(colors, known), known, classes)
    if len(array) >= _COLORS:
        return Picture(stretched(array[red_green_blue(bands)].astype(np.float32), valid), valid)
    values = array[0].astype(np.float64)
    known = valid & np.isfinite(values)
    limits = ramp_limits(values[known])
    seen = values[known]
    beyond = bool((seen < limits[0]).any()), bool((seen > limits[1]).any())
    colors = on_hatching(ramp_colors(values, limits), known)
    return Picture(colors, known, limits=limits, beyond=beyond)


def draw_picture(
    axes: Axes,
    picture: Picture,
    *,
    extent: tuple[float, float, float, float] | None,
    label: str,
) -> None:
    """Draw a picture with its legend or colour bar.

    Parameters
    ----------
    extent : left, right, bottom and top in coordinates; None counts pixels.
    label : of the colour bar.
    """
    axes.imshow(picture.colors, extent=extent, interpolation="nearest")
    axes.ticklabel_format(useOffset=False, style="plain")
    if picture.classes:
        from matplotlib.patches import Patch

        handles = [
            Patch(facecolor=color_hex(c.color), edgecolor="0.4", label=c.name.replace("$", r"\$"))
            for c in picture.classes
        ]
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    elif picture.limits is not None:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        ramp = ScalarMappable(Normalize(*picture.limits), "viridis")
        pointed, name = _POINTED[picture.beyond], label.replace("$", r"\$")
        axes.figure.colorbar(ramp, ax=axes, label=name, extend=pointed)
