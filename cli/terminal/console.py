"""Standard output and error wherever they lead: to any encoding, to a program that is gone, to nowhere.

Foreign text (names of files, bands, classes) cannot command a terminal.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar

from georaster_dl.core.text import visible

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["lost_output", "prepare_console", "rich_console"]

_STANDARD = (0, 1, 2)
_GONE = {errno.EPIPE, errno.EINVAL}  # EINVAL: so on Windows


def prepare_console(arguments: Sequence[str]) -> None:
    """Make printing safe: it must never end a run, least of all after its outputs were written.

    Characters that the console lacks are written as escapes; what a closed output or a reader that
    went away (``| head``) no longer takes is dropped. Control characters are written as text. Warnings
    of libraries, which are for programmers, are shown with ``--debug`` or ``PYTHONWARNINGS`` only; so are tracebacks of
    extra outputs that failed with ``--debug``.

    Parameters
    ----------
    arguments : of the command.
    """
    _open_what_is_closed()
    sys.stdout, sys.stderr = _lasting(sys.stdout), _lasting(sys.stderr)
    if "--debug" in arguments:
        logging.basicConfig(format="%(message)s")
        logging.getLogger("georaster_dl").setLevel(logging.DEBUG)
    elif not sys.warnoptions:
        warnings.simplefilter("ignore")
        os.environ["PYTHONWARNINGS"] = "ignore"  # for worker processes
        logging.getLogger().addHandler(logging.NullHandler())


def lost_output() -> str:
    """Flush the standard streams; return why standard output could not be written, or an empty text."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    out = sys.stdout
    return (out.lost or out.plain.lost) if isinstance(out, _Visible) else ""


def rich_console(*, stderr: bool = False) -> Console:
    """Console of rich, which commands the terminal itself; text for it has to be made visible before."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream.plain if isinstance(stream, _Visible) else stream)


def _open_what_is_closed() -> None:
    """Give each standard file something to be, or the next file that is opened would become it."""
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


class _Lasting(io.TextIOWrapper):
    """Text for a reader that may go away.

    Attributes
    ----------
    lost : why text was lost that a reader would have wanted; empty where none was.
    """

    lost = ""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._drop(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, error: OSError) -> None:
        """Send this text and all further to nowhere, or it would be tried again at the end."""
        if error.errno not in _GONE:
            self.lost = error.strerror or str(error)
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)


_Stream = TypeVar("_Stream", bound=_Lasting)


class _Visible(_Lasting):
    """Text to which control characters but line breaks and tabs are written as text.

    Attributes
    ----------
    plain : the same without that.
    """

    plain: _Lasting

    def write(self, text: str) -> int:
        return super().write(visible(text, keep="\n\t"))


def _lasting(stream: TextIO | None) -> TextIO:
    if stream is None:  # closed by whoever started this, or a Windows program without a console
        return Path(os.devnull).open("w", encoding="utf-8")
    made = _wrapped(_Visible, stream)
    made.plain = _wrapped(_Lasting, stream)
    return made


def _wrapped(kind: type[_Stream], stream: TextIO) -> _Stream:
    return kind(
        stream.buffer,
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=bool(stream.line_buffering),
        write_through=getattr(stream, "write_through", False),
    )
