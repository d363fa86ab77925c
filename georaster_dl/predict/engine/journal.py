"""Finished strips of a run in files of their own, so that a killed run goes on where it was.

A strip is a row of tiles. Its file holds all blocks of all rasters as the engine handed them over, and a
last line with how the scene was cut and a checksum: what a crash, or another program, left of a file is
made anew. Several processes, also on several machines, may add strips
to one journal; the first of them decides how the scene is cut, so that their strips fit together.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from georaster_dl.core.disk import explain_os_error
from georaster_dl.core.errors import OutputError
from georaster_dl.io.files.json_files import read_json
from georaster_dl.io.files.temporary import make_folder, remove_abandoned, temporary_name

__all__ = ["Journal", "StripFile"]

Kind = TypeVar("Kind", bound=str)

_FACTS = "run.json"
_CUT = "cut.json"
_END = "end"
_LONGEST_LINE, _MOST_FACTS = 10_000, 16 * 2**20  # bytes
# What foreign bytes lead to.
_DAMAGED = (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError)


class Journal:
    """A folder with the finished strips of one run.

    Parameters
    ----------
    folder : is made where it does not exist.
    facts : what the run depends on, as JSON can hold it; strips of other facts are thrown away.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        self._folder = folder
        self._cut = ""
        try:
            if _content(folder / _FACTS) != json.loads(json.dumps(facts)):
                self.remove()
            make_folder(folder)
            remove_abandoned(folder)
            self._first(_FACTS, json.dumps(facts, sort_keys=True))
        except OSError as error:
            raise explain_os_error(error, folder) from error

    def agreed(self, cut: Mapping[str, Any]) -> dict[str, Any]:
        """How the scene is cut: as given, or as another process has said before."""
        known = _content(self._folder / _CUT)
        if known is not None and not _is_alike(known, cut):
            self.cut_again()  # a crash left it, or another program
        self._first(_CUT, json.dumps(cut))
        known = _content(self._folder / _CUT)
        agreed = dict(cut if known is None else known)
        self._cut = json.dumps(agreed, sort_keys=True)
        return agreed

    def cut_again(self) -> None:
        """Forget the cut and its strips."""
        for path in (self._folder / _CUT, *self._folder.glob("*.strip")):
            _discard(path)

    def _first(self, name: str, text: str) -> None:
        """Make a file, whole, unless it is there and can be read."""
        path = self._folder / name
        if os.path.lexists(path) and _content(path) is None:
            _discard(path)
        made = temporary_name(self._folder)
        try:
            with made.open("x", encoding="utf-8") as file:
                file.write(text)
            try:
                # Unlike a rename, it fails where another process was first.
                os.link(made, path)
            except FileExistsError:
                pass
            except OSError:  # exFAT, FAT and some network shares have no links
                if not path.exists():
                    made.replace(path)
        finally:
            made.unlink(missing_ok=True)

    def done(self, asked: Iterable[int]) -> set[int]:
        """Numbers of those of the asked strips that are finished, whole, and cut as agreed."""
        return {strip for strip in asked if self._is_whole(strip)}

    def _is_whole(self, strip: int) -> bool:
        path = self._folder / f"{strip}.strip"
        if not path.is_file():
            _discard(path)
            return False
        try:
            for _ in self._read(path):
                pass
        except (OSError, *_DAMAGED):
            return False
        return True

    def writing(self, kinds: Sequence[Kind]) -> StripFile[Kind]:
        """Open a file for the blocks of strips, one strip after the other."""
        return StripFile(self._folder, kinds, self._cut)

    def blocks(
        self, strip: int, kinds: Sequence[Kind]
    ) -> Iterator[tuple[Kind, slice, slice, npt.NDArray[Any]]]:
        """Blocks of a finished strip in the order in which they came: kind, rows, cols, pixels.

        Raises
        ------
        OutputError
            When the file is damaged.
        """
        path = self._folder / f"{strip}.strip"
        try:
            for kind, rows, cols, pixels in self._read(path):
                yield kinds[kind], slice(*rows), slice(*cols), pixels
        except _DAMAGED as error:
            _discard(path)
            raise OutputError(
                f"The part {path} of a run is damaged ({error}) and was removed; run it again."
            ) from error

    def _read(self, path: Path) -> Iterator[tuple[int, list[int], list[int], npt.NDArray[Any]]]:
        """Blocks of a strip's file; ValueError and the like where it is not as it was written."""
        checksum = 0
        with path.open("rb") as file:
            left = os.fstat(file.fileno()).st_size
            while line := file.readline(_LONGEST_LINE):
                facts = json.loads(line)
                if facts[0] == _END:
                    _check_end(facts, [_END, self._cut, checksum])
                    return
                kind, rows, cols, dtype, shape = facts
                size = _size(dtype, shape)
                if size > left:
                    raise ValueError("it is cut short")
                content = file.read(size)
                checksum = zlib.crc32(content, zlib.crc32(line, checksum))
                yield kind, rows, cols, np.frombuffer(content, dtype).reshape(shape)
        raise ValueError("it is cut short")

    def remove(self) -> None:
        """Remove the journal; to be called when the outputs are written."""
        shutil.rmtree(self._folder, ignore_errors=True)


class StripFile(Generic[Kind]):
    """Blocks of the strip that is being made; used as a context manager.

    Parameters
    ----------
    kinds : of rasters; a block is filed under its kind's place among them.
    cut : how the scene is cut.
    """

    def __init__(self, folder: Path, kinds: Sequence[Kind], cut: str) -> None:
        self._folder = folder
        self._kinds = list(kinds)
        self._cut = cut
        self._begin()

    def _begin(self) -> None:
        self._making = temporary_name(self._folder)
        self._file: BinaryIO = self._making.open("xb")
        self._checksum = 0

    def __enter__(self) -> StripFile[Kind]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):  # a full disk is told of by what came before
            self._file.close()
        self._making.unlink(missing_ok=True)

    def add(self, kind: Kind, rows: slice, cols: slice, block: npt.NDArray[Any]) -> None:
        """Take the next block (bands, rows, cols).

        Raises
        ------
        OutputError
            When the disk is full; ``done`` does so too.
        """
        place = [[rows.start, rows.stop], [cols.start, cols.stop]]
        facts = [self._kinds.index(kind), *place, block.dtype.str, block.shape]
        with self._explained():
            for content in (json.dumps(facts).encode() + b"\n", np.ascontiguousarray(block).data):
                self._file.write(content)
                self._checksum = zlib.crc32(content, self._checksum)

    def done(self, strip: int) -> None:
        """All blocks of a strip are here: its file gets its name."""
        with self._explained():
            self._file.write(json.dumps([_END, self._cut, self._checksum]).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._making.replace(self._folder / f"{strip}.strip")
            self._begin()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise explain_os_error(error, self._making) from error


def _size(dtype: str, shape: Sequence[int]) -> int:
    return np.dtype(dtype).itemsize * math.prod(shape)


def _check_end(found: list[Any], expected: list[Any]) -> None:
    if found[1] != expected[1]:
        raise ValueError("the scene was cut otherwise")
    if found != expected:
        raise ValueError("its checksum is another")


def _is_alike(cut: Any, other: Mapping[str, Any]) -> bool:
    """Whether two cuts have the same fields of the same kinds."""
    return isinstance(cut, dict) and _kinds(cut) == _kinds(other)


def _kinds(cut: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: [type(item) for item in value] if isinstance(value, list) else type(value)
        for key, value in cut.items()
    }


def _content(path: Path) -> Any:
    """Read a JSON file; None where that is impossible."""
    try:
        return read_json(path, most=_MOST_FACTS)
    except (OSError, ValueError):
        return None


def _discard(path: Path) -> None:
    """Remove a file, link or folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
