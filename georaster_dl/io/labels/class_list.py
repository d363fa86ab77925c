"""A user's list of classes: a CSV with the columns value, name and color."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Color, parse_color
from georaster_dl.core.text import visible
from georaster_dl.io.files.text_file import read_text

__all__ = ["CLASS_COLUMNS", "LARGEST_CLASS", "ClassList", "read_class_list"]

CLASS_COLUMNS = "value,name,color"
LARGEST_CLASS = 65534


@dataclass(frozen=True)
class ClassList:
    """Classes of a CSV file.

    Attributes
    ----------
    names : name of each class by its value, in the order of the lines; names are unique.
    colors : colour of each class that has one, by its value.
    counted : whether the CSV gives no values, so that they are counted from 1.
    """

    path: Path
    names: Mapping[int, str]
    colors: Mapping[int, Color]
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
    names: dict[int, str] = {}
    colors: dict[int, Color] = {}
    for position, (number, cells) in enumerate(lines, 1):
        where = f"`classes='{path}'`, line {number}:"
        value = position if counted else _value(cells.get("value", ""), where)
        name = visible(cells.get("name", ""))
        if not name:
            raise OptionError(f"{where} the class has no name; fill in the column name.")
        for earlier in names.items():
            if earlier[0] == value or earlier[1] == name:
                raise OptionError(
                    f"{where} the class {value}, {name!r} repeats the value or name of "
                    f"{earlier[0]}, {earlier[1]!r}; both must be unique."
                )
        names[value] = name
        if text := cells.get("color"):
            colors[value] = _color(text, where)
    return ClassList(path, names, colors, counted)


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
            f"`classes='{path}'` cannot be read ({error}); give a CSV with the columns {CLASS_COLUMNS}."
        ) from error
    if "name" not in columns or not lines:
        what = "no class" if "name" in columns else "no column 'name'"
        raise OptionError(
            f"`classes='{path}'` has {what}; give a CSV with the columns {CLASS_COLUMNS} and a line per "
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


def _color(text: str, where: str) -> Color:
    try:
        return parse_color(text)
    except OptionError:
        raise OptionError(
            f"{where} the color is {text!r}, but #rrggbb is expected, for example #1f77b4."
        ) from None
