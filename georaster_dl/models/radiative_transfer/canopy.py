"""Couple leaves and canopies: PROSAIL, in torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from georaster_dl.core.errors import OptionError
from georaster_dl.models.radiative_transfer.leaf_angles import ellipsoidal
from georaster_dl.models.radiative_transfer.prospect import prospect
from georaster_dl.models.radiative_transfer.sail import CanopyReflectance, sail
from georaster_dl.models.radiative_transfer.traits import LEAF_TRAITS, Trait, span

__all__ = ["CANOPY_TRAITS", "canopy"]

CANOPY_TRAITS: dict[str, Trait] = {
    trait.name: trait
    for trait in (
        Trait("lai", 0.0, 10.0, "m2/m2", "leaf area index, leaves of all colours"),
        Trait("ala", 10.0, 85.0, "deg", "mean inclination of the leaves"),
        Trait("hotspot", 0.0, 1.0, "", "size of the leaves over the canopy's height"),
        Trait("sun_zenith", 0.0, 80.0, "deg", "zenith angle of the sun"),
        Trait("view_zenith", 0.0, 70.0, "deg", "zenith angle of the sensor"),
        Trait("relative_azimuth", 0.0, 360.0, "deg", "azimuth of the sun less that of the sensor"),
    )
}
"""Traits of canopies and of the directions in which they are lit and seen."""


def canopy(
    traits: Mapping[str, Tensor],
    soil_reflectance: Tensor,
    wavelengths_nm: Sequence[float] | np.ndarray,
) -> CanopyReflectance:
    """Compute reflectances of canopies from leaf and canopy traits by PROSPECT and 4SAIL.

    Differentiable with respect to all traits and the soil.

    Parameters
    ----------
    traits : (samples,) each, all of :data:`CANOPY_TRAITS` and those of leaves that
        :func:`~georaster_dl.models.radiative_transfer.prospect` takes.
    soil_reflectance : (samples, bands) or (1, bands), 0 to 1.
    wavelengths_nm : within 400 to 2500 nm.

    Raises
    ------
    OptionError
        When a trait of the canopy is absent or outside its bounds, or leaves are refused by ``prospect``.
    """
    for name, trait in CANOPY_TRAITS.items():
        if name not in traits:
            raise OptionError(f"The canopy needs the trait `{name}` ({trait.title}).")
        value = traits[name]
        if name != "lai" and not bool(((value >= trait.low) & (value <= trait.high)).all()):
            raise OptionError(
                f"The trait `{name}` ({trait.title}) lies within {trait.low:g} to {trait.high:g}, but is "
                f"{span(value)}."
            )
    if not bool((traits["lai"] >= 0).all()):
        raise OptionError(f"The trait `lai` is at least 0, but is {traits['lai'].min().item():g}.")
    leaf = prospect({name: traits[name] for name in LEAF_TRAITS if name in traits}, wavelengths_nm)
    return sail(
        leaf,
        soil_reflectance,
        lai=traits["lai"],
        leaf_angles=ellipsoidal(traits["ala"]),
        hotspot=traits["hotspot"],
        sun_zenith=traits["sun_zenith"],
        view_zenith=traits["view_zenith"],
        relative_azimuth=traits["relative_azimuth"],
    )
