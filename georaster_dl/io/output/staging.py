"""Outputs that appear complete or not at all: written in a hidden folder, then moved into place.

An extra output that fails (a picture, polygons, a style) is given up alone: the main ones still appear.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from georaster_dl.core.disk import explain_os_error, free_bytes, is_disk_full
from georaster_dl.core.errors import GeoRasterError, OutputError
from georaster_dl.core.text import is_utf8
from georaster_dl.io.files.atomic import check_local
from georaster_dl.io.files.layer_path import file_of
from georaster_dl.io.files.temporary import remove_abandoned, temporary_folder

__all__ = [
    "Extras",
    "FailedOutput",
    "Staging",
    "sidecars_of",
]

_log = logging.getLogger(__name__)

# What GDAL, QGIS and this package put beside a raster. After an output was replaced, a sidecar of
# its predecessor would describe pixels that are gone: old names, old statistics, old overviews.
_SIDECARS = ("{name}.aux.xml", "{name}.ovr", "{name}.msk", "{name}.msk.ovr", "{stem}.qml")
_RASTERS = {".tif", ".tiff", ".vrt"}
_UNSTYLED = {".safetensors", ".sli", ".csv", ".xlsx", ".parquet"}
_LONGEST_ENDING = len(".msk.ovr")
_USUAL_LONGEST_NAME = 255
_NO_SPACE = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
_FULL_BYTES = 32 * 1024  # left on a disk, with which no file of ours can be made


@dataclass(frozen=True)
class FailedOutput:
    """An extra output that was given up.

    Attributes
    ----------
    path : where it would be.
    reason : one line.
    """

    path: Path
    reason: str

    def __str__(self) -> str:
        """As a warning says it."""
        return f"{self.path} was not made: {self.reason}"


class Extras:
    """Optional outputs: a failure while making any of them affects no other output.

    Parameters
    ----------
    warn : called with one line when an output fails for the first time.

    Attributes
    ----------
    failed : those that could not be made, in the order in which they failed.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self.failed: tuple[FailedOutput, ...] = ()

    @contextmanager
    def making(self, path: Path) -> Iterator[None]:
        """Make ``path``; Ctrl-C still ends everything."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, the main output is worth more
            self.fail(path, error)

    def fail(self, path: Path, error: Exception) -> None:
        """Record and report the reason why an output could not be made."""
        if path not in [one.path for one in self.failed]:
            failure = FailedOutput(path, _reason(error, path))
            self.failed = (*self.failed, failure)
            _log.debug("%s", failure, exc_info=error)
            self._warn(str(failure))


class Staging:
    """Write one or several outputs so that a failed or killed run leaves nothing that looks done.

    Every file is written under its final name into a hidden folder on the same file system, so
    moving it is one rename, and sidecars (``.aux.xml``, ``.qml``) get their right names by
    themselves. Leaving the ``with`` block cleanly moves everything into place, the outputs last;
    leaving it by any exception, Ctrl-C included, removes the folder and touches nothing else::

        with Staging(map_tif, extras=[picture], overwrite=False, protect=[scene]) as stage:
            write(stage.path(map_tif))
            with stage.making(picture) as path:
                draw(path)
        print(stage.failed)

    What fails within ``making`` costs that extra output alone: its files are removed at once, so that a
    disk it filled has room again, and so is what an earlier run left under its name, which would be of
    other data. Everything else appears.

    Parameters
    ----------
    *outputs : final paths; each must be a different file in an existing, writable folder.
    extras : further outputs, without which the others are still wanted.
    scratch : files that are needed on the way and are gone at the end; named as outputs are.
    overwrite : whether an existing output may be replaced.
    protect : inputs of the run, none of which may be an output. Names that are no local file
        (``https://...``, ``/vsizip/...``) are allowed and equal no output; of ``file|layername=NAME`` the
        file counts.
    warn : called with one line for every output that is given up.

    Raises
    ------
    OutputError
        On entering: an output exists, equals an input or another output, has a name that its file
        system cannot hold, or its folder is missing or not writable. On leaving: the disk is full, an output was not written, or a
        file cannot be moved into place.
    """

    def __init__(
        self,
        *outputs: Path,
        extras: Sequence[Path] = (),
        scratch: Sequence[Path] = (),
        overwrite: bool,
        protect: Sequence[Path | str] = (),
        warn: Callable[[str], None] = lambda _message: None,
    ) -> None:
        self._scratch = tuple(Path(file) for file in scratch)
        self._main = tuple(Path(output) for output in outputs)
        self._extra = tuple(Path(output) for output in extras)
        self._overwrite = overwrite
        self._protect = tuple(file_of(source) for source in protect)
        self._extras = Extras(warn)
        self._folders: dict[Path, Path] = {}  # final folder -> its temporary folder
        self._given_up: set[Path] = set()

    def __enter__(self) -> Staging:
        seen: set[Path] = set()
        for output in (*self._main, *self._extra):
            if _final(output) in seen:
                raise OutputError(
                    f"Two outputs have the same path {output}; give each its own name."
                )
            seen.add(_final(output))
            check_local(output)
            _check_name(output)
            _check_not_an_input(output, self._protect)
            _check_free(output, overwrite=self._overwrite)
        try:
            for final in (*seen, *map(_final, self._scratch)):
                if final.parent not in self._folders:
                    self._folders[final.parent] = _temporary_folder(final.parent)
            for folder in self._folders.values():
                _check_differ([final for final in seen if final.parent == folder.parent], folder)
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
        free = None if error is None else free_bytes([*self._main, *self._extra])
        try:
            if error is None:
                self._publish()
        finally:
            self._remove()
        if (
            isinstance(error, OSError)
            and is_disk_full(error)
            and not isinstance(error, GeoRasterError)
            and (self._main or self._extra)
        ):
            raise explain_os_error(error, (*self._main, *self._extra)[0], free=free) from error

    def path(self, output: Path) -> Path:
        """Return the temporary path of ``output``, which must be a staged output."""
        final = _final(Path(output))
        known = (*self._main, *self._extra)
        if final not in map(_final, (*known, *self._scratch)):
            listed = ", ".join(map(str, known))
            raise OutputError(
                f"{output} is not one of the staged outputs ({listed}); name it in Staging."
            )
        return self._folders[final.parent] / final.name

    @contextmanager
    def making(self, output: Path, *parts: Path) -> Iterator[Path]:
        """Give the temporary path of ``output``; if it is an extra, a failure within affects no other output.

        May be entered several times, as for a raster that is written block by block.

        Parameters
        ----------
        *parts : further extra outputs, which are worth nothing without this one.
        """
        place = self.path(output)
        if _final(output) in map(_final, (*self._main, *self._scratch)):
            yield place
            return
        with self._extras.making(Path(output)):
            try:
                yield place
            except Exception as error:
                free = free_bytes([output])
                for given_up in (output, *parts):
                    self._given_up.add(_final(given_up))
                    self._discard(self.path(given_up))
                if free is not None and free < _FULL_BYTES and not isinstance(error, OSError):
                    # Libraries have other words for it, of what they could not do then.
                    raise explain_os_error(_NO_SPACE, output, free=free) from error
                raise

    @contextmanager
    def styling(self, output: Path) -> Iterator[None]:
        """Make the sidecars of ``output``, which is still wanted when that fails."""
        with self._extras.making(Path(output).with_suffix(".qml")):
            try:
                yield
            except Exception:
                for sidecar in _sidecars(self.path(output)):
                    sidecar.unlink(missing_ok=True)
                raise

    @property
    def failed(self) -> tuple[FailedOutput, ...]:
        """Extra outputs and styles that were given up; complete when the block has ended."""
        return self._extras.failed

    def gave_up(self, output: Path) -> bool:
        """Whether making ``output`` has failed."""
        return _final(Path(output)) in self._given_up

    def made(self, outputs: Iterable[Path]) -> list[Path]:
        """Those of ``outputs`` that were not given up."""
        return [output for output in outputs if not self.gave_up(output)]

    def _give_up(self, output: Path, error: Exception) -> None:
        self._given_up.add(_final(output))
        self._extras.fail(output, error)

    def _discard(self, place: Path) -> None:
        """Remove a failed output with its sidecars and the remains of its driver."""
        others = {self.path(output).name for output in (*self._main, *self._extra)} - {place.name}
        sidecars = _sidecars(place)
        for file in list(place.parent.iterdir()):
            ours = file.name.removeprefix(".").startswith(place.name) or file in sidecars
            if ours and file.name not in others:
                with suppress(
                    OSError
                ):  # open, on Windows: it is not moved, and goes with the folder
                    file.unlink()

    def _publish(self) -> None:
        finals = [_final(output) for output in self._main]
        for final in finals:
            if not self.path(final).exists():
                raise OutputError(
                    f"{final} was not written and nothing was put in place; please report this."
                )
        for output in self.made(self._extra):
            if not self.path(output).exists():
                self._give_up(output, OutputError("nothing was written; please report this."))
        current = finals[0] if finals else Path()
        try:
            for current in self._stale([*finals, *map(_final, self._extra)]):
                current.unlink(missing_ok=True)
        except OSError as error:
            raise explain_os_error(error, current) from error
        # The main outputs go last: whoever waits for one finds its sidecars and extras already there.
        for source, target in sorted(self._moves(), key=lambda move: move[1] in finals):
            try:
                source.replace(target)
            except OSError as error:
                if target in finals:
                    raise explain_os_error(error, target) from error
                named = {_final(output): output for output in self._extra}
                self._give_up(named.get(target, target), error)

    def _moves(self) -> list[tuple[Path, Path]]:
        """List the written files to be published, with their final paths."""
        unwanted = [
            file.name
            for output in (*self._scratch, *filter(self.gave_up, self._extra))
            for file in (self.path(output), *_sidecars(self.path(output)))
        ]
        return [
            (source, parent / source.name)
            for parent, folder in self._folders.items()
            for source in sorted(folder.iterdir())
            if source.name not in unwanted and not self._belongs_to_input(parent / source.name)
        ]

    def _stale(self, finals: Sequence[Path]) -> list[Path]:
        """List outdated files of earlier runs: sidecars of replaced rasters, and outputs that failed now.

        This run's own arrive after these are gone.
        """
        replaced = [
            final for final in finals if final.suffix.lower() in _RASTERS and os.path.lexists(final)
        ]
        return [
            stale
            for stale in (
                *(sidecar for final in replaced for sidecar in _sidecars(final)),
                *(final for final in finals if self.gave_up(final)),
            )
            if not self._belongs_to_input(stale)
        ]

    def _belongs_to_input(self, sidecar: Path) -> bool:
        """Whether this is the style of an input: map.jp2 and map.tif share the name map.qml; models and tables have none."""
        return sidecar.suffix == ".qml" and any(
            _final(source).with_suffix(".qml") == sidecar
            for source in self._protect
            if source.suffix.lower() not in _UNSTYLED
        )

    def _remove(self) -> None:
        for folder in self._folders.values():
            shutil.rmtree(folder, ignore_errors=True)
        self._folders.clear()


def _sidecars(raster: Path) -> list[Path]:
    """List the paths of a raster's possible sidecars; other files have none."""
    if raster.suffix.lower() not in _RASTERS:
        return []
    return [raster.with_name(t.format(name=raster.name, stem=raster.stem)) for t in _SIDECARS]


def _reason(error: Exception, output: Path) -> str:
    """Why an output was not made, in one line."""
    if isinstance(error, MemoryError):
        return "the memory did not suffice"
    if isinstance(error, GeoRasterError):
        return " ".join(str(error).split())
    if isinstance(error, OSError) and is_disk_full(error):
        return str(explain_os_error(error, output))
    return " ".join(f"{type(error).__name__}: {error}".split())


def sidecars_of(raster: Path) -> list[Path]:
    """List the existing sidecars of a raster: statistics and class names, overviews, style."""
    return [sidecar for sidecar in _sidecars(raster) if sidecar.is_file()]


def _final(output: Path) -> Path:
    """Absolute path with the folder's links resolved but not the file's: that link gets replaced."""
    return output.parent.resolve() / output.name


def _check_name(output: Path) -> None:
    """Refuse a name that GDAL cannot write, or to which no sidecar's ending can be added."""
    name, folder = output.name, _final(output).parent
    if not is_utf8(str(folder / name)):
        raise OutputError(
            f"The output {output} has a name, or lies in a folder, that is not UTF-8; rename it."
        )
    size = len(os.fsencode(name)) + _LONGEST_ENDING
    if folder.is_dir() and size > _longest_name(folder):
        raise OutputError(
            f"The output {name} has a name too long by {size - _longest_name(folder)} bytes, as files "
            f"beside it add to it (.aux.xml); give a shorter one."
        )


def _longest_name(folder: Path) -> int:
    return os.pathconf(folder, "PC_NAME_MAX") if hasattr(os, "pathconf") else _USUAL_LONGEST_NAME


def _check_differ(finals: Sequence[Path], folder: Path) -> None:
    """Refuse names that are one where the file system makes nothing of upper and lower case."""
    if not (folder.parent / folder.name.upper()).exists():
        return
    first: dict[str, Path] = {}
    for final in finals:
        other = first.setdefault(unicodedata.normalize("NFC", final.name).casefold(), final)
        if other != final:
            raise OutputError(
                f"The outputs {other.name} and {final.name} are one file here, where upper and lower case "
                f"are the same; give each its own name."
            )


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
            f"The output {output} exists already; choose another name or allow it with `overwrite=True`."
        )


def _temporary_folder(parent: Path) -> Path:
    """Make the hidden folder, which is also the only honest test of being allowed to write."""
    if not parent.is_dir():
        raise OutputError(
            f"The output folder {parent} does not exist; create it or name another one."
        )
    try:
        remove_abandoned(parent)
        return temporary_folder(parent)
    except OSError as error:
        raise OutputError(
            f"The output folder {parent} is not writable ({error.strerror}); name another folder."
        ) from error
