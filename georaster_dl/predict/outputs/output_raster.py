"""Rasters that a run writes of the channels of a network, a classifier or a clustering."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from georaster_dl.core.legend import Legend
from georaster_dl.io.output.staged_raster import Sink, StagedRaster, finish_rasters
from georaster_dl.io.output.staging import Staging
from georaster_dl.io.output.view_style import style_by_values
from georaster_dl.io.output.writer import RasterSpec
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.render.qml import write_class_style

__all__ = ["ClassCounts", "OutputRaster", "class_raster", "raster_sinks", "value_raster"]

T = TypeVar("T")
Block = npt.NDArray[Any]


def ignore(_block: Block) -> None:
    """Drop a block."""


@dataclass(frozen=True)
class OutputRaster(Generic[T]):
    """One raster of a run, with the function that makes its bands of the channels of a block.

    Attributes
    ----------
    spec : how it is stored, but for what all rasters of a run share; its nodata is the value where
        nothing was measured or no prediction was asked for.
    render : channels that were computed of a block to the raster's bands, in memory of their own.
    style : given the finished file, makes programs show it with names and colours.
    seen : called with each finished block (bands, rows, cols).
    from_logits : whether ``render`` gives the same of a network's output without its activation,
        which is then spared.
    """

    spec: RasterSpec
    render: Callable[[T], Any]
    style: Callable[[Path], None]
    seen: Callable[[Block], None] = ignore
    from_logits: bool = False


class ClassCounts:
    """Numbers of pixels of each class in the blocks of a map."""

    def __init__(self, legend: Legend) -> None:
        self.legend = legend
        self._counts = np.zeros(legend.nodata + 1, np.int64)

    def add(self, block: Block) -> None:
        """Count the pixels of a block."""
        self._counts += np.bincount(block.ravel(), minlength=self._counts.size)

    def by_name(self) -> dict[str, int]:
        """Give the pixels of each class by its name."""
        return {entry.name: int(self._counts[entry.value]) for entry in self.legend.classes}


def class_raster(
    spec: RasterSpec, render: Callable[[T], Any], counts: ClassCounts, *, from_logits: bool = False
) -> OutputRaster[T]:
    """Make a map of classes that is shown in the colours of its legend and counted."""
    style = partial(write_class_style, legend=counts.legend)
    return OutputRaster(spec, render, style, counts.add, from_logits)


def value_raster(
    spec: RasterSpec, render: Callable[[T], Any], seen: Callable[[Block], None] = ignore
) -> OutputRaster[T]:
    """Make a raster of quantities that is shown from dark to bright."""
    return OutputRaster(spec, render, style_by_values, seen)


@contextmanager
def raster_sinks(
    stage: Staging,
    scene: Scene,
    rasters: Mapping[Path, OutputRaster[T]],
    tags: Mapping[str, str],
) -> Iterator[list[Sink]]:
    """Open the rasters on the scene's grid, and finish them together when the block ends well.

    Parameters
    ----------
    rasters : by the outputs of ``stage`` that they become, the main one first.
    tags : provenance, written to all of them.

    Yields
    ------
    A sink for each raster.
    """
    with ExitStack() as stack:
        writers: list[StagedRaster] = []
        for path, raster in rasters.items():
            spec = replace(raster.spec, tags={**tags, **raster.spec.tags}, rpcs=scene.rpcs)
            writer = StagedRaster(stage, path, scene.geobox, spec, raster.style, list(writers))
            writers.append(stack.enter_context(writer))
        yield [
            partial(_take, raster, writer)
            for raster, writer in zip(rasters.values(), writers, strict=True)
        ]
        finish_rasters(writers)


def _take(
    raster: OutputRaster[T], writer: StagedRaster, rows: slice, cols: slice, block: Block
) -> None:
    raster.seen(block)
    writer.write(rows, cols, block)
