"""Steps of cleaning, on the class values of a whole map that is in memory or mapped from a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.cleaning.majority import majority
from georaster_dl.cleaning.options import CleaningOptions
from georaster_dl.cleaning.sieve import sieve
from georaster_dl.cleaning.smoothing import log_odds, smoothed
from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import Georeference
from georaster_dl.core.legend import Legend
from georaster_dl.io.blocks import strips, windows
from georaster_dl.tiling.area_text import parse_area
from georaster_dl.tiling.pixel_sizes import PixelSizes

__all__ = ["Probabilities", "clean_pixels", "smallest_area"]

_Pixels = npt.NDArray[Any]

_BLOCK = 256
_STRIP_PIXELS = 2**22
_LOG_ODDS = 2**21  # of all classes, that are held at a time


@dataclass(frozen=True)
class Probabilities:
    """Probabilities of the classes of a map, on its grid.

    Attributes
    ----------
    names : of the classes, in the order of the planes.
    read : (classes, rows, cols) at rows and cols, NaN where nodata.
    least : smallest that can be told from 0.
    """

    names: Sequence[str]
    read: Callable[[slice, slice], npt.NDArray[np.floating[Any]]]
    least: float


def clean_pixels(
    pixels: _Pixels,
    legend: Legend,
    geobox: Georeference,
    options: CleaningOptions,
    probabilities: Probabilities | None = None,
    progress: Callable[[int], None] = lambda _done: None,
) -> int:
    """Clean the classes of a map, in place; nodata stays where it is.

    Parameters
    ----------
    pixels : (rows, cols) class values.
    probabilities : that are smoothed.
    progress : called with pixels that were done, all of them once for each step.

    Returns
    -------
    Areas that were too small and joined a neighbour.

    Raises
    ------
    OptionError
        When an area on the ground is asked for where a pixel has none, or the probabilities are missing
        or of other classes.
    """
    least = None if options.sieve is None else smallest_area(geobox, options.sieve)
    if options.smooth:
        _smooth(pixels, legend, options, probabilities, progress)
    if options.majority is not None:
        _filter(pixels, options.majority, legend.nodata, progress)
    if least is None:
        return 0
    gone = sieve(pixels, least[0], legend.nodata, least[1])
    progress(pixels.size)
    return gone


def smallest_area(geobox: Georeference, text: str) -> tuple[float, npt.NDArray[np.int64]]:
    """Convert an area with its unit to a number, and to the weight of a pixel of each row (rows,) beside it.

    Raises
    ------
    OptionError
        When it is on the ground, and the pixels have no known area.
    """
    asked = parse_area(text, "sieve")
    sizes = PixelSizes.of(geobox, asked)
    return sizes.of_area(asked), sizes.weights


def _smooth(
    pixels: _Pixels,
    legend: Legend,
    options: CleaningOptions,
    probabilities: Probabilities | None,
    progress: Callable[[int], None],
) -> None:
    if probabilities is None:
        raise OptionError(
            "Smoothing needs the probabilities of the classes, but none are given; name them by `probabilities=`."
        )
    values = _values_of(probabilities.names, legend)
    smoothness = np.array(options.strengths_of(list(probabilities.names)))
    shape, side = (pixels.shape[0], pixels.shape[1]), options.smooth_window
    for rows, cols in windows(shape, _LOG_ODDS // len(values), (_BLOCK, _BLOCK)):
        around = log_odds(
            _mirrored(probabilities.read, shape, rows, cols, side // 2), probabilities.least
        )
        odds = smoothed(around, smoothness, side, options.smooth_share)
        known = ~np.isnan(odds[0]) & (pixels[rows, cols] != legend.nodata)
        odds[:, ~known] = 0
        pixels[rows, cols][known] = values[odds.argmax(axis=0)][known]
        progress(known.size)


def _values_of(names: Sequence[str], legend: Legend) -> _Pixels:
    """Class values of the planes of probabilities."""
    if sorted(names) != sorted(legend.names):
        only = [
            name for name in (*names, *legend.names) if (name in names) != (name in legend.names)
        ]
        raise OptionError(
            f"The probabilities are of {', '.join(names)}, but the map has {', '.join(legend.names)}; give those of this "
            f"map, and map without `reject=` (they differ in {', '.join(only)})."
        )
    value_of = dict(zip(legend.names, legend.values, strict=True))
    return np.array([value_of[name] for name in names], legend.dtype)


def _mirrored(
    read: Callable[[slice, slice], _Pixels],
    shape: tuple[int, int],
    rows: slice,
    cols: slice,
    leg: int,
) -> _Pixels:
    """Read a window and ``leg`` pixels around it; beyond the border the map goes on as its mirror image."""
    inside, beyond = zip(
        *(_grown(*pair, leg) for pair in ((rows, shape[0]), (cols, shape[1]))), strict=True
    )
    return np.pad(read(*inside), ((0, 0), *beyond), mode="symmetric")


def _grown(span: slice, length: int, leg: int) -> tuple[slice, tuple[int, int]]:
    """Grow a range by ``leg`` on both sides; give its part inside, and the lengths of those beyond."""
    first, last = span.start - leg, span.stop + leg
    return slice(max(first, 0), min(last, length)), (max(-first, 0), max(last - length, 0))


def _filter(pixels: _Pixels, side: int, nodata: int, progress: Callable[[int], None]) -> None:
    """Filter strip by strip, with the unfiltered rows above."""
    n_rows, n_cols = pixels.shape
    leg = side // 2
    above = np.full((leg, n_cols), nodata, pixels.dtype)
    for rows in strips((n_rows, n_cols), _STRIP_PIXELS):
        here = np.array(pixels[rows.start : min(rows.stop + leg, n_rows)])
        below = rows.stop + leg - rows.start - len(here)
        around = np.pad(
            np.concatenate([above, here]), ((0, below), (leg, leg)), constant_values=nodata
        )
        above = around[rows.stop - rows.start :][:leg, leg : leg + n_cols].copy()
        pixels[rows] = majority(around, side, nodata)
        progress(pixels[rows].size)
