"""Simple texture about a pixel: means, spreads and edges over the valid pixels of windows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["Texture"]

_LEAST_PIXELS = 0.5  # of a window: fewer than one is none


class Texture(nn.Module):
    """Normalised bands of a pixel, and the texture about it where there are windows.

    A network sees no mask: pixels that are invalid, beyond the scene or of another part enter as 0 in all bands, the
    training mean, so a pixel of zeros counts as one. It adds nothing to any window. All is computed in double
    precision and rounded to float32 at last, so values hang on no tile.

    Parameters
    ----------
    bands : planes of an image.
    windows : odd sides in pixels; none for the bands alone.
    components : principal components whose texture is taken.

    Attributes
    ----------
    axes, centre : (components, bands) and (components,) that give a normalised spectrum's components.
    reach : pixels of context on each side.
    planes : planes that come out: bands, components, edges of the first component; of each window the mean and
        the standard deviation of each component, and the mean of the edges.
    """

    axes: Tensor
    centre: Tensor

    def __init__(self, bands: int, windows: Sequence[int], components: int) -> None:
        super().__init__()
        self.windows = tuple(windows)
        self.reach = max(windows) // 2 + 1 if windows else 0
        texture = components + 1 + len(windows) * (2 * components + 1)
        self.planes = bands + (texture if windows else 0)
        self.register_buffer("axes", torch.zeros(components if windows else 0, bands))
        self.register_buffer("centre", torch.zeros(components if windows else 0))

    def forward(self, image: Tensor) -> Tensor:
        """Compute the planes (N, planes, rows, cols), float32, of an image (N, bands, rows + 2 reach, cols + 2 reach)."""
        if not self.windows:
            return image.float()
        valid = (image != 0).any(1, keepdim=True).double()
        spectra = image.double().movedim(1, 3)
        components = (spectra @ self.axes.double().T - self.centre.double()).movedim(3, 1) * valid
        edges = _edges(components[:, :1], valid)
        planes = [_inner(image, self.reach), _inner(components, self.reach)]
        planes.append(_inner(edges, self.reach - 1))
        for side in self.windows:
            beyond = self.reach - side // 2
            near = _inner(valid, beyond)
            count = _sums(near, side).clamp(min=_LEAST_PIXELS)
            of_window = _inner(components, beyond)
            mean = _sums(of_window, side) / count
            square = _sums(of_window.square(), side) / count
            edge = _sums(_inner(edges, beyond - 1) * near, side) / count
            planes += [mean, (square - mean.square()).clamp(min=0).sqrt(), edge]
        return torch.cat([plane.float() for plane in planes], 1)


def _inner(planes: Tensor, margin: int) -> Tensor:
    """Planes without a margin of pixels."""
    rows, cols = planes.shape[2:]
    return planes[:, :, margin : rows - margin, margin : cols - margin]


def _sums(planes: Tensor, side: int) -> Tensor:
    """Sums over windows within the planes, (N, planes, rows - side + 1, cols - side + 1)."""
    for axis in (2, 3):
        planes = _line_sums(planes, side, axis)
    return planes


def _line_sums(planes: Tensor, side: int, axis: int) -> Tensor:
    """Sums of ``side`` neighbours along an axis, each added up in the same order everywhere."""
    n = planes.shape[axis] - side + 1
    total = planes.new_zeros(())
    # Sums of 1, 2, 4, ... neighbours, of which those are added that the binary digits of the side name.
    doubled, first = planes, 0
    for digit in range(side.bit_length()):
        width = 2**digit
        if side & width:
            total = total + doubled.narrow(axis, first, n)
            first += width
        if 2 * width <= side:
            length = doubled.shape[axis] - width
            doubled = doubled.narrow(axis, 0, length) + doubled.narrow(axis, width, length)
    return total


def _edges(plane: Tensor, valid: Tensor) -> Tensor:
    """Size of the gradient (N, 1, rows - 2, cols - 2), along an axis 0 where a neighbour is invalid."""
    squares = plane.new_zeros(())
    for axis in (2, 3):
        across = 5 - axis
        n, other = plane.shape[axis], plane.shape[across]
        line, known = (each.narrow(across, 1, other - 2) for each in (plane, valid))
        both = known.narrow(axis, 2, n - 2) * known.narrow(axis, 0, n - 2)
        slope = (line.narrow(axis, 2, n - 2) - line.narrow(axis, 0, n - 2)) * both
        squares = squares + slope.square()
    return squares.sqrt()
