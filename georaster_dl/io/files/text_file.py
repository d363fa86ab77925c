"""Text files that users write: lists, tables and settings, in the encoding that their program chose."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

__all__ = ["read_text"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NO_TEXT = re.compile("[\0-\x08]")
_ZEROS = 0.3  # share of every other byte, from which on text without a mark is UTF-16


def read_text(path: Path) -> str:
    """Read a text in UTF-8, in UTF-16 or UTF-32 (as PowerShell writes), or else in Windows-1252.

    Raises
    ------
    UnicodeError
        When it is none of these; the message says what to do.
    OSError
        When it cannot be read.
    """
    data = path.read_bytes()
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), _unmarked(data))
    for tried in dict.fromkeys((encoding, "utf-8", "cp1252")):
        try:
            text = data.decode(tried)
        except UnicodeDecodeError:
            continue
        if not _NO_TEXT.search(text):
            return text
    raise UnicodeError("it is no text in UTF-8, UTF-16 or Windows-1252; save it as UTF-8")


def _unmarked(data: bytes) -> str:
    """Of text without a mark: letters of the West have a zero as every other byte in UTF-16."""
    low, high = data[::2], data[1::2]
    for encoding, zeros, others in (("utf-16-le", high, low), ("utf-16-be", low, high)):
        if zeros.count(0) > _ZEROS * max(len(zeros), 1) and not others.count(0):
            return encoding
    return "utf-8"
