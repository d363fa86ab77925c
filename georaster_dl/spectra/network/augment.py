"""Augmentation of training spectra: changes of instrument, sample presentation and noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from georaster_dl.core.errors import OptionError

__all__ = ["SpectralAugmentation"]


@dataclass(frozen=True)
class SpectralAugmentation:
    """Strengths of the random changes of spectra; 0 leaves a change out (Bjerrum et al. 2017).

    Attributes
    ----------
    noise : standard deviation of white noise, in standard deviations of all training values.
    offset : the same of what is added to all bands.
    slope : the same of what is added to the last band and taken from the first, straight between.
    multiplicative : standard deviation of a factor on all bands, about 1.
    shift : most by which the bands are moved along the axis, in bands.

    Raises
    ------
    OptionError
        When a strength is negative or no number.
    """

    noise: float = 0.0
    offset: float = 0.0
    slope: float = 0.0
    multiplicative: float = 0.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            strength = getattr(self, field.name)
            if not 0 <= strength < np.inf:
                raise OptionError(
                    f"The augmentation {field.name} must be at least 0, but got {strength}; 0 leaves it out."
                )

    @classmethod
    def of(cls, augment: bool | Mapping[str, float]) -> SpectralAugmentation | None:
        """Make it from True (the usual strengths), False (none), or the strengths by name.

        Raises
        ------
        OptionError
            When a name is none of the kinds.
        """
        if isinstance(augment, bool):
            return _USUAL if augment else None
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(augment) - set(known))
        if unknown:
            raise OptionError(
                f"No augmentation of spectra is named {unknown[0]!r}; known are {', '.join(known)}."
            )
        return cls(**augment)

    def apply(self, spectra: Tensor, spread: float, generator: torch.Generator) -> Tensor:
        """Change spectra (n, bands) at random; positive values stay positive, as reflectances are.

        Parameters
        ----------
        spread : standard deviation of all values of the training spectra.
        generator : source of all randomness.
        """
        changed = _shifted(spectra, self.shift, generator) if self.shift else spectra
        n, bands = spectra.shape
        factor, offset, slope = torch.randn(3, n, 1, generator=generator, dtype=spectra.dtype)
        noise = torch.randn(n, bands, generator=generator, dtype=spectra.dtype)
        line = torch.linspace(-1, 1, bands, dtype=spectra.dtype)
        added = self.offset * offset + self.slope * slope * line + self.noise * noise
        changed = changed * (1 + self.multiplicative * factor) + spread * added
        return torch.where((spectra > 0) & (changed <= 0), spectra, changed)


_USUAL = SpectralAugmentation(noise=0.001, offset=0.1, slope=0.05, multiplicative=0.05, shift=0.2)


def _shifted(spectra: Tensor, most: float, generator: torch.Generator) -> Tensor:
    """Shift each spectrum along the bands, with linear interpolation."""
    n, bands = spectra.shape
    by = most * (2 * torch.rand(n, 1, generator=generator, dtype=spectra.dtype) - 1)
    places = (torch.arange(bands, dtype=spectra.dtype) + by).clamp(0, bands - 1)
    left = places.floor().long().clamp(max=max(bands - 2, 0))
    right = (left + 1).clamp(max=bands - 1)
    return torch.lerp(spectra.gather(1, left), spectra.gather(1, right), places - left)
