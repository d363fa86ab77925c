"""Staging of the outputs of a run over a scene."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from georaster_dl.core.events import Report, warner
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.output.staging import Staging
from georaster_dl.io.scenes.scene import Scene, source_files

__all__ = ["staged_outputs"]


@contextmanager
def staged_outputs(
    files: Sequence[Path],
    inputs: Sequence[Path | str],
    scene: Callable[[], Scene],
    *,
    overwrite: bool,
    report: Report,
    records: Sequence[Path] = (),
) -> Iterator[Staging]:
    """Stage the outputs of a run, which appear together when the block ends well.

    Parameters
    ----------
    files : to make, the main one last; all others may fail without it.
    inputs : files beside the scene's that no output may replace.
    scene : opens the scene, of which no output may replace a file.
    records : further files that are made with the main one or not at all.

    Raises
    ------
    OutputError
        When an output exists and may not be replaced, cannot be written, or is an input.
    """
    protect = list(inputs)
    # A file that does not exist yet cannot be an input, and listing a remote scene costs requests.
    if any(path.exists() for path in files):
        protect += source_files(scene())
    *extras, main = files
    staging = Staging(
        *records, main, extras=extras, overwrite=overwrite, protect=protect, warn=warner(report)
    )
    with gdal_environment(), staging as stage:
        yield stage
