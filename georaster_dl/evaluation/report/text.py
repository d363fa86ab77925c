"""Figures as people read them."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from georaster_dl.core.wording import counted

__all__ = ["UNKNOWN", "between", "compared", "number", "percent", "plus_minus", "table_html"]

UNKNOWN = "-"


def percent(share: float) -> str:
    """``96.7`` for 0.967: percent, without the sign."""
    return f"{100 * share:.1f}" if math.isfinite(share) else UNKNOWN


def between(ends: npt.NDArray[np.float64] | Sequence[float]) -> str:
    """``96.1-97.3``, an interval in percent; empty where unknown."""
    return f"{percent(ends[0])}-{percent(ends[1])}" if np.isfinite(ends).all() else ""


def plus_minus(half: float) -> str:
    """``± 1.9``, half the width of an interval in percent; empty where unknown."""
    return f"± {100 * half:.1f}" if math.isfinite(half) else ""


def number(value: float, digits: int = 0) -> str:
    """Thousands apart: ``21,158``."""
    return f"{value:,.{digits}f}" if math.isfinite(value) else UNKNOWN


def compared(
    kind: str, compared: int, unmapped: int, unlabelled: int, outside: int, rejected: int
) -> str:
    """Describe the compared and the other labels in a line."""
    thing = "point" if kind == "points" else "pixel"
    left_out = [
        f"; {counted(count, what)} {where}"
        for count, what, where in (
            (rejected, f"labelled {thing}", "uncertain on the map"),
            (unmapped, f"labelled {thing}", "on nodata of the map"),
            (unlabelled, "point", "without a label"),
            (outside, "point", "outside the map"),
        )
        if count
    ]
    return f"{counted(compared, thing)} compared" + "".join(left_out)


def table_html(said: str, heads: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """Make HTML for notebooks: a sentence, and a table with its heads as HTML and its cells as text."""
    head = "".join(f"<th>{name}</th>" for name in heads)
    cells = "".join(
        f"<tr>{''.join(f'<td>{html.escape(text)}</td>' for text in row)}</tr>" for row in rows
    )
    return f"<p>{html.escape(said)}</p><table><tr>{head}</tr>{cells}</table>"
