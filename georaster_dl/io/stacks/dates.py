"""Dates in the names of files and folders: ``2023-05-14``, ``20230514``, ``2023_05_14``, ``2023134`` (day of year)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import PurePosixPath

from georaster_dl.core.errors import OptionError, SceneError

__all__ = ["date_in_path", "parse_date", "spellings", "without_dates"]

# The day may be followed by a time of day: 20230514T103021, 20230514103021.
_DAY = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_.]?)(\d\d)\2(\d\d)(?:T?\d{6})?(?!\d)")
_DAY_OF_YEAR = re.compile(r"(?<!\d)((?:19|20)\d\d)(\d{3})(?!\d)")
_MONTH = re.compile(r"((?:19|20)\d\d)[-_.]?(\d\d)")
_DAY_FIRST = re.compile(r"(\d{1,2})\.(\d{1,2})\.((?:19|20)\d\d)(?:\s.*)?")
_FORMS = "2023-05-14, 14.05.2023, 20230514, 2023_05_14 or 2023134 (day of the year)"


def date_in_path(path: str, pattern: str | None = None) -> date | None:
    """Find the date in a file's name, else in those of its folders; the first there is.

    Parameters
    ----------
    pattern : regular expression to be found anywhere in the path, whose first group is the date.

    Raises
    ------
    OptionError
        When the pattern is no regular expression, or has no group.
    SceneError
        When the pattern is not in the path, or its group is no date.
    """
    if pattern is not None:
        return _by_pattern(path, pattern)
    parts = reversed(PurePosixPath(path.replace("\\", "/")).parts)
    return next((found for part in parts for found, _ in _dates(part)), None)


def _by_pattern(path: str, pattern: str) -> date:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise OptionError(
            f"`date_pattern='{pattern}'` is no regular expression: {error}; give one like '_(\\d{{8}})_'."
        ) from error
    if not compiled.groups:
        raise OptionError(
            f"`date_pattern='{pattern}'` has no group; put the part that is the date in parentheses: '_(\\d{{8}})_'."
        )
    found = compiled.search(path)
    if found is None:
        raise SceneError(
            f"`date_pattern='{pattern}'` is not in {path}; change it, or leave the file out."
        )
    return parse_date(found[1] or "", f"what `date_pattern='{pattern}'` finds in {path}")


def parse_date(text: str, what: str) -> date:
    """Parse a date, with dots also day first; a year and month mean the month's first day.

    Parameters
    ----------
    what : subject of the error's sentence.

    Raises
    ------
    SceneError
        When the text is no date.
    """
    stated = text.strip()
    found = next((day for day, _ in _dates(stated)), None)
    month = _MONTH.fullmatch(stated)
    if found is None and month is not None:
        found = _day(int(month[1]), int(month[2]), 1)
    if day_first := _DAY_FIRST.fullmatch(stated):
        found = _day(int(day_first[3]), int(day_first[2]), int(day_first[1]))
    if found is None:
        raise SceneError(f"{text!r}, {what}, is no date; write it like {_FORMS}.")
    return found


def spellings(day: date) -> tuple[str, ...]:
    """Give the ways in which files spell a date."""
    return tuple(day.strftime(form) for form in ("%Y-%m-%d", "%Y%m%d", "%Y_%m_%d", "%Y%j"))


def without_dates(name: str) -> str:
    """Take the dates, and times of day behind them, out of a name."""
    spans = [span for _, span in _dates(name)]
    kept = name
    for first, last in sorted(spans, reverse=True):
        kept = f"{kept[:first]}{kept[last:]}"
    return kept


def _dates(text: str) -> Iterator[tuple[date, tuple[int, int]]]:
    """Dates in a text with their places, in the order of these."""
    found = []
    for match in _DAY.finditer(text):
        day = _day(int(match[1]), int(match[3]), int(match[4]))
        if day is not None:
            found.append((match.span(), day))
    for match in _DAY_OF_YEAR.finditer(text):
        year, number = int(match[1]), int(match[2])
        day = date(year, 1, 1) + timedelta(number - 1)
        if number >= 1 and day.year == year:
            found.append((match.span(), day))
    for span, day in sorted(found):
        yield day, span


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
