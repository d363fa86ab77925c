"""Bands of a scene, to which a library is brought before anything is simulated from it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import SENTINEL2
from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.spectra.table.axis import FEWEST_BANDS
from georaster_dl.spectra.table.resample import resampled
from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["SENSORS", "WATER_NM", "SensorBands", "on_bands", "scene_bands"]

_Floats = npt.NDArray[np.float64]

WATER_NM = ((1330.0, 1500.0), (1780.0, 2000.0))
"""Wavelengths (nm) at which water vapour leaves no signal of the ground."""

_COARSE = 1.2  # times the width of a band of the scene


@dataclass(frozen=True, eq=False)
class SensorBands:
    """Bands of a sensor without those of water vapour.

    Attributes
    ----------
    name : of the scene or sensor.
    wavelengths_nm : (bands,) increasing.
    fwhm_nm : (bands,) widths, None where they are not known.
    """

    name: str
    wavelengths_nm: _Floats = field(repr=False)
    fwhm_nm: _Floats | None = field(default=None, repr=False)


def _sentinel2() -> SensorBands:
    chosen = [band for band in SENTINEL2 if band.name not in ("B01", "B09", "B10")]
    lengths = [band.wavelength_nm or np.nan for band in chosen]
    return SensorBands("sentinel-2", np.array(lengths), np.array([b.fwhm_nm for b in chosen]))


SENSORS = {"sentinel-2": _sentinel2()}
"""Sensors by name: of Sentinel-2 the ten bands of 10 and 20 m."""


def scene_bands(scene: Scene) -> SensorBands:
    """Take a scene's good bands by wavelength, without those of water vapour (1330-1500 and 1780-2000 nm).

    Raises
    ------
    OptionError
        When its bands have no wavelengths, or fewer than 8 are left.
    """
    known = sorted(
        (band.wavelength_nm, band.fwhm_nm)
        for band in scene.bands
        if band.good and band.wavelength_nm is not None
    )
    lengths = np.array([nm for nm, _ in known], np.float64)
    widths = np.array([width or np.nan for _, width in known], np.float64)
    of_ground = ~np.any([(low <= lengths) & (lengths <= high) for low, high in WATER_NM], axis=0)
    of_ground &= np.append(np.diff(lengths) > 0, True)  # bands of two detectors may coincide
    if of_ground.sum() < FEWEST_BANDS:
        raise OptionError(
            f"{scene.name} has {counted(int(of_ground.sum()), 'band')} with a wavelength outside the absorption of water "
            f"vapour, but spectra need {FEWEST_BANDS}; give a scene whose file states wavelengths, or state them with "
            f"`wavelengths=`."
        )
    lengths, widths = lengths[of_ground], widths[of_ground]
    return SensorBands(Path(scene.name).name, lengths, None if np.isnan(widths).any() else widths)


def on_bands(table: SpectraTable, bands: SensorBands) -> SpectraTable:
    """Bring a library to the bands of a sensor by Gaussian responses; every assumption is a repair.

    Where the library states its own widths, responses are narrowed by these, as it is as blurred already
    (w = sqrt(w_sensor² - w_library²)). Bands between whose neighbours the library has nothing are left out.

    Raises
    ------
    OptionError
        When it covers fewer than 8 of the bands.
    """
    own, wanted = table.wavelengths_nm, bands.wavelengths_nm
    widths = np.gradient(wanted) if bands.fwhm_nm is None else bands.fwhm_nm
    covered = _covered(own, wanted, widths)
    if covered.sum() < FEWEST_BANDS:
        raise OptionError(
            f"{table.name} covers {own[0]:g} to {own[-1]:g} nm, and so {int(covered.sum())} of the "
            f"{counted(len(wanted), 'band')} of {bands.name} ({wanted[0]:g} to {wanted[-1]:g} nm), but at least {FEWEST_BANDS} are "
            f"needed; give a library of its wavelengths."
        )
    notes = _notes(table, bands, covered, widths)
    wanted, widths = wanted[covered], widths[covered]
    narrowed = widths
    if table.fwhm_nm is not None:
        blurred = np.interp(wanted, own, table.fwhm_nm)
        narrowed = np.sqrt(np.maximum(widths**2 - blurred**2, 0))
    made = resampled(table, wanted, narrowed)
    return replace(
        made,
        fwhm_nm=None if bands.fwhm_nm is None else widths,
        repairs=(*made.repairs, *(f"{table.name}: {note}." for note in notes)),
    )


def _covered(own: _Floats, wanted: _Floats, widths: _Floats) -> npt.NDArray[np.bool_]:
    """Mask (bands,) of those within the library, and not in a gap of it wider than themselves."""
    right = np.searchsorted(own, wanted).clip(1, len(own) - 1)
    gap = own[right] - own[right - 1]
    reach = np.maximum(2 * widths, 2 * np.median(np.diff(own)))
    return np.asarray((own[0] <= wanted) & (wanted <= own[-1]) & (gap <= reach))


def _notes(
    table: SpectraTable, bands: SensorBands, covered: npt.NDArray[np.bool_], widths: _Floats
) -> list[str]:
    notes = []
    left = bands.wavelengths_nm[~covered]
    if left.size:
        notes.append(
            f"it does not cover {counted(left.size, 'band')} of {bands.name}, which are left out "
            f"({listed(f'{nm:.0f} nm' for nm in left)})"
        )
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
