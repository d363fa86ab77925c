"""Counts, lists, similar names and commands, worded for messages."""

from __future__ import annotations

import difflib
import os
import shlex
import subprocess
from collections.abc import Iterable

__all__ = ["command_line", "counted", "listed", "nearest_names"]

_ODD = {
    "class": "classes",
    "pass": "passes",
    "patch": "patches",
    "spectrum": "spectra",
    "axis": "axes",
    "index": "indexes",
}


def counted(number: int, noun: str) -> str:
    """``1 pixel``, ``2,000 pixels``; of a phrase (``labelled pixel``) the last word is counted."""
    if number == 1:
        return f"1 {noun}"
    *before, last = noun.split(" ")
    if last not in _ODD and last.endswith("y"):
        many = last if last.endswith(("ay", "ey", "oy")) else last[:-1] + "ie"
        last = f"{many}s"
    else:
        last = _ODD.get(last, f"{last}s")
    return " ".join([f"{number:,}", *before, last])


def listed(names: Iterable[object], most: int = 5) -> str:
    """The first few of many names, and how many more there are."""
    shown = [str(name) for name in names]
    more = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {more:,} more" if more > 0 else "")


def nearest_names(name: str, known: Iterable[str], most: int = 3) -> str:
    """Return ``" (did you mean 'a', 'b'?)"``, or nothing where no known name is near."""
    near = difflib.get_close_matches(name.casefold(), list(known), n=most)
    return f" (did you mean {', '.join(map(repr, near))}?)" if near else ""


def command_line(*parts: object) -> str:
    """Quote a command and its arguments for this system's shell."""
    words = [str(part) for part in parts]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
