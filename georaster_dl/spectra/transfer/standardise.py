"""Standardisation of one instrument's spectra to another's, from samples measured on both."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.spectra.preprocess.standardisation import (
    MOST_RANK,
    DirectStandardisation,
    PiecewiseStandardisation,
)

__all__ = ["fit_direct", "fit_piecewise"]

_Floats = npt.NDArray[np.float64]

_COMPONENTS = 2  # of the PLS of a window, as Bouveresse & Massart 1996 found enough
_DIGITS = 9


def fit_direct(secondary: _Floats, primary: _Floats) -> DirectStandardisation:
    """Learn the matrix that makes spectra (n, bands) of the secondary those of the primary instrument.

    Spectra are centred first, so that an additive difference is an offset (Wang et al. 1992); of more than 41
    samples the 40 strongest directions are used.
    """
    from chemotools.adaptation import DirectStandardization

    means = secondary.mean(axis=0), primary.mean(axis=0)
    found = DirectStandardization().fit(secondary - means[0], X_source=primary - means[1])
    rank = max(1, min(len(secondary) - 1, secondary.shape[1], MOST_RANK))
    made = DirectStandardisation(rank)
    made.left_ = _rounded(found.V_ds_[:, :rank])
    made.right_ = _rounded(found.B_ds_[:rank])
    made.offset_ = means[1] - (means[0] @ made.left_) @ made.right_
    return made


def fit_piecewise(secondary: _Floats, primary: _Floats, window: int) -> PiecewiseStandardisation:
    """Learn each band (n, bands) of the primary from ``window`` bands on either side of the secondary."""
    from chemotools.adaptation import PiecewiseDirectStandardization

    bands = secondary.shape[1]
    with warnings.catch_warnings():
        # That a window of smooth spectra has fewer components is said of every band.
        warnings.simplefilter("ignore")
        found = PiecewiseDirectStandardization(window, _COMPONENTS, scale=False).fit(
            secondary, X_source=primary
        )
    made = PiecewiseStandardisation(window)
    places = np.arange(bands)[:, None] + np.arange(-window, window + 1)
    inside = (places >= 0) & (places < bands)
    matrix: Any = found.T_
    made.coefficients_ = _rounded(
        np.where(inside, matrix[places.clip(0, bands - 1), np.arange(bands)[:, None]], 0)
    )
    made.offset_ = _rounded(found.bias_)
    return made


def _rounded(array: _Floats) -> _Floats:
    """Round to the digits that a card holds."""
    return np.array([float(f"{value:.{_DIGITS}g}") for value in array.ravel()]).reshape(array.shape)
