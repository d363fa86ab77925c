"""Output raster of a run, written block by block and styled; an extra may fail without the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy.typing as npt
from odc.geo.gcp import GCPGeoBox
from odc.geo.geobox import GeoBox

from georaster_dl.io.output.staging import Staging
from georaster_dl.io.output.writer import RasterSpec, RasterWriter

__all__ = ["Sink", "StagedRaster", "finish_rasters"]

Sink = Callable[[slice, slice, npt.NDArray[Any]], None]
"""Takes (bands, rows, cols) of final pixels at these rows and cols of the scene."""


class StagedRaster:
    """Writer of an output of ``stage``; as a context manager it aborts an unfinished raster.

    Parameters
    ----------
    output : one of the outputs of ``stage``. Where it is an extra one, no error comes from here: it is
        given up, and blocks that still come are dropped.
    geobox, spec : as ``RasterWriter`` takes them.
    style : given the finished file, makes programs show it with names and colours.
    beside : rasters begun before, the main one among them: an extra one is begun only where the disk
        has room for all, or it would take the room of the main one.

    Raises
    ------
    OutputError
        Where it is a main output, as ``RasterWriter`` raises it.
    """

    def __init__(
        self,
        stage: Staging,
        output: Path,
        geobox: GeoBox | GCPGeoBox,
        spec: RasterSpec,
        style: Callable[[Path], None],
        beside: Iterable[StagedRaster] = (),
    ) -> None:
        self._stage, self._output, self._style = stage, output, style
        self._writer: RasterWriter | None = None
        if not stage.gave_up(output):
            with stage.making(output) as path:
                reserved = sum(one.room_on(path) for one in beside)
                self._writer = RasterWriter(path, geobox, spec=spec, reserved=reserved)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.abort()

    def room_on(self, path: Path) -> int:
        """Return the bytes that this raster needs on the disk of ``path``."""
        here = self._stage.path(self._output).parent.stat().st_dev
        same = here == path.parent.stat().st_dev
        return self._writer.room if self._writer is not None and same else 0

    def write(self, rows: slice, cols: slice, block: npt.NDArray[Any]) -> None:
        """Write one block, as ``RasterWriter.write`` does."""
        self._do(lambda writer: writer.write(rows, cols, block))

    def finish(self) -> None:
        """Complete the raster and style it; a style that fails costs nothing else."""
        self._do(RasterWriter.finish)
        if self._writer is not None:
            self._writer = None
            with self._stage.styling(self._output):
                self._style(self._stage.path(self._output))

    def _do(self, step: Callable[[RasterWriter], object]) -> None:
        if self._writer is None:
            return
        with self._stage.making(self._output):
            try:
                step(self._writer)
            except BaseException:
                # First, as only a closed file gives its room back.
                self._writer.abort()
                self._writer = None
                raise


def finish_rasters(rasters: list[StagedRaster]) -> None:
    """Finish rasters, the last first: the main one then has the room that the others no longer need."""
    for raster in reversed(rasters):
        raster.finish()
