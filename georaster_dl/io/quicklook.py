"""A picture to judge a map by: the image beside it, with legend or colour bar, and scale bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.bands import Band
from georaster_dl.errors import OutputError
from georaster_dl.io.quicklook_page import LEGEND_ROW_INCHES, RAMP_INCHES, Layout, write_page
from georaster_dl.io.style import ramp_limits
from georaster_dl.legend import Legend, MapClass

__all__ = ["red_green_blue", "stretched", "write_quicklook", "write_value_quicklook"]

_LONGEST_LEGEND = 24
_RAMP_ROWS = 12  # rows of a legend that it takes, name and "no data" included
_NODATA_GREY = 0.82
# Natural colours; without blue the usual false ones, in which vegetation is red.
_COMPOSITES_NM = ((665.0, 560.0, 490.0), (842.0, 665.0, 560.0))
_TOLERANCE_NM = 40.0


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
        between percentiles of the valid pixels, for display only.
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
    entries, hidden = _shares(counts, legend)
    gaps = not np.isin(classes, legend.values).all()
    write_page(
        out_png,
        _beside(
            image,
            image_valid,
            ("Classes", _map_colors(classes, legend)),
            cloud=_clouds(classes, legend),
        ),
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

    ramp = ScalarMappable(Normalize(*ramp_limits(values)), "viridis")
    known = np.isfinite(values)
    colors = _hatched(values.shape)
    colors[known] = ramp.to_rgba(values[known])[:, :3]
    write_page(
        out_png,
        _beside(image, image_valid, ("Values", colors)),
        key=partial(_color_bar, ramp=ramp, values=values[known], name=name, gaps=not known.all()),
        n_rows=_RAMP_ROWS,
        resolution_m=resolution_m,
        title=title,
    )


def _beside(
    image: npt.NDArray[np.floating[Any]] | None,
    valid: npt.NDArray[np.bool_] | None,
    mapped: tuple[str, npt.NDArray[np.float64]],
    cloud: npt.NDArray[np.bool_] | None = None,
) -> list[tuple[str, npt.NDArray[np.float64]]]:
    """The pictures: the image, where there is one, and the coloured map."""
    if image is None:
        return [mapped]
    shape = mapped[1].shape[:2]
    if image.shape != (3, *shape):
        raise OutputError(
            f"A quicklook needs an image of shape {(3, *shape)} for this map, but got {image.shape}; "
            f"read both at the same size."
        )
    return [("Image", stretched(image, valid, cloud)), mapped]


def red_green_blue(bands: Sequence[Band]) -> list[int]:
    """Bands to show as red, green and blue.

    Those nearest to these colours; without blue near infrared, red and green; the first one or
    three where wavelengths do not say.
    """
    for composite in _COMPOSITES_NM:
        picked = [_nearest(bands, centre) for centre in composite]
        if None not in picked:
            return [index for index in picked if index is not None]
    return [0, 1, 2] if len(bands) >= 3 else [0, 0, 0]


def _nearest(bands: Sequence[Band], centre_nm: float) -> int | None:
    apart = {
        i: abs(b.wavelength_nm - centre_nm)
        for i, b in enumerate(bands)
        if b.wavelength_nm is not None
    }
    near = min(apart, key=lambda i: apart[i], default=None)
    return None if near is None or apart[near] > _TOLERANCE_NM else near


def stretched(
    image: npt.NDArray[np.floating[Any]],
    valid: npt.NDArray[np.bool_] | None,
    cloud: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.float64]:
    """Return (rows, cols, 3) in 0..1, stretched by percentiles of the valid pixels, others hatched.

    Each band starts at its own darkest pixels, which takes off haze; one range for all three keeps
    the hue; the root keeps dark land visible. What is under ``cloud`` (rows, cols) has no say,
    unless there is nothing else.
    """
    good = np.isfinite(image).all(axis=0)
    if valid is not None:
        good &= valid
    shown = np.full((*image.shape[1:], 3), _NODATA_GREY)
    if good.any():
        clear = good if cloud is None else good & ~cloud
        judged = image[:, clear if clear.any() else good].astype(np.float64)
        low = np.percentile(judged, 1, axis=1, keepdims=True)
        span = np.percentile(judged - low, 98)
        pixels = image[:, good].astype(np.float64) - low
        shown[good] = np.sqrt(np.clip(pixels / span, 0, 1)).T if span > 0 else 0.5
    shown[~good] = _hatched(good.shape)[~good]
    return shown


def _clouds(classes: npt.NDArray[Any], legend: Legend) -> npt.NDArray[np.bool_]:
    """Where the map itself says that the image shows clouds."""
    values = [entry.value for entry in legend.classes if entry.name.casefold() == "cloud"]
    return np.isin(classes, values)


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
    figure: Any, layout: Layout, entries: list[tuple[MapClass, float]], *, hidden: int, gaps: bool
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
    # A dollar sign would start a formula.
    text = name if len(name) <= longest else f"{name[: longest - 1]}…"
    return text.replace("$", r"\$")


def _percent(share: float) -> str:
    return "< 0.1 %" if share < 0.05 else f"{share:.1f} %"
