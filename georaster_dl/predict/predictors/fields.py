"""Counter-based random numbers of a scene's pixels, independent of the tiling.

A generator that is merely seeded would draw other numbers for every tile, so that each pass would
have seams. Here a number follows from (seed, pass, layer, channel, row, col) by a counter-based
generator (Philox; Salmon et al. 2011), with row and col on the layer's own grid in the whole scene.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["Draw", "kept_share", "normal_field", "over_planes"]

PERIOD = 64
"""Rows and cols after which the numbers of a layer come again."""


class Draw(threading.local):
    """Pass and tile that random numbers are drawn for; shared by the layers of one network.

    Each thread has its own, as several may compute tiles with one network.

    Attributes
    ----------
    seed : of all passes.
    number : of the pass.
    origins : row and col in the scene of each image's first pixel.
    shape : rows and cols of the images.
    """

    def __init__(self, seed: int, number: int = 0) -> None:
        self.seed = seed
        self.number = number
        self.origins: Sequence[tuple[int, int]] = ()
        self.shape = (1, 1)

    def __deepcopy__(self, _memo: object) -> Draw:
        """Itself, as it is another one in each thread."""
        return self

    def key(self, layer: int) -> tuple[int, int]:
        """Key of the counter-based generator of a layer in this pass."""
        return self.seed, self.number << 32 | layer

    def places(self, planes: Tensor) -> Iterator[tuple[int, int]]:
        """Yield each image's origin on the grid of a layer's planes (N, channels, rows, cols)."""
        for row, col in self.origins:
            yield row * planes.shape[2] // self.shape[0], col * planes.shape[3] // self.shape[1]


def kept_share(key: tuple[int, int], channels: int, dropped: float) -> npt.NDArray[np.bool_]:
    """Draw which values dropout keeps.

    Parameters
    ----------
    dropped : probability of a value to be dropped, in steps of 1/65536.

    Returns
    -------
    (PERIOD, PERIOD, channels), True where a value is kept.
    """
    numbers = _raw(key, PERIOD * PERIOD * channels // 4 + 1).view(np.uint16)
    kept = numbers[: PERIOD * PERIOD * channels] >= round(dropped * 2**16)
    return kept.reshape(PERIOD, PERIOD, channels)


def normal_field(key: tuple[int, int], channels: int) -> npt.NDArray[np.float32]:
    """Draw numbers of the standard normal distribution, (PERIOD, PERIOD, channels).

    Box and Muller 1958: numpy promises the bits of its generators for ever, but not what its
    distributions make of them.
    """
    count = PERIOD * PERIOD * channels
    numbers = _raw(key, count).view(np.uint32).reshape(2, count)
    first, second = (numbers + 0.5) / 2.0**32
    drawn: npt.NDArray[np.float64] = np.sqrt(-2 * np.log(first)) * np.cos(2 * np.pi * second)
    return np.asarray(drawn.reshape(PERIOD, PERIOD, channels), np.float32)


def _raw(key: tuple[int, int], count: int) -> npt.NDArray[np.uint64]:
    words: npt.NDArray[np.uint64] = np.random.Philox(key=np.array(key, np.uint64)).random_raw(count)
    return words


def over_planes(
    numbers: Tensor, planes: Tensor, origin: tuple[int, int]
) -> Iterator[tuple[slice, Tensor]]:
    """Cut a field of random numbers to the rows of one image.

    Parameters
    ----------
    numbers : (PERIOD, PERIOD, channels), the first for row 0 and col 0 of the layer's grid in the scene.
    planes : (channels, rows, cols) of an image whose first pixel is at ``origin`` on that grid.

    Yields
    ------
    Rows, at most PERIOD, and the field there as (channels, rows, cols).
    """
    n_rows, n_cols = planes.shape[1:]
    across = torch.arange(origin[1], origin[1] + n_cols, device=numbers.device) % PERIOD
    # Rolled so that it begins with the image's first row.
    strip = numbers.roll(-(origin[0] % PERIOD), 0)[:, across].permute(2, 0, 1)
    for first in range(0, n_rows, PERIOD):
        rows = slice(first, min(first + PERIOD, n_rows))
        yield rows, strip[:, : rows.stop - first]
