"""Colours of values: quantities on a ramp, classes in their own, gaps hatched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.legend import Color, MapClass, parse_color

__all__ = [
    "ABOVE_LIMIT",
    "BELOW_LIMIT",
    "VIRIDIS",
    "Colors",
    "class_colors",
    "hatched",
    "index_colors",
    "mixed_colors",
    "on_hatching",
    "ramp_colors",
    "ramp_limits",
    "ramp_steps",
]

Colors = npt.NDArray[np.float64]
"""Shares of red, green, blue (and alpha) in 0..1, along the last axis."""

# Seven samples of matplotlib's viridis: dark is low, and it survives grey printing and colour blindness.
VIRIDIS = ("#440154", "#443983", "#31688e", "#21918c", "#35b779", "#90d743", "#fde725")

# Samples of ColorBrewer's Blues and YlOrRd: families that colour blindness keeps apart.
BELOW_LIMIT = ("#eff3ff", "#bdd7e7", "#6baed6", "#3182bd")
ABOVE_LIMIT = ("#fed976", "#fd8d3c", "#e31a1c", "#800026")

_GREY = 0.82

_Floats = npt.NDArray[np.floating[Any]]
_Mask = npt.NDArray[np.bool_]


def ramp_limits(values: npt.NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Choose the values of the first and the last colour of a ramp, the first the smaller.

    The 2nd and 98th percentile of those that are finite, so that a few odd ones do not use up the
    colours; the smallest and largest where these coincide, and a little around a single value.
    """
    finite = values[np.isfinite(values)].astype(np.float64)
    if not finite.size:
        return 0.0, 1.0
    for low, high in (np.percentile(finite, [2, 98]), (finite.min(), finite.max())):
        if float(f"{low:.9g}") < float(f"{high:.9g}"):  # as the style file has them
            return float(low), float(high)
    around = max(abs(float(low)) / 100, 1e-6)
    return float(low) - around, float(low) + around


def ramp_colors(values: _Floats, limits: tuple[float, float], ramp: str = "viridis") -> Colors:
    """Color values on a ramp of matplotlib between two limits: (..., 3), any where not finite."""
    from matplotlib import colormaps

    low, high = limits
    share = (np.where(np.isfinite(values), values, low) - low) / (high - low)
    colors: Colors = colormaps[ramp](np.clip(share, 0, 1))[..., :3]
    return colors


def ramp_steps(places: Sequence[float]) -> list[Color]:
    """Look up the colours of ``VIRIDIS`` at places from 0, its dark end, to 1."""
    known = np.array([parse_color(text) for text in VIRIDIS], np.float64)
    ends = np.linspace(0, 1, len(known))
    channels = [np.interp(places, ends, channel).round().astype(int) for channel in known.T]
    return [(int(red), int(green), int(blue)) for red, green, blue in zip(*channels, strict=True)]


def class_colors(values: npt.NDArray[Any], classes: Sequence[MapClass]) -> tuple[Colors, _Mask]:
    """Color pixel values by class: (rows, cols, 3), and (rows, cols) where they are of a class."""
    lookup = np.full(max((entry.value for entry in classes), default=0) + 2, -1)
    for index, entry in enumerate(classes):
        lookup[entry.value] = index
    return index_colors(
        lookup[np.clip(values, -1, len(lookup) - 1).astype(np.intp)],
        [entry.color for entry in classes],
    )


def index_colors(indexes: npt.NDArray[Any], colors: Sequence[Color]) -> tuple[Colors, _Mask]:
    """Color class indexes: (..., 3), and (...) where there is a class; others are negative."""
    known = np.asarray(indexes >= 0)
    table = np.array([*colors, (0, 0, 0)]) / 255
    return table[indexes], known


def mixed_colors(fractions: _Floats, colors: Sequence[Color]) -> tuple[Colors, _Mask]:
    """Mix colours by the fractions (n, rows, cols) of each: (rows, cols, 3), and where all are finite."""
    known: _Mask = np.asarray(np.isfinite(fractions).all(axis=0))
    shares = np.where(known, fractions, 0).astype(np.float64)
    mixed: Colors = np.einsum("nrc,nk->rck", shares, np.array(colors) / 255)
    return np.clip(mixed, 0, 1), known


def hatched(shape: tuple[int, ...]) -> Colors:
    """Draw grey diagonals on white, about sixty across at any size, unlike any land cover."""
    rows, cols = np.indices(shape, sparse=True)
    step = max(4, max(shape) // 60)
    line = (rows + cols) % step < max(1, step // 4)
    return np.where(line[..., None], _GREY, 1.0) * np.ones(3)


def on_hatching(colors: Colors, known: _Mask) -> Colors:
    """Draw colours (rows, cols, 3) where they are known, and hatching elsewhere."""
    return np.where(known[..., None], colors, hatched(known.shape))
