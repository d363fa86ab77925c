"""Outputs that appear complete or not at all: written in a hidden folder, then moved into place."""

from __future__ import annotations

import errno
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import psutil

from georaster_dl.errors import GeoRasterError, OutputError
from georaster_dl.io.layer_path import file_of

__all__ = ["Staging", "explain_os_error", "remove_abandoned", "require_space"]

# What GDAL, QGIS and this package put beside a raster. After an output was replaced, a sidecar of
# its predecessor would describe pixels that are gone: old names, old statistics, old overviews.
_SIDECARS = ("{name}.aux.xml", "{name}.ovr", "{name}.msk", "{name}.msk.ovr", "{stem}.qml")
_OF_PROCESS = re.compile(r"\.geodl-(.+)-(\d+)-[^-]+")
_RASTERS = {".tif", ".tiff", ".vrt"}
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Staging:
    """Write one or several outputs so that a failed or killed run leaves nothing that looks done.

    Every file is written under its final name into a hidden folder on the same file system, so
    moving it is one rename, and sidecars (``.aux.xml``, ``.qml``) get their right names by
    themselves. Leaving the ``with`` block cleanly moves everything into place, the outputs last;
    leaving it by any exception, Ctrl-C included, removes the folder and touches nothing else::

        with Staging(Path("map.tif"), overwrite=False, protect=["scene.tif"]) as stage:
            write(stage.path(Path("map.tif")))

    Parameters
    ----------
    *outputs : final paths; each must be a different file in an existing, writable folder.
    overwrite : whether an existing output may be replaced.
    protect : inputs of the run, none of which may be an output. Names that are no local file
        (``https://...``, ``/vsizip/...``) are allowed and equal no output; of ``file|layername=NAME`` the
        file counts.

    Raises
    ------
    OutputError
        On entering: an output exists, equals an input or another output, or its folder is
        missing or not writable. On leaving: the disk is full, an output was not written, or a
        file cannot be moved into place.
    """

    def __init__(self, *outputs: Path, overwrite: bool, protect: Sequence[Path | str] = ()) -> None:
        self._outputs = tuple(Path(output) for output in outputs)
        self._overwrite = overwrite
        self._protect = tuple(file_of(source) for source in protect)
        self._folders: dict[Path, Path] = {}  # final folder -> its temporary folder

    def __enter__(self) -> Staging:
        seen: set[Path] = set()
        for output in self._outputs:
            if _final(output) in seen:
                raise OutputError(
                    f"Two outputs have the same path {output}; give each its own name."
                )
            seen.add(_final(output))
            _check_not_an_input(output, self._protect)
            _check_free(output, overwrite=self._overwrite)
        try:
            for final in seen:
                if final.parent not in self._folders:
                    self._folders[final.parent] = _temporary_folder(final.parent)
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        free = None if error is None else _free_bytes(self._outputs)
        try:
            if error is None:
                self._publish()
        finally:
            self._remove()
        if (
            isinstance(error, OSError)
            and error.errno in _DISK_FULL
            and not isinstance(error, GeoRasterError)
        ):
            raise explain_os_error(error, self._outputs[0], free=free) from error

    def path(self, output: Path) -> Path:
        """Where ``output``, one of the outputs given at construction, is to be written for now."""
        final = _final(Path(output))
        if final not in {_final(known) for known in self._outputs}:
            listed = ", ".join(str(known) for known in self._outputs)
            raise OutputError(
                f"{output} is not one of the staged outputs ({listed}); name it in Staging."
            )
        return self._folders[final.parent] / final.name

    def _publish(self) -> None:
        finals = [_final(output) for output in self._outputs]
        for final in finals:
            if not self.path(final).exists():
                raise OutputError(
                    f"{final} was not written and nothing was put in place; please report this."
                )
        moves = [
            (source, parent / source.name)
            for parent, folder in self._folders.items()
            for source in sorted(folder.iterdir())
            if not self._belongs_to_input(parent / source.name)
        ]
        # The outputs go last: whoever waits for one finds its sidecars already there.
        moves.sort(key=lambda move: move[1] in finals)
        current = finals[0]
        try:
            for current in self._stale(finals):
                current.unlink(missing_ok=True)
            for source, current in moves:
                source.replace(current)
        except OSError as error:
            raise explain_os_error(error, current) from error

    def _stale(self, finals: Sequence[Path]) -> list[Path]:
        """Sidecars of rasters that are being replaced; this run's own arrive after these are gone."""
        return [
            sidecar
            for final in finals
            if final.suffix.lower() in _RASTERS and os.path.lexists(final)
            for sidecar in (
                final.with_name(t.format(name=final.name, stem=final.stem)) for t in _SIDECARS
            )
            if not self._belongs_to_input(sidecar)
        ]

    def _belongs_to_input(self, sidecar: Path) -> bool:
        """Whether this is the style of an input: map.jp2 and map.tif share the name map.qml."""
        return sidecar.suffix == ".qml" and any(
            _final(source).with_suffix(".qml") == sidecar for source in self._protect
        )

    def _remove(self) -> None:
        for folder in self._folders.values():
            shutil.rmtree(folder, ignore_errors=True)
        self._folders.clear()


def remove_abandoned(parent: Path) -> None:
    """Remove what processes of this machine left behind here when they were killed."""
    for folder in parent.iterdir():
        found = _OF_PROCESS.fullmatch(folder.name)
        if found and found[1] == platform.node() and not psutil.pid_exists(int(found[2])):
            shutil.rmtree(folder, ignore_errors=True)


def explain_os_error(error: OSError, path: Path, *, free: int | None = None) -> OutputError:
    """One line that says why ``path`` cannot be written, and what to do.

    Parameters
    ----------
    error : what the system reported.
    path : the output as the user knows it.
    free : bytes that were free when it failed; asked now when None.
    """
    if error.errno in _DISK_FULL:
        left = _free_bytes([path]) if free is None else free
        return OutputError(
            f"Cannot write {path}: no space left ({(left or 0) / 2**20:.0f} MiB free, {error.strerror}); "
            f"free some space or write to another disk."
        )
    reason = error.strerror or str(error)
    return OutputError(
        f"Cannot write {path}: {reason}; check the folder's permissions or write elsewhere."
    )


def require_space(path: Path, needed: int) -> None:
    """Refuse to begin writing ``path`` where its disk has fewer than ``needed`` bytes left.

    Raises
    ------
    OutputError
        When there is too little room or the folder does not exist.
    """
    try:
        free = shutil.disk_usage(path.parent).free
    except OSError as error:
        raise explain_os_error(error, path) from error
    if free < needed:
        raise OutputError(
            f"Cannot write {path.name}: no space left: {needed / 2**20:.1f} MiB needed, "
            f"{free / 2**20:.1f} MiB free; free some space or write to another disk."
        )


def _final(output: Path) -> Path:
    """Absolute path with the folder's links resolved but not the file's: that link gets replaced."""
    return output.parent.resolve() / output.name


def _free_bytes(outputs: Sequence[Path]) -> int | None:
    try:
        return min(shutil.disk_usage(_final(output).parent).free for output in outputs)
    except OSError:
        return None


def _check_not_an_input(output: Path, protect: Sequence[Path]) -> None:
    for source in protect:
        same = _final(source) == _final(output)
        if same or (output.exists() and source.exists() and output.samefile(source)):
            raise OutputError(
                f"The output {output} is also an input of this run; give the output another name "
                f"(an input is never overwritten)."
            )


def _check_free(output: Path, *, overwrite: bool) -> None:
    if output.is_dir():
        raise OutputError(f"The output {output} is a folder, but a file name is needed; add one.")
    if os.path.lexists(output) and not overwrite:
        raise OutputError(
            f"The output {output} exists already; choose another name or allow it with --overwrite."
        )


def _temporary_folder(parent: Path) -> Path:
    """Make the hidden folder, which is also the only honest test of being allowed to write."""
    if not parent.is_dir():
        raise OutputError(
            f"The output folder {parent} does not exist; create it or name another one."
        )
    # Who makes it is told by its name, so that what is left of killed processes can be known.
    prefix = f".geodl-{platform.node()}-{os.getpid()}-"
    try:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    except OSError as error:
        raise OutputError(
            f"The output folder {parent} is not writable ({error.strerror}); name another folder."
        ) from error
    # mkdtemp makes the folder private; the files inside keep the user's own umask.
    return folder
