"""Contrast stretching of images for display."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import Band
from georaster_dl.render.colors import Colors, hatched

__all__ = ["image_limits", "red_green_blue", "stretched"]

_Floats = npt.NDArray[np.floating[Any]]
_Mask = npt.NDArray[np.bool_]

# Natural colours; without blue the usual false ones, in which vegetation is red.
_COMPOSITES_NM = ((665.0, 560.0, 490.0), (842.0, 665.0, 560.0))
_TOLERANCE_NM = 40.0

_DARKEST, _BRIGHTEST = 1, 98  # percentiles that an image is stretched by
_BELOW_CLOUDS = 90  # the brightest where clouds are: their thin edges lie above
_APART = 2.0  # clouds and snow are that many times as bright as what else is seen
_WHITE = 1.2  # brightest over darkest of the three bands, of most clouds and snow
_LEAST = 0.02  # share of the pixels that is worth a stretch of its own
_KNEE = 0.85  # what is below clouds and snow takes so much of the brightness
_GREY_KNEE = 0.6  # in grey nobody knows whether they are clouds
_OTHER_UNIT = 10.0  # bands whose ranges differ more are no three colours of one thing


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


@dataclass(frozen=True)
class _Limits:
    """How an image is stretched.

    Attributes
    ----------
    low, span : (3, 1) of each band, the number shown black, and how much more is shown bright.
    knee : how bright that is.
    top : spans above ``low`` that are shown white.
    """

    low: Colors
    span: Colors
    knee: float
    top: float


def image_limits(image: _Floats, valid: _Mask | None) -> list[tuple[float, float]]:
    """Numbers of each of three bands that a linear stretch shows darkest and brightest.

    Parameters
    ----------
    image : (3, rows, cols) in any unit.
    valid : (rows, cols) True where it holds data; None where all of it does.
    """
    good = _good(image, valid)
    if not good.any():
        return [(0.0, 1.0)] * len(image)
    limits = _limits(image[:, good].astype(np.float64))
    return [
        (float(low), float(low + span))
        for low, span in zip(limits.low.flat, limits.span.flat, strict=True)
    ]


def stretched(image: _Floats, valid: _Mask | None) -> Colors:
    """Return (rows, cols, 3) in 0..1 of an image, hatched where it holds no data.

    Each band starts at its own darkest pixels, which takes off haze; one range for all three keeps
    the hue; the root keeps dark land visible. Where clouds or snow are much brighter than all
    else, that else is stretched, and they are shown above it.

    Parameters
    ----------
    image, valid : as ``image_limits`` has them.
    """
    good = _good(image, valid)
    shown = hatched(good.shape)
    if good.any():
        pixels = image[:, good].astype(np.float64)
        limits = _limits(pixels)
        share = np.maximum((pixels - limits.low) / limits.span, 0)
        above = np.clip((share - 1) / max(limits.top - 1, 1e-9), 0, 1) * (1 - limits.knee)
        shown[good] = (limits.knee * np.sqrt(np.minimum(share, 1)) + above).T
    return shown


def _good(image: _Floats, valid: _Mask | None) -> _Mask:
    finite = np.asarray(np.isfinite(image).all(axis=0))
    return finite if valid is None else finite & valid


def _limits(pixels: Colors) -> _Limits:
    """Limits for (3, n) pixels."""
    bright = _clouds(pixels)
    low, span = _range(pixels[:, ~bright], _BELOW_CLOUDS if bright.any() else _BRIGHTEST)
    if not bright.any():
        return _Limits(low, span, 1.0, 1.0)
    top = float(np.percentile((pixels - low) / span, 99.5))
    return _Limits(low, span, _GREY_KNEE if (pixels == pixels[0]).all() else _KNEE, top)


def _range(pixels: Colors, brightest: float) -> tuple[Colors, Colors]:
    """Of each band the number shown black, and how much more is shown bright."""
    low = np.percentile(pixels, _DARKEST, axis=1, keepdims=True)
    spans = np.percentile(pixels - low, brightest, axis=1, keepdims=True)
    if not spans.all():  # hardly a pixel differs from all others
        spans = (pixels - low).max(axis=1, keepdims=True)
    if spans.max() <= _OTHER_UNIT * spans.min():
        spans = np.full_like(spans, np.percentile(pixels - low, brightest) or spans.max())
    # A single value is shown in middle grey.
    return np.where(spans > 0, low, low - 1), np.where(spans > 0, spans, 4.0)


def _clouds(pixels: Colors) -> _Mask:
    """Mask clouds and snow, (n,): white pixels far brighter than all others."""
    brightness = pixels.mean(axis=0)
    none = np.zeros(brightness.shape, bool)
    if np.percentile(pixels, _DARKEST) < 0:
        return none  # decibels and differences have no ratios
    bright = brightness > _threshold(np.sqrt(np.maximum(brightness, 0))) ** 2
    if not _LEAST < bright.mean() < 1 - _LEAST:
        return none
    apart = np.percentile(brightness[bright], 25) >= _APART * np.percentile(brightness[~bright], 75)
    white = pixels.max(axis=0) <= _WHITE * pixels.min(axis=0)
    return bright if apart and white[bright].mean() > 0.5 else none


def _threshold(values: Colors) -> float:
    """Otsu's: between the two groups that differ most."""
    first, last = np.percentile(values, [0.5, 99.5])
    counts, edges = np.histogram(values, 256, (float(first), float(last)))
    centres = (edges[1:] + edges[:-1]) / 2
    below, sums = np.cumsum(counts), np.cumsum(counts * centres)
    above = below[-1] - below
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1:][np.argmax(np.nan_to_num(between))])
