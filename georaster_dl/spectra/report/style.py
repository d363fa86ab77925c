"""Common style of a report's charts: colours of parts, most points of a chart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from georaster_dl.core.legend import parse_color
from georaster_dl.spectra.report.axis import Axis
from georaster_dl.spectra.report.chart import Style
from georaster_dl.spectra.report.content import TEST, TRAINING, Samples, ValueResult

__all__ = [
    "BLUE",
    "DARK",
    "DASHED",
    "DOTTED",
    "MOST_POINTS",
    "ORANGE",
    "PARTS",
    "THIN",
    "about_zero",
    "evenly",
    "shown",
    "thinned",
    "told_tips",
]

_Floats = npt.NDArray[np.float64]
_Rows = npt.NDArray[np.intp]

# Tol's bright blue and vibrant orange, apart for every kind of colour vision and in grey.
BLUE, ORANGE, DARK = (parse_color(text) for text in ("#4477aa", "#ee7733", "#555555"))
PARTS = {
    TRAINING: Style(BLUE, "circle", opacity=0.75),
    TEST: Style(ORANGE, "diamond", opacity=0.9),
}
THIN = Style(DARK, width=1)
DASHED = Style(DARK, width=1.2, dashes="5 4")
DOTTED = Style(DARK, width=1.2, dashes="2 3")

MOST_POINTS = 3000  # of a chart; a page of more is slow, and nobody sees them


def shown(result: ValueResult, samples: Samples, part: str) -> _Rows:
    """Rows of a part that have both values, not more than a chart can show."""
    known = np.isfinite(result.measured) & np.isfinite(result.predicted)
    return thinned(np.flatnonzero(known & (samples.part == part)))


def thinned(rows: _Rows, always: Sequence[int] | _Rows = ()) -> _Rows:
    """Rows evenly, where there are more than a chart can show; ``always`` stay."""
    if len(rows) <= MOST_POINTS:
        return rows
    kept = rows[evenly(len(rows), MOST_POINTS)]
    return np.union1d(kept, np.intersect1d(rows, np.asarray(always, np.intp)))


def evenly(n: int, most: int) -> _Rows:
    """Choose at most ``most`` of ``n`` places at equal steps, both ends among them."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.intp))


def about_zero(label: str, values: npt.ArrayLike) -> Axis:
    """Make an axis with 0 in the middle that holds all values."""
    largest = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    return Axis(label, -1.08 * largest, 1.08 * largest)


def told_tips(result: ValueResult, samples: Samples, rows: _Rows) -> list[str]:
    """Name the sample of each row with its measured and predicted value."""
    return [
        f"{samples.names[row]}: measured {result.measured[row]:.4g}, predicted {result.predicted[row]:.4g}"
        for row in rows
    ]
