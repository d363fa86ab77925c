"""Reads the docstrings of the library for mkdocstrings.

They are numpydoc whose descriptions follow the colon, where numpydoc has types; the types stand in the signatures.
"""

from __future__ import annotations

import re
from textwrap import indent

import griffe

from georaster_dl import __all__ as public

_SECTION = re.compile(
    r"^(Parameters|Attributes|Returns)\n-{3,}\n(.*?)(?=^\w+\n-{3,}$|\Z)", re.MULTILINE | re.DOTALL
)
# Names in code that can only be those of the library: classes, and functions that say how others work.
_NAME = re.compile(r"``([A-Z]\w+)``|(?<=\bas )``(\w+)``")
_ENTRY = re.compile(r"^(\S.*?) : (.*(?:\n    .*)*)", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Docstrings as numpydoc and Markdown have them."""

    def on_object(self, *, obj: griffe.Object, **_others: object) -> None:
        if obj.docstring:
            obj.docstring.value = numpydoc(obj.docstring.value)


def numpydoc(text: str) -> str:
    """The docstring with each description on the line after its name, and links to public names."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)  # roles of reStructuredText
    text = re.sub(r"::$", ":", text, flags=re.MULTILINE)
    return _SECTION.sub(_section, _NAME.sub(_linked, text))


def _linked(match: re.Match[str]) -> str:
    name = match[1] or match[2]
    return f"[`{name}`][georaster_dl.{name}]" if name in public else match[0]


def _section(match: re.Match[str]) -> str:
    title, body = match.groups()
    body = f":\n{indent(body, '    ')}" if title == "Returns" else _ENTRY.sub(_entries, body)
    return f"{title}\n{'-' * len(title)}\n{body}"


def _entries(match: re.Match[str]) -> str:
    """An entry a name, because each has a type of its own."""
    names, text = match.groups()
    return "\n".join(f"{name}\n    {text}" for name in names.split(", "))
