"""From what is learnt of pixels to rasters: strips in, blocks out."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import SceneError
from georaster_dl.core.legend import Legend
from georaster_dl.io.output.staged_raster import StagedRaster, finish_rasters
from georaster_dl.io.output.staging import Staging
from georaster_dl.io.output.view_style import style_by_values
from georaster_dl.io.output.writer import RasterSpec
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.pixels.inputs.strips import read_strips
from georaster_dl.predict.progress import Progress
from georaster_dl.render.qml import write_class_style

__all__ = [
    "Layer",
    "class_counts",
    "class_layer",
    "in_threads",
    "no_valid_pixel",
    "value_layer",
    "write_layers",
]

_CHUNK = 16_384  # pixels: enough to keep a thread busy, few enough for all their distances

Predict = Callable[[npt.NDArray[np.float32]], Sequence[npt.NDArray[Any]]]
"""Takes values (pixels, bands); gives for each layer what it holds there, (pixels,)."""


@dataclass(frozen=True)
class Layer:
    """One raster to make.

    Attributes
    ----------
    path : where it will be in the end.
    style : given the finished file, makes programs show it with names and colours.
    """

    path: Path
    spec: RasterSpec
    style: Callable[[Path], None]


def class_layer(path: Path, legend: Legend, name: str) -> Layer:
    """A map of classes; ``name`` describes its band."""
    spec = RasterSpec([name], legend.dtype, legend.nodata, "mode", legend=legend)
    return Layer(path, spec, lambda file: write_class_style(file, legend))


def value_layer(path: Path, name: str) -> Layer:
    """A float32 raster of a quantity, NaN where nothing was measured."""
    return Layer(path, RasterSpec([name], "float32", math.nan, "average"), style_by_values)


def write_layers(
    scene: Scene,
    layers: Sequence[Layer],
    predict: Predict,
    stage: Staging,
    tags: Mapping[str, str],
    progress: Progress,
) -> npt.NDArray[np.int64]:
    """Predict every valid pixel and write the layers; invalid pixels are nodata in all of them.

    Parameters
    ----------
    layers : rasters to make, a map of classes first.
    tags : provenance, for all of them.

    Returns
    -------
    Pixels of each value of the map, by value.

    Raises
    ------
    GeoRasterError
        When the scene cannot be read, or has no valid pixel, or an output cannot be written.
    """
    counts = np.zeros(np.iinfo(layers[0].spec.dtype).max + 1, np.int64)
    with ExitStack() as stack:
        writers: list[StagedRaster] = []
        for layer in layers:
            spec = replace(layer.spec, tags=tags, rpcs=scene.rpcs)
            writer = StagedRaster(stage, layer.path, scene.geobox, spec, layer.style, writers)
            writers.append(stack.enter_context(writer))
        for strip in read_strips(scene):
            if len(strip.values):
                found = in_threads(predict, strip.values)
                for writer, layer, values in zip(writers, layers, found, strict=True):
                    block = np.full(strip.valid.shape, layer.spec.nodata, layer.spec.dtype)
                    block[strip.valid] = values
                    writer.write(strip.rows, slice(0, scene.shape[1]), block[None])
                counts += np.bincount(found[0], minlength=counts.size)
            progress(strip.valid.size)
        if not counts.any():
            raise no_valid_pixel(scene)
        finish_rasters(writers)
    return counts


def in_threads(predict: Predict, values: npt.NDArray[np.float32]) -> tuple[npt.NDArray[Any], ...]:
    """What ``predict`` gives for values (pixels, bands), computed on all cores piece by piece."""
    pieces = [values[first : first + _CHUNK] for first in range(0, len(values), _CHUNK)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(predict, pieces))
    return tuple(np.concatenate(columns) for columns in zip(*found, strict=True))


def class_counts(legend: Legend, counts: npt.NDArray[np.int64]) -> dict[str, int]:
    """Pixels of each class by name, from pixels by value."""
    return {entry.name: int(counts[entry.value]) for entry in legend.classes}


def no_valid_pixel(scene: Scene) -> SceneError:
    """The error for a scene without anything to map."""
    return SceneError(
        f"{scene.name} has no valid pixel: all are nodata, NaN or masked in some band; check `nodata=`, "
        f"`bands=` and `mask=`."
    )
