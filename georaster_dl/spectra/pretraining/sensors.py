"""Random sensors: their range, bands, widths and gaps, as those differ from one instrument to another."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from georaster_dl.spectra.sensor import in_water_vapour
from georaster_dl.spectra.table.resample import resampling_weights

__all__ = ["RandomSensor", "draw_sensor"]

_Floats = npt.NDArray[np.float64]

RANGES_NM = ((400.0, 2500.0), (400.0, 1000.0), (1000.0, 2500.0), (700.0, 2500.0))
"""Ranges (nm) of sensors: all, visible and near infrared, short-wave infrared, both infrareds."""

_SPACING_NM = (2.0, 20.0)
_FWHM_NM = (5.0, 40.0)
_MOST_BANDS = 400
_WITH_GAPS = (
    0.5  # share of sensors without the bands of water vapour, and of those that lack others
)
_DROPPED = 0.2  # of the bands, at most


@dataclass(frozen=True, eq=False)
class RandomSensor:
    """Bands of a sensor, and how they are made of a library's.

    Attributes
    ----------
    wavelengths_nm : (bands,) increasing.
    weights : (bands, library's bands), each row of sum 1.
    """

    wavelengths_nm: _Floats = field(repr=False)
    weights: _Floats = field(repr=False)


def draw_sensor(library_nm: _Floats, fewest: int, random: np.random.Generator) -> RandomSensor:
    """Draw a sensor whose bands a library covers, with Gaussian responses of one width.

    Parameters
    ----------
    library_nm : (library's bands,) increasing.
    fewest : bands that it has at least.
    """
    first, last = _drawn_range(library_nm, random)
    spacing = _between(_SPACING_NM, random)
    count = int(np.clip((last - first) / spacing, fewest, _MOST_BANDS))
    wavelengths = np.linspace(first, last, count)
    kept = np.ones(count, bool)
    if random.random() < _WITH_GAPS:
        kept &= ~in_water_vapour(wavelengths)
    if random.random() < _WITH_GAPS:
        kept &= random.random(count) >= random.uniform(0, _DROPPED)
    if kept.sum() >= fewest:
        wavelengths = wavelengths[kept]
    width = random.uniform(*_FWHM_NM)
    return RandomSensor(
        wavelengths, resampling_weights(library_nm, wavelengths, width, name="the library")
    )


def _drawn_range(library_nm: _Floats, random: np.random.Generator) -> tuple[float, float]:
    """Draw a range within the library's, at random somewhat narrower."""
    low, high = RANGES_NM[random.integers(len(RANGES_NM))]
    low, high = max(low, library_nm[0]), min(high, library_nm[-1])
    if np.count_nonzero((low <= library_nm) & (library_nm <= high)) < len(library_nm) / 8:
        low, high = library_nm[0], library_nm[-1]
    narrower = 0.1 * (high - low) * random.random(2)
    return float(low + narrower[0]), float(high - narrower[1])


def _between(bounds: tuple[float, float], random: np.random.Generator) -> float:
    """Draw a number whose logarithm is evenly distributed."""
    return float(np.exp(random.uniform(*np.log(bounds))))
