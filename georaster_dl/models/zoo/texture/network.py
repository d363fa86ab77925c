"""Classifiers of a pixel's spectrum and texture as networks of images."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from georaster_dl.models.zoo.chemometrics.per_spectrum import PerSpectrum
from georaster_dl.models.zoo.spectral.layers import block_pixels, in_blocks
from georaster_dl.models.zoo.texture.features import Texture

__all__ = ["TexturedPixels"]


class TexturedPixels(nn.Module):
    """A fitted classifier behind the texture that it was fitted on.

    Parameters
    ----------
    texture : from bands to the planes that are classified.
    classifier : of each pixel's planes.

    Attributes
    ----------
    stride : total down-sampling, 1.
    fitted : True; it has no features of its own.
    ending : what planes go through at last, as in ``PerSpectrum``.
    """

    def __init__(self, texture: Texture, classifier: PerSpectrum) -> None:
        super().__init__()
        self.stride = 1
        self.fitted = True
        self.texture = texture
        self.classifier = classifier
        self.ending: nn.Module = nn.Identity()
        self._pixels_at_once = block_pixels(2 * texture.planes)

    def forward(self, image: Tensor) -> Tensor:
        """Compute the planes (N, planes, rows, cols) of an image (N, bands, rows, cols)."""
        reach = self.texture.reach
        around = functional.pad(image, (reach, reach, reach, reach))
        planes = in_blocks(self._planes, around, pixels=self._pixels_at_once, reach=reach)
        ended: Tensor = self.ending(planes.to(image.dtype))
        return ended

    def _planes(self, image: Tensor) -> Tensor:
        features = self.texture(image)
        # Comparisons would hide what is not known; it has to show, as in any network.
        planes: Tensor = self.classifier(features) + (features * 0).sum(1, keepdim=True)
        return planes
