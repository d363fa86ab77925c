"""Class scores, borders of the map and features of every pixel, in one pass of a network."""

from __future__ import annotations

import torch
from torch import Tensor

from georaster_dl.models.runtime.features import FeatureNetwork

__all__ = ["ScoredFeatures"]


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


def _borders(classes: Tensor) -> Tensor:
    """Mark pixels (N, 1, rows, cols) with a neighbour, of four, of another class."""
    down = classes[:, :, 1:] != classes[:, :, :-1]
    across = classes[..., 1:] != classes[..., :-1]
    pad = torch.nn.functional.pad
    below, above = pad(down, (0, 0, 0, 1)), pad(down, (0, 0, 1, 0))
    return below | above | pad(across, (0, 1)) | pad(across, (1, 0))
