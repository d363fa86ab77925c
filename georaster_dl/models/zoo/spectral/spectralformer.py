"""A transformer whose tokens are the bands of a pixel, each together with its neighbours.

Written from the description of Hong et al. (2022).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from georaster_dl.core.errors import OptionError
from georaster_dl.models.zoo.spectral.layers import PerPixel, PlaneNorm, Transformer, pixel_head

__all__ = ["PatchSpectralFormer", "SpectralFormer"]

_WIDTH = 64
_DEPTH = 5
_HEADS = 4
_HIDDEN = 8
_SKIPPED = 2  # a block also gets what entered the block so many before it


class SpectralFormer(nn.Module):
    """Classifier of a pixel's spectrum.

    Parameters
    ----------
    in_bands, n_classes : planes in and out.
    group : bands that each token sees, around its own; beyond the first and the last band these
        are repeated.
    patch : rows and cols around the pixel that each token sees, odd.
    fusion : whether the later blocks also see what entered two blocks before. Most of the weights
        are those of the fusion: 2 (bands + 1)^2 for each.
    dropout : share that is dropped in training, of tokens.
    decoder_dropout : share of the features that is dropped in training, before the last layer.

    Attributes
    ----------
    stride : total down-sampling, 1.
    feature_layer : name of the part whose output are the features, the class token normalised.

    Raises
    ------
    OptionError
        When the side of the patch is even.
    """

    feature_layer = "decoder"

    def __init__(
        self,
        in_bands: int,
        n_classes: int,
        *,
        group: int = 3,
        patch: int = 1,
        fusion: bool = True,
        dropout: float = 0.1,
        decoder_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if patch % 2 == 0:
            raise OptionError(
                f"The architecture 'spectralformer' needs a pixel in the middle of its patch, but got "
                f"patch={patch}; use {patch - 1} or {patch + 1}."
            )
        self.stride = 1
        seen = group * patch**2
        embedding = _Embedding(in_bands, group, seen, dropout)
        body = nn.Sequential(embedding, _Blocks(in_bands + 1, fusion=fusion, dropout=dropout))
        values = (in_bands + 1) * max(3 * _WIDTH, seen)
        self.encoder = PerPixel(body, values=values, patch=patch)
        self.decoder = PlaneNorm(_WIDTH)
        self.segmentation_head = pixel_head(_WIDTH, n_classes, decoder_dropout)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (N, classes, rows, cols) of an image (N, bands, rows, cols)."""
        logits: Tensor = self.segmentation_head(self.decoder(self.encoder(image)))
        return logits


class PatchSpectralFormer(SpectralFormer):
    """Classifier of the middle pixel of a patch, run on every pixel.

    Parameters and attributes are those of ``SpectralFormer``.

    Attributes
    ----------
    patch : rows and cols of a patch.
    """

    def __init__(
        self,
        in_bands: int,
        n_classes: int,
        *,
        group: int = 3,
        patch: int = 7,
        fusion: bool = True,
        dropout: float = 0.1,
        decoder_dropout: float = 0.0,
    ) -> None:
        super().__init__(
            in_bands,
            n_classes,
            group=group,
            patch=patch,
            fusion=fusion,
            dropout=dropout,
            decoder_dropout=decoder_dropout,
        )
        self.patch = patch

    def forward(self, image: Tensor) -> Tensor:
        """Logits (N, classes, rows, cols) of an image (N, bands, rows, cols).

        Beyond the image everything is 0, the mean of the normalised bands.
        """
        return self.centre(nn.functional.pad(image, 4 * (self.patch // 2,)))

    def centre(self, patches: Tensor) -> Tensor:
        """Logits (N, classes, 1, 1) of the middle pixels of patches (N, bands, patch, patch)."""
        return super().forward(patches)


class _Embedding(nn.Module):
    """From (pixels, bands, patch * patch) to a class token and a token for each band."""

    neighbours: Tensor

    def __init__(self, in_bands: int, group: int, seen: int, dropout: float) -> None:
        super().__init__()
        around = torch.arange(group) - group // 2
        neighbours = (torch.arange(in_bands)[:, None] + around).clamp(0, in_bands - 1)
        self.register_buffer("neighbours", neighbours, persistent=False)
        self.projection = nn.Linear(seen, _WIDTH)
        self.class_token = nn.Parameter(0.02 * torch.randn(1, 1, _WIDTH))
        self.positions = nn.Parameter(0.02 * torch.randn(in_bands + 1, _WIDTH))
        self.dropout = nn.Dropout(dropout)

    def forward(self, pixels: Tensor) -> Tensor:
        bands = self.projection(pixels[:, self.neighbours].flatten(2))
        first = self.class_token.to(bands.dtype).expand(len(bands), -1, -1)
        tokens: Tensor = self.dropout(torch.cat([first, bands], 1) + self.positions)
        return tokens


class _Blocks(nn.Module):
    """From tokens to the class token (pixels, width)."""

    def __init__(self, tokens: int, *, fusion: bool, dropout: float) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            Transformer(_WIDTH, heads=_HEADS, hidden=_HIDDEN, dropout=dropout, bias=False)
            for _ in range(_DEPTH)
        )
        # Each value of a token is mixed with those of the others, as channels are by a 1 x 1 convolution.
        fused = _DEPTH - _SKIPPED if fusion else 0
        self.fusions = nn.ModuleList(nn.Conv1d(2 * tokens, tokens, 1) for _ in range(fused))

    def forward(self, tokens: Tensor) -> Tensor:
        entered: list[Tensor] = []
        for number, block in enumerate(self.blocks):
            entered.append(tokens)
            if self.fusions and number >= _SKIPPED:
                before = number - _SKIPPED
                tokens = self.fusions[before](torch.cat([tokens, entered[before]], 1))
            tokens = block(tokens)
        return tokens[:, 0]
