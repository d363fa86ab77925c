"""Shift between two images of the same place, by phase correlation of windows.

Kuglin and Hines 1975, The phase correlation image alignment method; the peak is refined to a twentieth of
a pixel by the matrix transform of Guizar-Sicairos et al. 2008, Efficient subpixel image registration
algorithms, Optics Letters 33, 156-158.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Shift", "estimate_shift", "pooled_shift", "window_shift"]

_Floats = npt.NDArray[np.float64]

_FINE = 20  # parts of a pixel
_REACH = 1.5  # pixels around the highest whole one that are looked at
_CUTOFF = 0.25  # cycles per pixel: beyond, images of two dates have little in common
_SURE = 8.0  # times the deviation of the correlation, below which a peak may be chance
_FADING = 3  # pixels: deviation of the smoothing around invalid ones
_LEAST_VALID = 0.6  # of a window's pixels in both images


@dataclass(frozen=True)
class Shift:
    """Displacement of the second image's contents against the first's.

    Attributes
    ----------
    rows, cols : median of the windows in pixels; positive where the second lies further down or right.
    spread : pixels within which half of the windows lie around the median.
    windows : number of windows with enough texture.
    """

    rows: float
    cols: float
    spread: float
    windows: int

    @property
    def pixels(self) -> float:
        """Length in pixels."""
        return float(np.hypot(self.rows, self.cols))


def estimate_shift(
    windows: Iterable[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]],
) -> Shift | None:
    """Estimate the shift between two images from some of their windows.

    Parameters
    ----------
    windows : pairs of (bands, rows, cols) of both images at the same place, NaN where not valid.

    Returns
    -------
    None where no window has texture that both images share.
    """
    found = [shift for pair in windows if (shift := window_shift(*pair)) is not None]
    if not found:
        return None
    rows, cols = np.median(found, axis=0)
    spread = np.median(np.hypot(*(np.array(found) - (rows, cols)).T))
    return Shift(float(rows), float(cols), float(spread), len(found))


def window_shift(
    before: npt.NDArray[np.float32], after: npt.NDArray[np.float32]
) -> tuple[float, float] | None:
    """Estimate the shift of a window in pixels: rows, cols.

    The bands' phase correlations are added up, so that a band without texture does no harm.

    Parameters
    ----------
    before, after : (bands, rows, cols), NaN where not valid.

    Returns
    -------
    None where too few pixels are valid, or no peak stands out.
    """
    phases = _phases(before, after)
    return None if phases is None else _peak(phases)


def pooled_shift(
    windows: Iterable[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]],
) -> tuple[float, float, int] | None:
    """Estimate the shift that all windows of two images share, from their correlations together.

    Where images of different sensors have too little in common for a window, all together often have enough.

    Parameters
    ----------
    windows : as ``estimate_shift`` takes them, all of one shape.

    Returns
    -------
    Rows, cols, and the number of windows; None where too few pixels are valid, or no peak stands out.
    """
    found = [phases for pair in windows if (phases := _phases(*pair)) is not None]
    peak = _peak(np.sum(found, axis=0)) if found else None
    return None if peak is None else (*peak, len(found))


def _phases(
    before: npt.NDArray[np.float32], after: npt.NDArray[np.float32]
) -> npt.NDArray[np.complex128] | None:
    """Sum the phases of the bands' cross spectra, without high frequencies: (rows, cols)."""
    valid = np.asarray(np.isfinite(before).all(axis=0) & np.isfinite(after).all(axis=0))
    if valid.mean() < _LEAST_VALID:
        return None
    taper = _taper(valid)
    one, other = (np.fft.fft2(_flattened(image, valid) * taper) for image in (before, after))
    crossed = other * one.conj()
    size = np.abs(crossed)
    phases = np.divide(crossed, size, out=np.zeros_like(crossed), where=size > 0).sum(axis=0)
    weighted: npt.NDArray[np.complex128] = phases * _low_pass(valid.shape)
    return weighted


def _peak(phases: npt.NDArray[np.complex128]) -> tuple[float, float] | None:
    """Find the peak of a correlation, rows and cols; None where it may be chance."""
    surface = np.fft.ifft2(phases).real
    deviation = surface.std()
    if deviation == 0 or surface.max() < _SURE * deviation:
        return None
    return _refined(phases, surface)


def _taper(valid: npt.NDArray[np.bool_]) -> _Floats:
    """Fade towards the borders of the window and of invalid pixels, whose sharp edges would correlate, too."""
    window = np.outer(*(np.hanning(length + 2)[1:-1] for length in valid.shape))
    if valid.all():
        return window
    from scipy import ndimage  # a run on a single file starts without it

    inner = ndimage.binary_erosion(valid, iterations=2 * _FADING, border_value=1)
    faded: _Floats = window * ndimage.gaussian_filter(inner.astype(np.float64), _FADING)
    return faded


def _flattened(image: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_]) -> _Floats:
    """Subtract each band's mean, and set invalid pixels to 0."""
    means = image[:, valid].mean(axis=1, dtype=np.float64)[:, None, None]
    return np.where(valid, image - means, 0.0)


def _low_pass(shape: tuple[int, ...]) -> _Floats:
    rows, cols = (np.fft.fftfreq(length) for length in shape)
    weight: _Floats = np.exp(-0.5 * (rows[:, None] ** 2 + cols**2) / (_CUTOFF / 2) ** 2)
    return weight


def _refined(phases: npt.NDArray[np.complex128], surface: _Floats) -> tuple[float, float]:
    """Find the highest place of the correlation around its highest pixel."""
    peak = np.unravel_index(surface.argmax(), surface.shape)
    whole = [
        place - length if place > length // 2 else place
        for place, length in zip(peak, surface.shape, strict=True)
    ]
    steps = np.arange(-_REACH, _REACH + 0.5 / _FINE, 1 / _FINE)
    down, across = (
        np.exp(2j * np.pi * np.outer(place + steps, np.fft.fftfreq(length)))
        for place, length in zip(whole, surface.shape, strict=True)
    )
    fine = (down @ phases @ across.T).real
    row, col = np.unravel_index(fine.argmax(), fine.shape)
    return float(whole[0] + steps[row]), float(whole[1] + steps[col])
