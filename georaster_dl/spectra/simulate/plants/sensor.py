"""Simulated spectra as a sensor would measure them, in pieces that memory holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from georaster_dl.models.radiative_transfer import flat_responses
from georaster_dl.spectra.sensor import SensorBands

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["on_sensor"]

_Floats = npt.NDArray[np.float64]

_FIRST_NM, _LAST_NM = 400.0, 2500.0
_VALUES_AT_ONCE = 2_000_000


def on_sensor(
    spectra: Callable[[_Floats, slice], Tensor],
    n: int,
    bands: SensorBands | None,
    *,
    step_nm: float,
) -> tuple[_Floats, _Floats]:
    """Compute n spectra and bring them to a sensor's bands.

    Parameters
    ----------
    spectra : gives (rows, fine) values of a slice of the rows at fine wavelengths in nm.
    bands : of the sensor; None takes 400 to 2500 nm at the step.

    Returns
    -------
    spectra (n, bands), and wavelengths (bands,) in nm.

    Raises
    ------
    OptionError
        When a band lies outside 400 to 2500 nm.
    """
    if bands is None:
        fine = centres = np.arange(_FIRST_NM, _LAST_NM + step_nm / 2, step_nm)
        weights = None
    else:
        centres = bands.wavelengths_nm
        widths = np.gradient(centres) if bands.fwhm_nm is None else bands.fwhm_nm
        responses = flat_responses(centres, widths)
        fine, weights = responses.wavelengths_nm, responses.weights
    size = max(1, _VALUES_AT_ONCE // len(fine))
    parts = []
    for first in range(0, n, size):
        part = spectra(fine, slice(first, first + size)).double().numpy()
        parts.append(part if weights is None else part @ weights.T)
    return np.concatenate(parts), centres
