"""Spectra brought to the bands of a sensor that their table covers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted, listed
from georaster_dl.spectra.table.axis import FEWEST_BANDS
from georaster_dl.spectra.table.resample import resampled
from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["WATER_NM", "SensorBands", "coverage", "in_water_vapour", "on_bands"]

_Floats = npt.NDArray[np.float64]
_Mask = npt.NDArray[np.bool_]

WATER_NM = ((1330.0, 1500.0), (1780.0, 2000.0))
"""Wavelengths (nm) at which water vapour leaves no signal of the ground."""

_COARSE = 1.2  # times the width of a band of the scene
_SAME_NM = 0.1


@dataclass(frozen=True, eq=False)
class SensorBands:
    """Bands of a sensor.

    Attributes
    ----------
    name : of the scene or sensor.
    wavelengths_nm : (bands,) increasing.
    fwhm_nm : (bands,) widths, None where they are not known.
    """

    name: str
    wavelengths_nm: _Floats = field(repr=False)
    fwhm_nm: _Floats | None = field(default=None, repr=False)


def in_water_vapour(wavelengths_nm: _Floats) -> _Mask:
    """Mark bands (bands,) in the absorption of water vapour."""
    absorbed = [(low <= wavelengths_nm) & (wavelengths_nm <= high) for low, high in WATER_NM]
    return np.asarray(np.any(absorbed, axis=0))


def coverage(table: SpectraTable, bands: SensorBands) -> tuple[_Mask, list[str]]:
    """Find the bands of a sensor (bands,) that a table covers, and say which it does not.

    Those outside its wavelengths are not, and those in a gap of it that is wider than two of them.
    """
    widths = _widths(bands)
    covered = _covered(table.wavelengths_nm, bands.wavelengths_nm, widths)
    left = bands.wavelengths_nm[~covered]
    if not left.size:
        return covered, []
    return covered, [
        f"{table.name}: it does not cover {counted(left.size, 'band')} of {bands.name}, which {'is' if left.size == 1 else 'are'} left out "
        f"({listed(f'{nm:.0f} nm' for nm in left)})."
    ]


def on_bands(table: SpectraTable, bands: SensorBands, fewest: int = FEWEST_BANDS) -> SpectraTable:
    """Bring a library to the bands of a sensor by Gaussian responses; every assumption is a repair.

    Where the library states its own widths, responses are narrowed by these, as it is as blurred already
    (w = sqrt(w_sensor² - w_library²)). Bands between whose neighbours the library has nothing are left out.

    Parameters
    ----------
    fewest : bands that it must cover.

    Raises
    ------
    OptionError
        When it covers fewer of the bands.
    """
    own, wanted = table.wavelengths_nm, bands.wavelengths_nm
    widths = _widths(bands)
    covered, notes = coverage(table, bands)
    if covered.sum() < fewest:
        raise OptionError(
            f"{table.name} covers {own[0]:g} to {own[-1]:g} nm, and so {int(covered.sum())} of the "
            f"{counted(len(wanted), 'band')} of {bands.name} ({wanted[0]:g} to {wanted[-1]:g} nm), but at least {fewest} are "
            f"needed; give a library of its wavelengths."
        )
    notes += [f"{table.name}: {note}." for note in _notes(table, bands, covered, widths)]
    wanted, widths = wanted[covered], widths[covered]
    narrowed = widths
    if table.fwhm_nm is not None:
        blurred = np.interp(wanted, own, table.fwhm_nm)
        narrowed = np.sqrt(np.maximum(widths**2 - blurred**2, 0))
    made = resampled(table, wanted, narrowed)
    return replace(
        made,
        fwhm_nm=None if bands.fwhm_nm is None else widths,
        repairs=(*made.repairs, *notes),
    )


def _widths(bands: SensorBands) -> _Floats:
    if bands.fwhm_nm is not None:
        return bands.fwhm_nm
    return np.asarray(np.gradient(bands.wavelengths_nm), np.float64)


def _covered(own: _Floats, wanted: _Floats, widths: _Floats) -> _Mask:
    """Mask (bands,) of those at a wavelength of the table, or within it and in no gap wider than themselves."""
    right = np.searchsorted(own, wanted).clip(1, len(own) - 1)
    gap = own[right] - own[right - 1]
    reach = np.maximum(2 * widths, 2 * np.median(np.diff(own)))
    there = np.minimum(np.abs(own[right] - wanted), np.abs(own[right - 1] - wanted)) <= _SAME_NM
    return np.asarray(there | ((own[0] <= wanted) & (wanted <= own[-1]) & (gap <= reach)))


def _notes(table: SpectraTable, bands: SensorBands, covered: _Mask, widths: _Floats) -> list[str]:
    notes = []
    if bands.fwhm_nm is None:
        notes.append(
            f"{bands.name} states no widths of its bands, so they are taken to be as wide as they are apart"
        )
    coarse = np.interp(bands.wavelengths_nm, table.wavelengths_nm, _own_widths(table))
    wider = covered & (coarse > _COARSE * widths)
    if wider.any():
        what = "its spacing is" if table.fwhm_nm is None else "its bands are"
        stated = "it states no widths of its bands, and " if table.fwhm_nm is None else ""
        notes.append(
            f"{stated}{what} wider than {counted(int(wider.sum()), 'band')} of {bands.name}, where fine features are blurred "
            f"that a scene would show"
        )
    return notes


def _own_widths(table: SpectraTable) -> _Floats:
    if table.fwhm_nm is not None:
        return table.fwhm_nm
    return np.asarray(np.gradient(table.wavelengths_nm), np.float64)
