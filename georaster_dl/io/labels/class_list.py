"""A user's list of classes: a CSV with the columns value, name and color."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from georaster_dl.core.errors import OptionError
from georaster_dl.core.text import visible
from georaster_dl.io.files.text_file import read_text

__all__ = ["CLASS_COLUMNS", "LARGEST_CLASS", "ClassList", "ListedClass", "read_class_list"]

CLASS_COLUMNS = "value,name,color"
LARGEST_CLASS = 65534


@dataclass(frozen=True)
class ListedClass:
    """A class that may have no colour yet."""

    value: int
    name: str
    color: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class ClassList:
    """What the CSV says.

    Attributes
    ----------
    classes : in the order of the lines; values and names are unique.
    counted : whether the CSV gives no values, so that they are counted from 1.
    """

    path: Path
    classes: tuple[ListedClass, ...]
    counted: bool


def read_class_list(path: Path) -> ClassList:
    """Read a list of classes, separated by commas, semicolons or tabs.

    Raises
    ------
    OptionError
        When it cannot be read or a line is wrong; the message names the line.
    """
    lines = _lines(path)
    counted = not any(cells.get("value") for _, cells in lines)
    classes: list[ListedClass] = []
    for position, (number, cells) in enumerate(lines, 1):
        where = f"--classes {path}, line {number}:"
        entry = ListedClass(
            position if counted else _value(cells.get("value", ""), where),
            visible(cells.get("name", "")),
            _color(cells.get("color", ""), where),
        )
        if not entry.name:
            raise OptionError(f"{where} the class has no name; fill in the column name.")
        for earlier in classes:
            if earlier.value == entry.value or earlier.name == entry.name:
                raise OptionError(
                    f"{where} the class {entry.value}, {entry.name!r} repeats the value or name of "
                    f"{earlier.value}, {earlier.name!r}; both must be unique."
                )
        classes.append(entry)
    return ClassList(path, tuple(classes), counted)


def _lines(path: Path) -> Sequence[tuple[int, Mapping[str, str]]]:
    """Number and cells by column of every line that is not empty."""
    try:
        text = io.StringIO(read_text(path), newline="")
        header = text.readline()
        # Spreadsheets of many countries separate by semicolon.
        delimiter = next((mark for mark in ";\t" if mark in header), ",")
        columns = [name.strip().strip('"').casefold() for name in header.split(delimiter)]
        reader = csv.reader(text, delimiter=delimiter)
        lines = [
            (reader.line_num + 1, [cell.strip() for cell in cells])
            for cells in reader
            if any(cell.strip() for cell in cells)
        ]
    except (OSError, UnicodeError, csv.Error) as error:
        raise OptionError(
            f"--classes {path} cannot be read ({error}); give a CSV with the columns {CLASS_COLUMNS}."
        ) from error
    if "name" not in columns or not lines:
        what = "no class" if "name" in columns else "no column 'name'"
        raise OptionError(
            f"--classes {path} has {what}; give a CSV with the columns {CLASS_COLUMNS} and a line per "
            f"class."
        )
    return [(number, dict(zip(columns, cells, strict=False))) for number, cells in lines]


def _value(text: str, where: str) -> int:
    if not text.isdecimal() or int(text) > LARGEST_CLASS:
        raise OptionError(
            f"{where} the value is {text!r}, but a whole number 0..{LARGEST_CLASS} is expected; correct "
            f"it, or leave the column out and put codes into the column name, as they are text labels."
        )
    return int(text)


def _color(text: str, where: str) -> tuple[int, int, int] | None:
    if not text:
        return None
    try:
        red, green, blue = bytes.fromhex(text.removeprefix("#"))
    except ValueError as error:
        raise OptionError(
            f"{where} the color is {text!r}, but #rrggbb is expected, for example #1f77b4."
        ) from error
    return red, green, blue
