"""Leaf reflectance as it is measured: PROSPECT, with the offset and the gain of a measuring head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from georaster_dl.core.errors import OptionError
from georaster_dl.models.radiative_transfer.constants import ABSORBERS
from georaster_dl.models.radiative_transfer.prospect import Prospect
from georaster_dl.models.radiative_transfer.traits import LEAF_TRAITS, Trait

__all__ = ["GAIN", "OFFSET", "LeafReflectance", "leaf_traits"]

OFFSET = Trait("offset", -0.1, 0.1, "", "light that the surface mirrors")
GAIN = Trait("gain", 0.5, 1.5, "", "measured by diffuse reflectance")

# Mean and standard deviation that are expected of green leaves before anything is measured.
_EXPECTED = {
    "n": (1.6, 0.4),
    "cab": (45.0, 25.0),
    "car": (9.0, 6.0),
    "ant": (1.0, 2.0),
    "brown": (0.05, 0.1),
    "cw": (0.015, 0.006),
    "cm": (0.005, 0.003),
    "prot": (0.001, 0.0005),
    "cbc": (0.004, 0.003),
    "offset": (0.0, 0.03),
    "gain": (1.0, 0.3),
}
_LEAST_ABSORPTION = (
    0.05  # of the most of a constituent, at any wavelength, below which it is not seen
)
_KNOWN = {**LEAF_TRAITS, OFFSET.name: OFFSET, GAIN.name: GAIN}


class LeafReflectance(nn.Module):
    """Reflectance of leaves at fixed wavelengths from their traits, without parameters.

    A clip or a probe sees a constant share that the surface mirrors and a share of what the leaf scatters
    (Jay et al. 2016), so measured = gain * PROSPECT + offset.

    Parameters
    ----------
    wavelengths_nm : within 400 to 2500 nm.
    traits : names, ``n`` among them; ``leaf_traits`` lists those that can be seen.

    Attributes
    ----------
    traits : in the order of the values.
    expected : mean and standard deviation of each before anything is measured.
    """

    def __init__(self, wavelengths_nm: Sequence[float] | np.ndarray, traits: Sequence[str]) -> None:
        super().__init__()
        unknown = [name for name in traits if name not in _KNOWN]
        if unknown or "n" not in traits:
            raise OptionError(
                f"A leaf has the traits {', '.join(_KNOWN)}, n at least, but got {', '.join(traits) or 'none'}."
            )
        self.traits = tuple(_KNOWN[name] for name in traits)
        self.expected = tuple(_EXPECTED[name] for name in traits)
        self.model = Prospect(wavelengths_nm)

    def forward(self, values: Tensor) -> Tensor:
        """Compute reflectances (..., bands) of traits (..., traits)."""
        leaf = {
            trait.name: value for trait, value in zip(self.traits, values.unbind(-1), strict=True)
        }
        offset, gain = leaf.pop(OFFSET.name, None), leaf.pop(GAIN.name, None)
        reflectance: Tensor = self.model(leaf).reflectance
        if gain is not None:
            reflectance = reflectance * gain[..., None]
        return reflectance if offset is None else reflectance + offset[..., None]


def leaf_traits(wavelengths_nm: Sequence[float] | np.ndarray, *, gain: bool) -> tuple[str, ...]:
    """List the traits that absorb at these wavelengths, then offset and gain.

    Parameters
    ----------
    gain : whether the gain is sought, too. It is hard to tell from the structure ``n``, so that absolute values
        suffer, but their differences gain.
    """
    model: Any = Prospect(wavelengths_nm)
    seen = [
        name
        for name, row in zip(ABSORBERS, model.absorption, strict=True)
        if name not in ("prot", "cbc")
        and float(row.max()) * LEAF_TRAITS[name].high >= _LEAST_ABSORPTION
    ]
    return ("n", *seen, OFFSET.name, *((GAIN.name,) if gain else ()))
