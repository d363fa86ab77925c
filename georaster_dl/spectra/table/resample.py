"""Spectra on the wavelengths that a model was trained on."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["aligned", "missing_ends", "resampled", "resampling_weights"]

_SAME_NM = 0.1
_REACH = 1.5  # of a response, in FWHM: beyond it 0.04 % of a Gaussian are left
_NODES = 33  # at least, over a response

_Floats = npt.NDArray[np.float64]


def aligned(table: SpectraTable, wavelengths_nm: _Floats) -> SpectraTable:
    """Take the columns at these wavelengths; a table may have more.

    Raises
    ------
    OptionError
        When one of them has no column within 0.1 nm.
    """
    own = table.wavelengths_nm
    nearest = np.abs(own[:, None] - wavelengths_nm).argmin(axis=0)
    apart = np.abs(own[nearest] - wavelengths_nm) > _SAME_NM
    if apart.any():
        _check_range(own, wavelengths_nm, table.name)
        raise OptionError(
            f"{table.name} has {_axis(own)}, but the model {_axis(wavelengths_nm)}; if both instruments "
            f"measure the same quantity, bring the spectra to the model's with `resample=True`."
        )
    return replace(table.bands(nearest), wavelengths_nm=np.asarray(wavelengths_nm, float))


def resampled(
    table: SpectraTable, wavelengths_nm: _Floats, fwhm_nm: _Floats | float | None = None
) -> SpectraTable:
    """Bring spectra to other wavelengths, as bands of a Gaussian response would measure them.

    The spectrum runs straight between its own wavelengths, so a narrow response gives interpolation
    and a wide one an average. Responses are cut off at 1.5 FWHM, and symmetrically where the spectrum
    ends sooner, so that the first and last wavelength are not shifted inwards.

    Parameters
    ----------
    wavelengths_nm : (bands,) increasing.
    fwhm_nm : full width at half maximum of each band or of all; the distance of neighbouring
        wavelengths when None.

    Raises
    ------
    OptionError
        When a wavelength lies outside the table's: nothing is extrapolated.
    """
    own, wanted = table.wavelengths_nm, np.asarray(wavelengths_nm, np.float64)
    weights = resampling_weights(own, wanted, fwhm_nm, name=table.name)
    message = f"{table.name}: spectra were resampled from {_axis(own)} to {_axis(wanted)}."
    return replace(
        table,
        wavelengths_nm=wanted,
        spectra=table.spectra @ weights.T,
        fwhm_nm=None
        if fwhm_nm is None
        else np.broadcast_to(np.asarray(fwhm_nm, float), wanted.shape),
        repairs=(*table.repairs, message),
    )


def resampling_weights(
    own: _Floats, wanted: _Floats, fwhm_nm: _Floats | float | None = None, *, name: str
) -> _Floats:
    """Weights (wanted bands, own bands), each of sum 1, by which ``resampled`` makes bands.

    Parameters
    ----------
    own, wanted : increasing wavelengths in nm.
    fwhm_nm : as ``resampled`` takes it.
    name : of the spectra, for messages.

    Raises
    ------
    OptionError
        When a wanted wavelength lies outside the own ones.
    """
    _check_range(own, wanted, name)
    if fwhm_nm is None:
        fwhm_nm = np.abs(np.gradient(wanted))
    widths = np.broadcast_to(np.asarray(fwhm_nm, np.float64), wanted.shape)
    return np.stack([_response(own, c, w) for c, w in zip(wanted, widths, strict=True)])


def _check_range(own: _Floats, wanted: _Floats, name: str) -> None:
    missing = missing_ends(own, wanted)
    if missing:
        raise OptionError(f"{name} has {_axis(own)}, but the model {_axis(wanted)}; {missing}.")


def missing_ends(own: _Floats, wanted: _Floats) -> str:
    """Name the ends of a model's wavelengths (nm) that a sensor lacks, with a cure; empty where it has them all."""
    low, high = own.min(), own.max()
    first, last = wanted.min(), wanted.max()
    ends = [f"{first:g} to {min(low, last):g} nm"] if first < low - _SAME_NM else []
    if last > high + _SAME_NM:
        ends.append(f"{max(high, first):g} to {last:g} nm")
    if not ends:
        return ""
    begin, end = math.ceil(max(low, first)), math.floor(min(high, last))
    cure = f"train it with `range=` {begin}-{end}" if begin < end else "use a model within them"
    return f"nothing is extrapolated, and {' and '.join(ends)} are missing: {cure}"


def _response(own: _Floats, centre: float, fwhm: float) -> _Floats:
    """(own bands,) weights, of sum 1, that make a band of this centre and width."""
    centre = float(np.clip(centre, own[0], own[-1]))
    reach = min(_REACH * fwhm, centre - own[0], own[-1] - centre)
    # At least two nodes for each of the spectrum's own steps, so that none is overlooked.
    steps = np.diff(np.searchsorted(own, [centre - reach, centre + reach]))[0]
    offsets = np.linspace(-reach, reach, max(_NODES, 4 * int(steps) + 1))
    heights = np.exp(-4 * np.log(2) * (offsets / max(fwhm, np.finfo(float).tiny)) ** 2)
    right = np.clip(np.searchsorted(own, centre + offsets), 1, len(own) - 1)
    share = np.clip((centre + offsets - own[right - 1]) / (own[right] - own[right - 1]), 0, 1)
    weights = np.zeros(len(own))
    np.add.at(weights, right, heights * share)
    np.add.at(weights, right - 1, heights * (1 - share))
    return np.asarray(weights / weights.sum())


def _axis(wavelengths_nm: _Floats) -> str:
    low, high = wavelengths_nm[0], wavelengths_nm[-1]
    return f"{counted(len(wavelengths_nm), 'wavelength')} from {low:g} to {high:g} nm"
