"""Standard output and error that foreign text (names of files, bands, classes) cannot command."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from georaster_dl.text import visible

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["rich_console", "show_all_text"]


class _Visible(io.TextIOWrapper):
    """A terminal or file to which control characters but line breaks and tabs are written as text."""

    def write(self, text: str, /) -> int:
        """Write text; see :func:`georaster_dl.text.visible`."""
        return super().write(visible(text, keep="\n\t"))


def show_all_text() -> None:
    """Have everything that this process prints made visible."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            made = _Visible(
                stream.buffer,
                encoding=stream.encoding,
                errors=stream.errors,
                line_buffering=stream.line_buffering,
                write_through=stream.write_through,
            )
            setattr(sys, name, made)


def rich_console(*, stderr: bool = False) -> Console:
    """Console of rich, which commands the terminal itself; text for it has to be made visible before."""
    from rich.console import Console

    stream, first = (sys.stderr, sys.__stderr__) if stderr else (sys.stdout, sys.__stdout__)
    return Console(file=first if isinstance(stream, _Visible) else stream)
