"""Runs of one model over one scene, or over a part of its strips."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.output.staging import Staging
from georaster_dl.io.raster import Raster
from georaster_dl.predict.options import Findings, Summary
from georaster_dl.predict.prepare import PreparedRun

if TYPE_CHECKING:
    from georaster_dl.predict.outputs.rasters import RasterRun

__all__ = ["SceneRun"]


class SceneRun(ABC):
    """A checked run of one model over one scene.

    Parameters
    ----------
    prepared : scene and model, which go together, and the files to write.
    """

    def __init__(self, prepared: PreparedRun) -> None:
        self.prepared = prepared

    def whole(self) -> Summary:
        """Write all files; they appear together at the end, without extra outputs that failed.

        Raises
        ------
        GeoRasterError
            Whatever is wrong with the outputs or the device; nothing is left behind.
        """
        prepared = self.prepared
        prepared.warn()
        with prepared.staged() as stage:
            rasters, paths = self._rasters()
            findings = rasters.run(stage, paths, prepared.journal())
            findings = self._complete(stage, findings)
            summary = prepared.finished(stage, rasters.device.name, findings)
        return replace(summary, files=tuple(stage.made(prepared.files)), failed=stage.failed)

    def in_memory(self) -> dict[str, Raster]:
        """Make the rasters in memory, by their kind; files derived from the map are not made.

        Raises
        ------
        GeoRasterError
            As above.
        """
        self.prepared.warn()
        with gdal_environment():
            rasters, paths = self._rasters()
            return rasters.in_memory(list(paths))

    def part(self, number: int, of: int) -> None:
        """Add part ``number`` of ``of`` of the strips to the journal.

        Raises
        ------
        GeoRasterError
            As above.
        """
        journal = self.prepared.journal()
        if journal is None:
            raise ValueError("A part of a run needs a journal to be kept in.")
        self.prepared.warn()
        with gdal_environment():
            rasters, paths = self._rasters()
            rasters.add_part(journal, list(paths), number, of)

    @abstractmethod
    def _rasters(self) -> tuple[RasterRun, dict[str, Path]]:
        """Make the run of the rasters, and map each raster to its file."""

    def _complete(self, stage: Staging, found: Findings) -> Findings:
        """Finish the staged rasters, write the files that are derived of them, and summarise their contents."""
        return found
