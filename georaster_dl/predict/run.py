"""One model over one scene: the whole of it, or a part of its strips that others complete."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from georaster_dl.io.output.staging import Staging
from georaster_dl.predict.options import Findings, Summary
from georaster_dl.predict.prepare import PreparedRun

if TYPE_CHECKING:
    from georaster_dl.predict.outputs.rasters import RasterRun

__all__ = ["SceneRun"]


class SceneRun(ABC):
    """A run that was found right and can begin.

    Parameters
    ----------
    prepared : scene and model, which go together.
    files : to make, the main one last.
    """

    def __init__(self, prepared: PreparedRun, files: Sequence[Path]) -> None:
        self.prepared = prepared
        self.files = list(files)

    def whole(self) -> Summary:
        """Make all files; they appear at the end, or none does but for extra ones that failed alone.

        Raises
        ------
        GeoRasterError
            Whatever is wrong with the outputs or the device; nothing is left behind.
        """
        with self.prepared.staged(self.files) as stage:
            rasters, paths = self._rasters()
            journal = self.prepared.journal(self.files)
            found = rasters.run(stage, paths, journal)
            self._complete(stage, found)
            summary = self.prepared.finished(stage, self.files, rasters.device.name, found)
        return replace(summary, files=tuple(stage.made(self.files)), failed=stage.failed)

    def part(self, number: int, of: int) -> None:
        """Add one of several equal parts of the strips to the journal.

        Raises
        ------
        GeoRasterError
            As above.
        """
        journal = self.prepared.journal(self.files)
        if journal is None:
            raise ValueError("A part of a run needs a journal to be kept in.")
        with self.prepared.computing():
            rasters, paths = self._rasters()
            rasters.add_part(journal, list(paths), number, of)

    @abstractmethod
    def _rasters(self) -> tuple[RasterRun, dict[str, Path]]:
        """What makes the rasters, and the files that they become."""

    def _complete(self, stage: Staging, found: Findings) -> None:  # noqa: B027 - nothing, for some
        """Make what else is wanted of the staged rasters."""
