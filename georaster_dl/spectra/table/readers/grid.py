"""Tables as readers find them, and the place of their header below lines that describe the measurement."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from georaster_dl.core.wording import counted
from georaster_dl.spectra.table.axis import FEWEST_BANDS, axis_number

__all__ = ["Grid", "header_place", "is_headed", "passed_over"]

_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?").fullmatch
_PREAMBLE = 100  # lines at most

Row = Sequence[str]


@dataclass(frozen=True, eq=False)
class Grid:
    """Header and cells of one table.

    Attributes
    ----------
    headers : of the columns; may repeat, and be empty.
    frame : DataFrame of the columns by position; its index is the row of the file, as editors and spreadsheets
        count.
    repairs : what was guessed or passed over, a sentence each, without the file's name.
    comma : whether its numbers have decimal commas.
    """

    headers: list[str]
    frame: Any = field(repr=False)
    repairs: tuple[str, ...] = ()
    comma: bool = False


def header_place(rows: Sequence[Row]) -> int | None:
    """Find the header's row below rows that only describe the table; None if there is none.

    A header is of words, or of wavelengths all along, and as wide as what follows; the rows above it have another
    width and are no axis.
    """
    for place, cells in enumerate(rows[:_PREAMBLE]):
        above = rows[:place]
        if _may_head(cells, rows[place + 1 :]) and not any(
            _width(row) == _width(cells) or _is_axis(row) for row in above
        ):
            return place
    return None


def is_headed(rows: Sequence[Row]) -> bool:
    """Whether the first row is the header: as wide as the widest below, with as many cells as most."""
    first, *below = rows
    return not below or (
        _width(first) >= max(map(_width, below)) and len(first) == _usual_cells(below)
    )


def passed_over(place: int, lines: Sequence[str]) -> tuple[str, ...]:
    """Say which lines above the header were passed over."""
    if not lines:
        return ()
    return (
        f"the header was found in line {place}; {counted(len(lines), 'line')} above it "
        f"({lines[0].strip()[:40]!r} first) {'was' if len(lines) == 1 else 'were'} passed over.",
    )


def _may_head(cells: Row, below: Sequence[Row]) -> bool:
    width = _width(cells)
    if width < 2 or not below or len(cells) != _usual_cells(below):
        return False
    with_numbers = sum(any(map(_NUMBER, row)) for row in below)
    return (
        (not any(map(_NUMBER, cells)) or _is_axis(cells))
        and width >= max(map(_width, below))
        and 2 * with_numbers > len(below)
    )


def _is_axis(cells: Row) -> bool:
    numbers = [n for cell in cells if (n := axis_number(cell)) is not None]
    steps = [b - a for a, b in pairwise(numbers)]
    in_order = all(step > 0 for step in steps) or all(step < 0 for step in steps)
    return len(numbers) >= FEWEST_BANDS and in_order


def _width(cells: Row) -> int:
    """Number of cells up to the last that is filled."""
    return max((i for i, cell in enumerate(cells, 1) if cell), default=0)


def _usual_cells(rows: Sequence[Row]) -> int:
    return Counter(map(len, rows)).most_common(1)[0][0]
