"""Distances from a calibration of every pixel as more channels of a network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from georaster_dl.models.contract import network_stride
from georaster_dl.models.package.domain import CalibrationDomain
from georaster_dl.models.package.values import InputBand

__all__ = ["OUTLIER_CHANNELS", "OutlierNetwork"]

OUTLIER_CHANNELS = 4
"""The largest of the ratios, then those of T2, Q and the distance to the nearest calibration spectrum."""
# So that what is computed stays smaller than the image.
_BANDS_AT_ONCE = _NEIGHBOURS_AT_ONCE = 32


class OutlierNetwork(nn.Module):
    """A network with the distances of its input from the calibration as more channels of its output.

    Each is divided by its limit of 99 %, so that a pixel above 1 is unlike the calibration.

    Parameters
    ----------
    network : of normalised images.
    bands : that it reads, with the means and deviations that images are normalised by.
    domain : of these bands.

    Attributes
    ----------
    stride : total down-sampling of the network.
    """

    scale: Tensor
    shift: Tensor
    projection: Tensor
    products: Tensor
    precisions: Tensor
    neighbours: Tensor

    def __init__(
        self, network: nn.Module, bands: Sequence[InputBand], domain: CalibrationDomain
    ) -> None:
        super().__init__()
        self.network = network
        self.stride = network_stride(network)
        self._components = domain.n_components
        self._limits = domain.t2_limits[1], domain.q_limits[1], domain.distance_limits[1]
        mean = np.array([band.mean for band in bands])
        rotations, loadings = domain.by_band("rotations"), domain.by_band("loadings")
        for name, array in (
            ("scale", np.array([band.std for band in bands])),
            ("shift", mean - np.array(domain.mean)),
            ("projection", np.concatenate([rotations, loadings], axis=1)),
            ("products", loadings.T @ loadings),
            ("precisions", 1 / np.array(domain.score_variances)),
            ("neighbours", domain.by_component("neighbours")),
        ):
            self.register_buffer(name, torch.from_numpy(array), persistent=False)

    def forward(self, image: Tensor, *place: object) -> Tensor:
        """(N, channels + 4, rows, cols) of a normalised image (N, bands, rows, cols).

        ``place`` is handed on to the network.
        """
        output: Tensor = self.network(image, *place)
        with torch.autocast(image.device.type, enabled=False):
            ratios = self._ratios(image.permute(0, 2, 3, 1)).movedim(-1, 1)
        return torch.cat([output.float(), ratios], dim=1)

    def _ratios(self, pixels: Tensor) -> Tensor:
        """(N, rows, cols, 4) ratios of normalised pixels (N, rows, cols, bands).

        What is left of a spectrum is a small difference of large numbers, so it takes doubles.
        """
        projected, squared = self._projected(pixels)
        scores = projected[..., : self._components]
        onto = projected[..., self._components :]
        t2 = (scores.square() * self.precisions).sum(dim=-1)
        # |x - P t|2 = |x|2 - 2 t'P'x + t'P'P t
        left = squared + (scores * (scores @ self.products - 2 * onto)).sum(dim=-1)
        measures = t2, left.clamp(min=0), self._nearest(scores * self.precisions.sqrt())
        ratios = torch.stack(
            [value / limit for value, limit in zip(measures, self._limits, strict=True)], dim=-1
        ).float()
        return torch.cat([ratios.amax(dim=-1, keepdim=True), ratios], dim=-1)

    def _projected(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Products of centred pixels with rotations and loadings, and their squared lengths."""
        projected = pixels.new_zeros((), dtype=torch.float64)
        squared = projected
        for first in range(0, len(self.scale), _BANDS_AT_ONCE):
            at = slice(first, first + _BANDS_AT_ONCE)
            centred = pixels[..., at].double() * self.scale[at] + self.shift[at]
            projected = projected + centred @ self.projection[at]
            squared = squared + centred.square().sum(dim=-1)
        return projected, squared

    def _nearest(self, white: Tensor) -> Tensor:
        """Distance (N, rows, cols) of whitened scores to the nearest of the calibration's."""
        own = white.square().sum(dim=-1)
        nearest = torch.full_like(own, torch.inf)
        for first in range(0, len(self.neighbours), _NEIGHBOURS_AT_ONCE):
            some = self.neighbours[first : first + _NEIGHBOURS_AT_ONCE]
            squared = some.square().sum(dim=-1) - 2 * (white @ some.T)
            nearest = torch.minimum(nearest, squared.amin(dim=-1))
        return (own + nearest).clamp(min=0).sqrt()
