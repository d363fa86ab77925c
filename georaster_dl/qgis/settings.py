r"""Entries of QGIS's file of settings, set or read without any change to the rest.

The file is Qt's dialect of ini, which Python's parser does not know: keys in either case are
different, ``%`` means nothing in a value, a value in quotes may go over several lines. So bytes are
edited, line by line, as Qt cuts them into lines. What is written is ASCII with Qt's escapes, which Qt 5
(Latin-1) and Qt 6 (UTF-8) read alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["read_entry", "set_entry"]

_BOM = b"\xef\xbb\xbf"
_ESCAPES = {"\0": "0", "\a": "a", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "\v": "v"}
_UNESCAPES = {code: char for char, code in _ESCAPES.items()}


def set_entry(content: bytes, section: str, key: str, value: str) -> bytes:
    """The file's content with this entry in it, added or replaced.

    Section and key must be plain names (letters, digits, underscores), which need no escapes.
    """
    lines = list(_lines(content))
    newline = b"\r\n" if b"\r\n" in content else b"\n"
    entry = f"{key}={_escaped(value)}".encode("ascii")
    places = list(_sections(lines))
    same = [i for i, name in enumerate(places) if name == section and _key(lines[i]) == key]
    for i in same:
        lines[i] = entry + newline
    if same:
        return b"".join(lines)
    body = [i for i, name in enumerate(places) if name == section and lines[i].strip()]
    if body:
        _end(lines, body[-1], newline)
        lines.insert(body[-1] + 1, entry + newline)
    else:
        if lines:
            _end(lines, -1, newline)
            lines.append(newline)
        lines += [f"[{section}]".encode("ascii") + newline, entry + newline]
    return b"".join(lines)


def read_entry(content: bytes, section: str, key: str) -> str | None:
    """The value of an entry; None where there is none."""
    lines = list(_lines(content))
    found = None
    for line, name in zip(lines, _sections(lines), strict=True):
        if name == section and _key(line) == key:
            found = _unescaped(line.partition(b"=")[2].strip())  # of two, Qt takes the last
    return found


def _lines(content: bytes) -> Iterator[bytes]:
    """Split into lines with their ends: quotes and backslashes join lines, comments do not."""
    start = 0
    while start < len(content):
        end = _line_end(content, start)
        yield content[start:end]
        start = end


def _line_end(content: bytes, start: int) -> int:
    quoted, i = False, start
    while i < len(content):
        char = content[i : i + 1]
        if char == b"\\":
            i += 3 if content[i + 1 : i + 3] in (b"\r\n", b"\n\r") else 2
            continue
        if char == b"\n" and not quoted:
            return i + 1
        if char == b";" and not quoted:  # a comment; quotes in there mean nothing
            found = content.find(b"\n", i)
            return len(content) if found < 0 else found + 1
        quoted ^= char == b'"'
        i += 1
    return len(content)


def _sections(lines: list[bytes]) -> Iterator[str]:
    """Name of the section that each line belongs to; its own line included."""
    name = "General"
    for line in lines:
        text = line.removeprefix(_BOM).strip()
        if text.startswith(b"["):
            name = text[1:].partition(b"]")[0].strip().decode("ascii", "replace")
        yield name


def _key(line: bytes) -> str | None:
    text = line.lstrip()
    if text[:1] in (b"[", b";") or b"=" not in text:
        return None
    return text.partition(b"=")[0].strip().decode("ascii", "replace")


def _end(lines: list[bytes], i: int, newline: bytes) -> None:
    """See to it that this line has an end before another follows."""
    if not lines[i].endswith(b"\n"):
        lines[i] += newline


def _escaped(value: str) -> str:
    text = "@" + value if value.startswith("@") else value
    written: list[str] = []
    hexadecimal = False  # the last was \x..., which would swallow a digit that follows
    for unit in _utf16(text):
        char = chr(unit)
        plain = 0x20 <= unit < 0x7F and not (hexadecimal and char in "0123456789abcdefABCDEF")
        hexadecimal = not plain and char not in _ESCAPES
        if char in _ESCAPES:
            written.append("\\" + _ESCAPES[char])
            hexadecimal = char == "\0"
        elif not plain:
            written.append(f"\\x{unit:x}")
        else:
            written.append("\\" + char if char in '"\\' else char)
    joined = "".join(written)
    quoted = set(text) & set(";,=") or text != text.strip(" ")
    return f'"{joined}"' if quoted else joined


def _utf16(text: str) -> Iterator[int]:
    raw = text.encode("utf-16-le", "surrogatepass")
    return (int.from_bytes(raw[i : i + 2], "little") for i in range(0, len(raw), 2))


def _unescaped(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")

    def put_back(match: re.Match[str]) -> str:
        code = match[1]
        if code is None:
            return ""  # a quote
        if code[0] == "x" and len(code) > 1:
            return chr(int(code[1:], 16) & 0xFFFF)
        return _UNESCAPES.get(code, code)

    plain = re.sub(r'\\(x[0-9a-fA-F]+|.)|"', put_back, text, flags=re.DOTALL)
    whole = plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.removeprefix("@") if whole.startswith("@@") else whole
