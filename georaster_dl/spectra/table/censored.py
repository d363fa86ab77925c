"""Values below a limit of detection or quantification, written as <0.05 or <LOD."""

from __future__ import annotations

import re
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.spectra.table.cells import is_text, numbers_of

__all__ = ["Below", "is_below", "settle"]

Below = Literal["error", "half", "drop"]

_BELOW = re.compile(r"<\s*(?:(\d+\.?\d*|\.\d+)|LOD|LOQ|DL|QL|LD|LQ|BG|NG)", re.IGNORECASE)


def is_below(value: Any) -> bool:
    """Whether a cell says that a value is below a limit: <0.05, <LOD."""
    return isinstance(value, str) and _BELOW.fullmatch(value.strip()) is not None


def settle(columns: Any, below: Below, title: str) -> tuple[Any, list[str]]:
    """Turn values below a limit into numbers, in columns whose other cells are numbers.

    Parameters
    ----------
    columns : DataFrame of columns that are not of the spectrum.
    below : ``half`` takes half of the limit, ``drop`` a value that is not known; ``error`` leaves them, so that a
        column of them is no column of values.

    Returns
    -------
    The columns, and what was done, a sentence a column.

    Raises
    ------
    OptionError
        When half of a limit is asked for that is not stated (<LOD).
    """
    if below == "error":
        return columns, []
    notes, settled = [], columns.copy()
    for name in columns:
        cells = columns[name]
        text = np.flatnonzero(is_text(cells))
        if not text.size or not all(is_below(cell) for cell in cells.iloc[text]):
            continue
        values = numbers_of(cells).copy()
        values[text] = np.nan if below == "drop" else _halves(cells.iloc[text], name, title)
        settled[name] = values
        meaning = "half of it" if below == "half" else "not known"
        notes.append(
            f"{title}: {counted(len(text), 'value')} of {len(cells)} in {name!r} below a limit (such as "
            f"{cells.iloc[text[0]]}) {'counts' if len(text) == 1 else 'count'} as {meaning}."
        )
    return settled, notes


def _halves(cells: Any, name: str, title: str) -> npt.NDArray[np.float64]:
    limits = [match[1] for cell in cells if (match := _BELOW.fullmatch(cell.strip()))]
    if None in limits:
        raise OptionError(
            f"Column {name!r} of {title} holds {cells.iloc[limits.index(None)]!r}, which states no limit to take half "
            f"of; write the limit (<0.05), or leave such values out with `below='drop'`."
        )
    return np.array(limits, np.float64) / 2
