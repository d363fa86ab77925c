"""Spectra of leaves, drawn from traits by PROSPECT."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from georaster_dl.spectra.sensor import SensorBands
from georaster_dl.spectra.simulate.noise import check_noise
from georaster_dl.spectra.simulate.plants.priors import LEAF, Range, Traits, check_ranges, draw
from georaster_dl.spectra.simulate.result import Simulated

__all__ = ["draw_leaves", "simulate_prospect"]

_Floats = npt.NDArray[np.float64]

_STEP_NM = 10.0
_NOISE = 0.002


def simulate_prospect(
    *,
    n: int,
    seed: int = 0,
    bands: SensorBands | None = None,
    traits: Mapping[str, Range] | None = None,
    noise: float | None = None,
) -> Simulated:
    """Simulate reflectances of leaves with their traits (PROSPECT-D, Feret et al. 2017).

    Columns are ``n``, ``cab``, ``car``, ``brown`` (ug/cm2), ``cw`` and ``cm`` (g/cm2).

    Parameters
    ----------
    n : number of spectra.
    bands : of the sensor; 400 to 2500 nm in steps of 10 nm when None.
    traits : (least, largest) value of those traits that are drawn evenly within other bounds than by default.
    noise : standard deviation of normal noise in all bands; 0.002 when None.

    Raises
    ------
    OptionError
        When a trait is not known or its range is impossible, the noise is negative, or a band lies outside 400 to 2500 nm.
    """
    ranges = dict(traits or {})
    check_ranges(ranges, LEAF)
    check_noise(noise)
    random = np.random.default_rng(seed)
    columns = draw_leaves(n, ranges, random)
    spectra, wavelengths = _leaves(columns, bands)
    spread = _NOISE if noise is None else noise
    spectra = spectra + spread * random.standard_normal(spectra.shape)
    settings = {"traits": ranges, "noise": spread}
    widths = None if bands is None else bands.fwhm_nm
    return Simulated(
        spectra.astype(np.float32), wavelengths, columns, "prospect", seed, settings, fwhm_nm=widths
    )


def draw_leaves(n: int, ranges: Mapping[str, Range], random: np.random.Generator) -> Traits:
    """Draw (n,) values of each trait of green leaves, carotenoids with chlorophyll and water with dry matter."""
    drawn = draw(LEAF, ranges, n, random)
    if "car" not in ranges:
        drawn["car"] = drawn["car"] * drawn["cab"]
    if "cw" not in ranges:
        drawn["cw"] = drawn["cm"] * drawn["cw"] / (1 - drawn["cw"])
    return drawn


def _leaves(columns: Traits, bands: SensorBands | None) -> tuple[_Floats, _Floats]:
    """Return spectra (n, bands) and the wavelengths of the bands."""
    import torch

    from georaster_dl.models.radiative_transfer import prospect
    from georaster_dl.spectra.simulate.plants.sensor import on_sensor

    def computed(fine: _Floats, rows: slice) -> torch.Tensor:
        values = {
            name: torch.as_tensor(v[rows], dtype=torch.float32) for name, v in columns.items()
        }
        return prospect(values, fine).reflectance

    return on_sensor(computed, len(columns["n"]), bands, step_nm=_STEP_NM)
