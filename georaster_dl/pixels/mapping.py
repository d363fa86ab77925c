"""Maps of a function from the values of single pixels to the channels of rasters."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.io.output.staging import Staging
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.pixels.inputs.strips import no_valid_pixel, read_strips
from georaster_dl.predict.outputs.output_raster import OutputRaster, raster_sinks
from georaster_dl.predict.progress import Progress

__all__ = ["ChannelRaster", "channel", "in_threads", "map_pixels"]

_CHUNK = 16_384  # pixels: enough to keep a thread busy, few enough for all their distances

Predict = Callable[[npt.NDArray[np.float32]], Sequence[npt.NDArray[Any]]]
"""Takes values (pixels, bands); gives channels, each (pixels,)."""
ChannelRaster = OutputRaster[Sequence[npt.NDArray[Any]]]


def channel(index: int) -> Callable[[Sequence[npt.NDArray[Any]]], npt.NDArray[Any]]:
    """Make the function that takes one channel as the only band of a raster."""
    return lambda channels: channels[index][None]


def map_pixels(
    scene: Scene,
    predict: Predict,
    rasters: Mapping[Path, ChannelRaster],
    stage: Staging,
    tags: Mapping[str, str],
    progress: Progress,
) -> None:
    """Predict every valid pixel and write rasters; invalid pixels are nodata in all of them.

    Parameters
    ----------
    rasters : by the outputs of ``stage`` that they become, the main one first.
    tags : provenance, for all of them.

    Raises
    ------
    GeoRasterError
        When the scene cannot be read, or has no valid pixel, or an output cannot be written.
    """
    whole, pixels = slice(0, scene.shape[1]), 0
    with raster_sinks(stage, scene, rasters, tags) as sinks:
        for strip in read_strips(scene):
            if len(strip.values):
                pixels += len(strip.values)
                channels = in_threads(predict, strip.values)
                for raster, sink in zip(rasters.values(), sinks, strict=True):
                    bands = raster.render(channels)
                    shape = (len(bands), *strip.valid.shape)
                    block = np.full(shape, raster.spec.nodata, raster.spec.dtype)
                    block[:, strip.valid] = bands
                    sink(strip.rows, whole, block)
            progress(strip.valid.size)
        if not pixels:
            raise no_valid_pixel(scene)


def in_threads(predict: Predict, values: npt.NDArray[np.float32]) -> tuple[npt.NDArray[Any], ...]:
    """Compute the channels of values (pixels, bands) on all cores, piece by piece."""
    pieces = [values[first : first + _CHUNK] for first in range(0, len(values), _CHUNK)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        outputs = list(pool.map(predict, pieces))
    return tuple(np.concatenate(columns) for columns in zip(*outputs, strict=True))
