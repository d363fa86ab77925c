"""Compute the reflectance of bare soils from a few numbers, in torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from georaster_dl.models.radiative_transfer.constants import ABSORBERS, leaf_constants
from georaster_dl.models.radiative_transfer.traits import Trait

__all__ = ["SOIL_TRAITS", "bare_soil"]

SOIL_TRAITS: dict[str, Trait] = {
    trait.name: trait
    for trait in (
        Trait("brightness", 0.05, 0.8, "", "reflectance that the dry soil tends to"),
        Trait("rise", 200.0, 900.0, "nm", "wavelengths over which it rises"),
        Trait("steepness", 1.0, 3.5, "", "1 rises at once, more in an S"),
        Trait("clay", 0.0, 0.5, "", "depth of the absorption at 2.2 um"),
        Trait("wet", 0.0, 1.0, "", "share of the surface under a film of water"),
        Trait("film", 0.0, 0.2, "cm", "thickness of the film"),
    )
}
"""Traits of bare soils."""

_START_NM = 250.0
# Centre and width (nm) of absorptions by hydroxyl and bound water, and their depth beside that at 2.2 um.
_DIPS = ((1420.0, 40.0, 0.3), (1930.0, 60.0, 1.5), (2210.0, 45.0, 1.0))
# Of a smooth film of water (index 1.33): light that enters, that leaves again, and that is thrown back inside.
_ENTERS, _LEAVES, _THROWN_BACK = 0.93, 0.53, 0.47


def bare_soil(traits: Mapping[str, Tensor], wavelengths_nm: Sequence[float] | np.ndarray) -> Tensor:
    """Compute reflectances of soils: a rise, the absorptions of clay, and a film of water (Bach & Mauser 1994).

    The dry soil is b (1 - exp(-((w - 250 nm) / rise)^steepness)), less its absorptions. Light that passes
    the film is absorbed as in leaves' water, and part of it is thrown back to the soil, so wet soils are dark.

    Parameters
    ----------
    traits : those of :data:`SOIL_TRAITS`, (samples,) each.
    wavelengths_nm : within 400 to 2500 nm.

    Returns
    -------
    (samples, bands), 0 to 1.

    Raises
    ------
    OptionError
        When a wavelength lies outside the optical constants.
    """
    constants = leaf_constants(wavelengths_nm)
    brightness, rise, steepness, clay, wet, film = (traits[name][:, None] for name in SOIL_TRAITS)

    def like(values: np.ndarray) -> Tensor:
        return torch.as_tensor(values, dtype=brightness.dtype, device=brightness.device)

    w = np.asarray(wavelengths_nm, np.float64)
    depth = sum(share * np.exp(-(((w - centre) / width) ** 2)) for centre, width, share in _DIPS)
    dry = -torch.expm1(-((like(w - _START_NM) / rise) ** steepness))
    dry = brightness * dry * torch.exp(-clay * like(np.asarray(depth)))
    water = like(constants.absorption[ABSORBERS.index("cw")])
    seen = dry * torch.exp(-2 * film * water)
    covered = _ENTERS * _LEAVES * seen / (1 - _THROWN_BACK * seen)
    return dry + wet * (covered - dry)
