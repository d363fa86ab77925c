"""Class scores, borders of the map and features of every pixel, in one pass of a network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from georaster_dl.models.contract import network_stride
from georaster_dl.models.runtime.features import FeatureNetwork

__all__ = ["SampledFeatures", "ScoredFeatures", "feature_layer_of"]


class ScoredFeatures(FeatureNetwork):
    """A network that gives, behind its class scores, the borders of its map and its features.

    Borders are found here, and not in finished blocks, because a tile's context shows the neighbours
    of its outermost pixels.
    """

    def forward(self, image: Tensor) -> Tensor:
        """(N, classes + 1 + features, rows, cols) of a normalised image (N, bands, rows, cols)."""
        features, scores = self.watched(image)
        border = _borders(scores.argmax(dim=1, keepdim=True))
        return torch.cat([scores.float(), border.float(), features.float()], dim=1)


class SampledFeatures(nn.Module):
    """Sums over several passes with the borders of the map, and the features of one pass more.

    Parameters
    ----------
    sampled : gives mean probabilities and two further sums of images at a place, as ``ClassSums``.
    single : gives the features.
    """

    def __init__(self, sampled: nn.Module, single: FeatureNetwork) -> None:
        super().__init__()
        self.sampled, self.single = sampled, single
        self.features = single.features
        self.stride = network_stride(sampled)

    def forward(self, image: Tensor, *place: object) -> Tensor:
        """(N, classes + 2 + 1 + features, rows, cols) of normalised images (N, bands, rows, cols)."""
        sums: Tensor = self.sampled(image, *place)
        border = _borders(sums[:, :-2].argmax(dim=1, keepdim=True))
        return torch.cat([sums, border.float(), self.single(image).float()], dim=1)


def feature_layer_of(network: nn.Module) -> str | None:
    """Choose the layer of features: the last of a fitted classifier, None for the network's own."""
    return "ending" if getattr(network, "fitted", False) else None


def _borders(classes: Tensor) -> Tensor:
    """Mark pixels (N, 1, rows, cols) with a neighbour, of four, of another class."""
    down = classes[:, :, 1:] != classes[:, :, :-1]
    across = classes[..., 1:] != classes[..., :-1]
    pad = torch.nn.functional.pad
    below, above = pad(down, (0, 0, 0, 1)), pad(down, (0, 0, 1, 0))
    return below | above | pad(across, (0, 1)) | pad(across, (1, 0))
