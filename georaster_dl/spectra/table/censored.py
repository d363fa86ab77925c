"""Values below a limit of detection or quantification, written as <0.05 or <LOD."""

from __future__ import annotations

import re
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.spectra.table.cells import is_text, numbers_of

__all__ = ["Below", "below_limit", "is_below", "uncensored"]

Below = Literal["error", "half", "drop"]

_BELOW = re.compile(r"<\s*(?:(\d+\.?\d*|\.\d+)|LOD|LOQ|DL|QL|LD|LQ|BG|NG)", re.IGNORECASE)


def is_below(value: Any) -> bool:
    """Whether a cell says that a value is below a limit: <0.05, <LOD."""
    return isinstance(value, str) and _BELOW.fullmatch(value.strip()) is not None


def uncensored(cells: Any, below: Below, name: str, title: str) -> npt.NDArray[np.float64]:
    """Convert a column to numbers (n,), NaN where not known, with values below a limit as ``below`` says.

    Raises
    ------
    OptionError
        When it has values below a limit and ``below`` is ``error``, or half of a limit is asked for that is not stated
        (<LOD).
    """
    values = numbers_of(cells)
    places = below_limit(cells)
    if not places.size:
        return values
    if below == "error":
        raise OptionError(
            f"Column {name!r} of {title} has {counted(len(places), 'value')} below a limit ({cells.iloc[places[0]]!r} "
            f"first; of {counted(len(cells), 'row')}); say what they count as: half of the limit with `below='half'`, or "
            f"not known with `below='drop'`."
        )
    values = values.copy()
    values[places] = np.nan if below == "drop" else _halves(cells.iloc[places], name, title)
    return values


def below_limit(cells: Any) -> npt.NDArray[np.intp]:
    """Find the values below a limit in a column whose other cells are numbers; none in other columns."""
    text = np.flatnonzero(is_text(cells))
    censored = all(is_below(cell) for cell in cells.iloc[text])
    return text if censored else np.array([], np.intp)


def _halves(cells: Any, name: str, title: str) -> npt.NDArray[np.float64]:
    limits = [match[1] for cell in cells if (match := _BELOW.fullmatch(cell.strip()))]
    if None in limits:
        raise OptionError(
            f"Column {name!r} of {title} holds {cells.iloc[limits.index(None)]!r}, which states no limit to take half "
            f"of; write the limit (<0.05), or leave such values out with `below='drop'`."
        )
    return np.array(limits, np.float64) / 2
