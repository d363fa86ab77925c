"""Finished strips of a run in files of their own, so that a killed run goes on where it was.

A strip is a row of tiles. Its file holds all blocks of all rasters as the engine handed them over,
and has its name only when it is whole. Several processes, also on several machines, may add strips
to one journal; the first of them decides how the scene is cut, so that their strips fit together.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from georaster_dl.errors import OutputError
from georaster_dl.io.staging import explain_os_error

__all__ = ["Journal", "StripFile"]

Kind = TypeVar("Kind", bound=str)

_FACTS = "run.json"
_CUT = "cut.json"


class Journal:
    """A folder with the finished strips of one run.

    Parameters
    ----------
    folder : is made where it does not exist.
    facts : what the run depends on, as JSON can hold it; strips of other facts are thrown away.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        self._folder = folder
        stated = json.dumps(facts, sort_keys=True)
        if _text(folder / _FACTS) != stated:
            self.remove()
            folder.mkdir(parents=True, exist_ok=True)
            self._first(_FACTS, stated)

    def agreed(self, cut: Mapping[str, Any]) -> dict[str, Any]:
        """How the scene is cut: as given, or as another process has said before."""
        self._first(_CUT, json.dumps(cut))
        return dict(json.loads((self._folder / _CUT).read_text(encoding="utf-8")))

    def cut_again(self) -> None:
        """Forget the cut and its strips."""
        for path in (self._folder / _CUT, *self._folder.glob("*.strip")):
            path.unlink(missing_ok=True)

    def _first(self, name: str, text: str) -> None:
        """Make a file, whole, unless it is there."""
        made = self._folder / f".{uuid.uuid4().hex}"
        made.write_text(text, encoding="utf-8")
        with suppress(FileExistsError):
            # Unlike a rename, it fails where another process was first.
            os.link(made, self._folder / name)
        made.unlink()

    def done(self) -> set[int]:
        """Numbers of the strips that are finished."""
        return {int(path.stem) for path in self._folder.glob("*.strip")}

    def writing(self, kinds: Sequence[Kind]) -> StripFile[Kind]:
        """What takes the blocks of the strips that are being made, one strip after the other."""
        return StripFile(self._folder, kinds)

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
        with path.open("rb") as file:
            try:
                while line := file.readline():
                    kind, rows, cols, dtype, shape = json.loads(line)
                    pixels = np.frombuffer(file.read(_size(dtype, shape)), dtype).reshape(shape)
                    yield kinds[kind], slice(*rows), slice(*cols), pixels
            except ValueError as error:
                path.unlink(missing_ok=True)
                raise OutputError(
                    f"The part {path} of a run is damaged ({error}) and was removed; run it again."
                ) from error

    def remove(self) -> None:
        """Forget the run; to be called when its outputs stand."""
        shutil.rmtree(self._folder, ignore_errors=True)


class StripFile(Generic[Kind]):
    """Blocks of the strip that is being made; used as a context manager.

    Parameters
    ----------
    kinds : of rasters; a block is filed under its kind's place among them.
    """

    def __init__(self, folder: Path, kinds: Sequence[Kind]) -> None:
        self._folder = folder
        self._kinds = list(kinds)
        self._making = folder / f".{uuid.uuid4().hex}"
        self._file: BinaryIO = self._making.open("wb")

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
            self._file.write(json.dumps(facts).encode() + b"\n")
            self._file.write(np.ascontiguousarray(block).data)

    def done(self, strip: int) -> None:
        """All blocks of a strip are here: its file gets its name."""
        with self._explained():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._making.replace(self._folder / f"{strip}.strip")
            self._file = self._making.open("wb")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise explain_os_error(error, self._making) from error


def _size(dtype: str, shape: Sequence[int]) -> int:
    return np.dtype(dtype).itemsize * math.prod(shape)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None
