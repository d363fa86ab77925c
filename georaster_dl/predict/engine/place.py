"""Places of tiles in their scene, for networks that ask for more than their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """Location of the images of a batch in their scene.

    Attributes
    ----------
    origins : row and col of each image's first pixel in the scene.
    valid : (N, 1, rows, cols), True where the scene has a measurement; the others were filled in.
    """

    origins: Sequence[tuple[int, int]]
    valid: Tensor
