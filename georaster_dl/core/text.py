"""Foreign text (names of files, bands and classes, messages) made safe for display."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["cell", "first_unseen", "is_utf8", "slug", "visible"]

# What moves a terminal's cursor or changes the order of letters, separators of lines, and bytes of file
# names that are no text (Python holds these as lone surrogates).
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?( ?%)?|[+-]?(inf|nan)|-")


def visible(text: str, *, keep: str = "") -> str:
    r"""Text as one line, with control characters written as in JSON (``\u001b``).

    Parameters
    ----------
    keep : control characters that stay, for example line breaks of a whole page.
    """
    return _UNSEEN.sub(
        lambda found: found[0] if found[0] in keep else f"\\u{ord(found[0]):04x}", text
    )


def first_unseen(text: str) -> str | None:
    """The first character that ``visible`` would replace, None where there is none."""
    found = _UNSEEN.search(text)
    return None if found is None else found[0]


def cell(value: Any) -> Any:
    """Value of a table's cell; text that a spreadsheet would take for a formula begins with ``'``."""
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def is_utf8(text: str) -> bool:
    """Whether a file's name is text; GDAL opens and writes no others."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def slug(text: str) -> str:
    """Make a name of at most 64 of the characters ``a-z0-9._-``, as model cards carry them."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.casefold()).strip("._-")[:64] or "model"
