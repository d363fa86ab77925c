"""Novelty of every pixel as one more channel of a network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from georaster_dl.models.contract import network_stride
from georaster_dl.models.novelty.detector import Detector
from georaster_dl.models.package.values import InputBand

__all__ = ["NoveltyNetwork"]


class NoveltyNetwork(nn.Module):
    """A network with the novelty of its input as one more channel of its output.

    Parameters
    ----------
    network : of normalised images.
    bands : that it reads, with the means and deviations that images are normalised by.
    detector : of some of these bands.

    Attributes
    ----------
    stride : total down-sampling of the network.
    """

    whiten: Tensor
    shift: Tensor
    constants: Tensor
    places: Tensor

    def __init__(self, network: nn.Module, bands: Sequence[InputBand], detector: Detector) -> None:
        super().__init__()
        self.network = network
        self.stride = network_stride(network)
        self._unit = detector.unit
        names = [band.name for band in bands]
        places = [names.index(name) for name in detector.names]
        mean = torch.tensor([bands[i].mean for i in places], dtype=torch.float64)
        std = torch.tensor([bands[i].std for i in places], dtype=torch.float64)
        matrices, constants = (torch.from_numpy(each) for each in detector.mixture.whitening)
        means = torch.from_numpy(detector.mixture.means)
        # Normalised values are physical ones less the mean, over the deviation.
        shift = torch.einsum("kij,kj->ki", matrices, mean - means)
        for name, tensor in (
            ("whiten", (matrices * std).float()),
            ("shift", shift.float()),
            ("constants", constants.float()),
            ("places", torch.tensor(places)),
        ):
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, image: Tensor, *place: object) -> Tensor:
        """(N, channels + 1, rows, cols) of a normalised image (N, bands, rows, cols).

        ``place`` is handed on to the network.
        """
        output: Tensor = self.network(image, *place)
        # Squares of small differences have no digits left in half precision.
        with torch.autocast(image.device.type, enabled=False):
            novelty = self._distance(image.float()).div_(self._unit)
        return torch.cat([output.float(), novelty], dim=1)

    def _distance(self, image: Tensor) -> Tensor:
        """Distance (N, 1, rows, cols) from the nearest cluster, one cluster at a time."""
        image = image[:, self.places]
        nearest: Tensor | None = None
        for whiten, shift, constant in zip(self.whiten, self.shift, self.constants, strict=True):
            white = nn.functional.conv2d(image, whiten[..., None, None], shift)
            squared = white.square_().sum(dim=1, keepdim=True).add_(constant)
            nearest = squared if nearest is None else torch.minimum(nearest, squared)
        if nearest is None:
            raise ValueError("A mixture has at least one cluster.")
        return nearest.sqrt_()
