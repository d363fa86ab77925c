"""Bands of a sensor as weighted means of fine wavelengths."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError

__all__ = ["Responses", "flat_responses"]

_Floats = npt.NDArray[np.float64]

_FIRST_NM, _LAST_NM = 400.0, 2500.0
_LEAST = 1e-3
_FINEST_NM, _COARSEST_NM = 1.0, 5.0
_NODES = 6  # over a band's width


@dataclass(frozen=True, eq=False)
class Responses:
    """Spectral responses of a sensor's bands.

    Attributes
    ----------
    wavelengths_nm : (fine,) at which spectra are computed.
    weights : (bands, fine), each row of sum 1.
    """

    wavelengths_nm: _Floats = field(repr=False)
    weights: _Floats = field(repr=False)


def flat_responses(centres_nm: _Floats, fwhm_nm: _Floats) -> Responses:
    """Describe bands with a flat top and steep sides, as filters have: exp(-ln 2 (2 |w - centre| / fwhm)^8).

    A normal curve of the width of Sentinel-2's near infrared would reach into the red; of the narrow bands
    of a spectrometer both give the same, as spectra of leaves and canopies are smooth.

    Parameters
    ----------
    centres_nm, fwhm_nm : (bands,).

    Raises
    ------
    OptionError
        When a band's centre lies outside 400 to 2500 nm.
    """
    outside = (centres_nm < _FIRST_NM) | (centres_nm > _LAST_NM)
    if outside.any():
        raise OptionError(
            f"Leaves and canopies are simulated from 400 to 2500 nm, but a band lies at "
            f"{centres_nm[outside][0]:g} nm; leave out the bands beyond."
        )
    step = float(np.clip(fwhm_nm.min() / _NODES, _FINEST_NM, _COARSEST_NM))
    fine = np.arange(_FIRST_NM, _LAST_NM + step / 2, step).clip(max=_LAST_NM)
    apart = np.abs(fine - centres_nm[:, None]) / np.maximum(fwhm_nm[:, None], 2 * step) * 2
    heights = np.exp(-np.log(2) * apart**8)
    heights[heights < _LEAST] = 0
    seen = heights.any(axis=0)
    weights = heights[:, seen]
    return Responses(fine[seen], weights / weights.sum(axis=1, keepdims=True))
