"""Bands of a scene, to which a library is brought before anything is simulated from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import SENTINEL2
from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.spectra.sensor import SensorBands, in_water_vapour
from georaster_dl.spectra.table.axis import FEWEST_BANDS

__all__ = ["SENSORS", "scene_bands"]

_Floats = npt.NDArray[np.float64]


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
    of_ground = ~in_water_vapour(lengths)
    of_ground &= np.append(np.diff(lengths) > 0, True)  # bands of two detectors may coincide
    if of_ground.sum() < FEWEST_BANDS:
        raise OptionError(
            f"{scene.name} has {counted(int(of_ground.sum()), 'band')} with a wavelength outside the absorption of water "
            f"vapour, but spectra need {FEWEST_BANDS}; give a scene whose file states wavelengths, or state them with "
            f"`wavelengths=`."
        )
    lengths, widths = lengths[of_ground], widths[of_ground]
    return SensorBands(Path(scene.name).name, lengths, None if np.isnan(widths).any() else widths)
