"""Encoder from spectra to traits, for a decoder that is a radiative transfer model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from georaster_dl.models.radiative_transfer.inversion import LogisticSpace, improve
from georaster_dl.models.zoo.chemometrics.per_spectrum import PerSpectrum

__all__ = ["PhysicsEncoder", "modelled_bands"]

_MOST_BANDS = 128
_WIDTHS = (128, 64)
_LOG_SD = (-6.0, 3.0)


def modelled_bands(count: int) -> list[int]:
    """List the bands that the decoder models: at most 128, evenly apart, as spectra of leaves are smooth."""
    return list(range(0, count, -(-count // _MOST_BANDS)))


class PhysicsEncoder(PerSpectrum):
    """Traits of each spectrum within their bounds, from an encoder that learns through its decoder.

    The encoder gives mean and logarithm of the standard deviation of each trait in the logistic space; from that
    mean a few steps of damped least squares through the decoder reach the likeliest traits. Outputs are sums of
    traits: the traits themselves, or what a few labels calibrated.

    Parameters
    ----------
    in_bands, planes : planes in and out.
    decoder : ``SpectrumModel`` of the bands ``modelled_bands``, without parameters.
    steps : towards the likeliest traits; 0 leaves those of the encoder.

    Attributes
    ----------
    mean, std : (bands,) that bring normalised bands back to reflectances.
    readout, constant : (planes, traits) and (planes,), outputs of traits.
    """

    mean: Tensor
    std: Tensor
    readout: Tensor
    constant: Tensor
    places: Tensor

    def __init__(self, in_bands: int, planes: int, decoder: Any, *, steps: int) -> None:
        traits = len(decoder.traits)
        bands = modelled_bands(in_bands)
        super().__init__(values=max(in_bands, (traits + 1) * len(bands)))
        self.steps = steps
        self.decoder = decoder
        self.space = LogisticSpace(decoder)
        self.register_buffer("places", torch.tensor(bands), persistent=False)
        self.register_buffer("mean", torch.zeros(in_bands))
        self.register_buffer("std", torch.ones(in_bands))
        self.register_buffer("readout", torch.zeros(planes, traits))
        self.register_buffer("constant", torch.zeros(planes))
        wide, narrow = _WIDTHS
        self.encoder = nn.Sequential(
            nn.Linear(len(bands), wide),
            nn.SiLU(),
            nn.Linear(wide, narrow),
            nn.SiLU(),
            nn.Linear(narrow, 2 * traits),
        )

    def encode(self, normalised: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the standard deviation (n, traits), in the logistic space, of the modelled bands."""
        mean, log_sd = self.encoder(normalised).chunk(2, -1)
        return mean, log_sd.clamp(*_LOG_SD)

    def traits(self, spectra: Tensor) -> Tensor:
        """Traits (n, traits) of normalised spectra (n, bands), within their bounds."""
        chosen = spectra[:, self.places]
        own = next(self.encoder.parameters()).dtype
        z = self.encode(chosen.to(own))[0].double()
        if self.steps:
            reflectance = chosen * self.std[self.places].double() + self.mean[self.places].double()
            z = improve(
                self.decoder.double(), self.space.double(), reflectance, z, steps=self.steps
            )
        return self.space.values(z)

    def planes(self, spectra: Tensor) -> Tensor:
        """Planes (n, planes) of normalised spectra (n, bands)."""
        return self.traits(spectra.double()) @ self.readout.double().T + self.constant.double()
