"""PLS and a small network beside it: a linear path, and two branches of dense layers."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from georaster_dl.models.zoo.spectral.layers import PerPixel, pixel_head

__all__ = ["PLSNet"]

_DENSE = (64, 32)  # of a branch
_BRANCHES = 2


class PLSNet(nn.Module):
    """PLS of a pixel's spectrum with dense layers beside it; a network of our own.

    Trained on tables, the linear path is PLS and stays so, one branch of dense layers learns its
    residuals, and the other learns the target from the start; ``blend`` then weighs both predictions
    by their merit (stacking, Wolpert 1992). Where nothing is better than PLS, PLS is left, and its
    linear relation continues beyond the training's range. On images all learn together, from random
    weights.

    Parameters
    ----------
    in_bands, planes : planes in and out.
    decoder_dropout : share of the features that is dropped in training, before the last layer.

    Attributes
    ----------
    stride : total down-sampling, 1.
    feature_layer : name of the part whose output are the features: the planes of the linear path,
        then the last dense layers after ELU.
    """

    feature_layer = "decoder"

    def __init__(self, in_bands: int, planes: int, *, decoder_dropout: float = 0.0) -> None:
        super().__init__()
        self.stride = 1
        paths = _Paths(in_bands, planes)
        self.encoder = PerPixel(paths, values=in_bands)
        self.decoder = nn.Identity()
        self.segmentation_head = pixel_head(paths.features, planes, decoder_dropout)

    def forward(self, image: Tensor) -> Tensor:
        """Planes (N, planes, rows, cols) of an image (N, bands, rows, cols)."""
        planes: Tensor = self.segmentation_head(self.decoder(self.encoder(image)))
        return planes

    def linear(self, spectra: Tensor) -> Tensor:
        """Compute the planes (n, planes) of normalised spectra (n, bands) by the linear path."""
        planes: Tensor = self._paths.linear(spectra)
        return planes

    def branches(self, spectra: Tensor) -> tuple[Tensor, Tensor]:
        """Compute planes (n, planes) of normalised spectra (n, bands): residuals of the linear path, and the target."""
        last, dropout = self._last, list(self.segmentation_head)[:-1]
        weights = last.weight[:, last.out_channels :, 0, 0].chunk(_BRANCHES, 1)
        planes = []
        for branch, weight in zip(self._paths.branches, weights, strict=True):
            features = nn.Sequential(branch, *dropout)(spectra)
            planes.append(functional.linear(features, weight, last.bias))
        return planes[0], planes[1]

    @torch.no_grad()
    def start_from(self, coefficients: Tensor, intercepts: Tensor) -> None:
        """Become a linear model, which stays as it is while the branches learn.

        Parameters
        ----------
        coefficients : (planes, bands) of normalised spectra.
        intercepts : (planes,).
        """
        linear = self._paths.linear
        linear.weight.copy_(coefficients)
        linear.bias.copy_(intercepts)
        linear.requires_grad_(False)
        for weight in self._last.parameters():
            weight.zero_()
        self._pass_linear(1.0)

    @torch.no_grad()
    def blend(self, share: float) -> None:
        """Make the planes a weighted mean: of linear path with residuals, and of the other branch.

        Parameters
        ----------
        share : weight of the first, 0 to 1.
        """
        self._pass_linear(share)
        residuals, target = self._last.weight[:, self._last.out_channels :].chunk(_BRANCHES, 1)
        residuals.mul_(share)
        target.mul_(1 - share)

    def _pass_linear(self, share: float) -> None:
        planes = self._last.out_channels
        self._last.weight[:, :planes, 0, 0] = share * torch.eye(planes)

    @property
    def _paths(self) -> _Paths:
        return cast("_Paths", self.encoder.body)

    @property
    def _last(self) -> nn.Conv2d:
        return cast("nn.Conv2d", self.segmentation_head[-1])


class _Paths(nn.Module):
    """From (pixels, bands, 1) to the planes of the linear path and the features of each branch."""

    def __init__(self, in_bands: int, planes: int) -> None:
        super().__init__()
        wide, narrow = _DENSE
        self.linear = nn.Linear(in_bands, planes)
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Linear(in_bands, wide), nn.ELU(), nn.Linear(wide, narrow), nn.ELU())
            for _ in range(_BRANCHES)
        )
        self.features = planes + _BRANCHES * narrow

    def forward(self, pixels: Tensor) -> Tensor:
        spectra = pixels[:, :, 0]
        return torch.cat([path(spectra) for path in (self.linear, *self.branches)], 1)
