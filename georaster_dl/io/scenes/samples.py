"""A few windows of a scene, to judge it by without reading it all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.scenes.scene import Scene, SceneReader

__all__ = ["read_windows", "sample_pixels", "spread_windows"]

_ALONG = 5  # windows along each side
_SIDE = 64  # pixels


def spread_windows(shape: tuple[int, int]) -> list[tuple[slice, slice]]:
    """List at most 25 windows (rows, cols) of at most 64 x 64 pixels, spread evenly over a raster."""
    rows, cols = (_spread(length) for length in shape)
    return [(r, c) for r in rows for c in cols]


def _spread(n: int) -> list[slice]:
    size = min(_SIDE, n)
    starts = np.linspace(0, n - size, _ALONG).astype(int)
    return [slice(start, start + size) for start in dict.fromkeys(starts.tolist())]


def read_windows(scene: Scene) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]]:
    """Read stored values (bands, rows, cols) and valid mask (rows, cols) of those windows."""
    with gdal_environment(), SceneReader(scene) as reader:
        for rows, cols in spread_windows(scene.shape):
            yield reader.read(rows, cols)


def sample_pixels(scene: Scene) -> npt.NDArray[Any]:
    """Read the stored values (bands, pixels) of all valid pixels in those windows."""
    return np.concatenate([stored[:, valid] for stored, valid in read_windows(scene)], axis=1)
