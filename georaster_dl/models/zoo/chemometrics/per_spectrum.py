"""Base of the fitted methods: every pixel's spectrum by itself, in double precision."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from georaster_dl.models.zoo.spectral.layers import block_pixels, in_blocks

__all__ = ["PerSpectrum"]


class PerSpectrum(nn.Module, ABC):
    """Base of networks whose parameters are buffers, filled by a fit.

    They compute in double precision, as the methods that they were fitted as, whatever the precision
    of the image: autocast leaves doubles alone.

    Parameters
    ----------
    values : values for each pixel in the widest step.

    Attributes
    ----------
    stride : total down-sampling, 1.
    pixels_at_once : pixels that are computed together, whatever the size of the image.
    ending : what planes (N, planes, rows, cols) go through at last: nothing, or the projection onto fractions.
    """

    def __init__(self, *, values: int) -> None:
        super().__init__()
        self.stride = 1
        self.ending: nn.Module = nn.Identity()
        self.pixels_at_once = block_pixels(values)

    def forward(self, image: Tensor) -> Tensor:
        """Planes (N, planes, rows, cols) of an image (N, bands, rows, cols)."""
        return in_blocks(self._planes, image, pixels=self.pixels_at_once).to(image.dtype)

    def _planes(self, image: Tensor) -> Tensor:
        planes = self.planes(image.movedim(1, 3).flatten(0, 2).double())
        n, _, rows, cols = image.shape
        ended: Tensor = self.ending(planes.reshape(n, rows, cols, planes.shape[1]).movedim(3, 1))
        return ended

    @abstractmethod
    def planes(self, spectra: Tensor) -> Tensor:
        """Planes (n, planes) of normalised spectra (n, bands), both float64."""
