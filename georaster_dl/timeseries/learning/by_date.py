"""Accuracy of a trained model by the date on which its series end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from georaster_dl.core.errors import OptionError
from georaster_dl.spectra.scoring.scores import ClassScores, ValueScores
from georaster_dl.timeseries.samples import SeriesSamples

__all__ = ["CurvePoint", "curve_days", "date_of_day", "day_of_season", "until", "write_curve"]

_POINTS = 16  # of a curve
_COMMON_YEAR = 2001
_INCHES, _DOTS = (6.4, 4.0), 120


@dataclass(frozen=True)
class CurvePoint:
    """Accuracy of series that end on a day of their season.

    Attributes
    ----------
    day : days since the season's start.
    date : month and day of it, ``MM-DD``.
    clear_dates : mean number of a sample.
    scores : of all samples that test.
    """

    day: float
    date: str
    clear_dates: float
    scores: ClassScores | ValueScores


def day_of_season(text: str, season_start: str) -> float:
    """Days from the season's start to a month and day, 0 to 365.

    Raises
    ------
    OptionError
        When the text is no month and day.
    """
    days = []
    for part in (text, season_start):
        try:
            days.append(np.datetime64(f"{_COMMON_YEAR}-{part}", "D"))
        except ValueError:
            raise OptionError(
                f"`until='{text}'` is neither a date such as 2024-06-15 nor month and day such as 06-15."
            ) from None
    return float((days[0] - days[1]).astype(int) % 365)


def until(samples: SeriesSamples, end: str, season_start: str) -> SeriesSamples:
    """Leave out all dates after ``end``: ``YYYY-MM-DD``, or ``MM-DD`` of each sample's own season.

    Raises
    ------
    OptionError
        When the end is no date, or nothing is left.
    """
    if len(end) > len("MM-DD"):
        try:
            cut = samples.until_date(np.datetime64(end, "D"))
        except ValueError:
            raise OptionError(
                f"`until='{end}'` is neither a date such as 2024-06-15 nor month and day such as 06-15."
            ) from None
    else:
        cut = samples.until(day_of_season(end, season_start), season_start)
    if not samples.clear_dates.any() or cut.clear_dates.any():
        return cut
    raise OptionError(
        f"No series of {samples.name} has a clear date up to `until='{end}'`; give a later one."
    )


def curve_days(samples: SeriesSamples, season_start: str) -> list[float]:
    """Choose the days of a curve: from a first date to the last, at even steps."""
    days = np.concatenate(samples.days(season_start), axis=1)
    known = days[np.isfinite(days)]
    first, last = np.quantile(np.nanmin(days, axis=1), 0.5) if known.size else 0.0, known.max()
    return sorted({float(day) for day in np.linspace(first, last, _POINTS + 1)[1:].round()})


def date_of_day(day: float, season_start: str) -> str:
    """Month and day, ``MM-DD``, of a day of the season."""
    return str(np.datetime64(f"{_COMMON_YEAR}-{season_start}", "D") + int(day))[5:]


def write_curve(curve: Sequence[CurvePoint], path: Path) -> None:
    """Write a curve as a table (.csv) or a picture (.png)."""
    import pandas as pd

    from georaster_dl.spectra.table.write import write_csv

    names = {"accuracy": "OA", "macro_f1": "macro_F1"}
    if isinstance(curve[0].scores, ValueScores):
        names = {"rmsep": "RMSE", "r2": "R2"}
    rows = [
        {
            "day": point.day,
            "date": point.date,
            "clear_dates": round(point.clear_dates, 2),
            "n": point.scores.n,
            **{shown: round(getattr(point.scores, name), 5) for name, shown in names.items()},
        }
        for point in curve
    ]
    table = pd.DataFrame(rows)
    if path.suffix.lower() == ".csv":
        write_csv(table, path)
        return
    _draw(table, list(names.values()), path)


def _draw(table: object, names: Sequence[str], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, dpi=_DOTS, layout="constrained")
    axes = figure.subplots()
    for name in names:
        axes.plot(table["day"], table[name], marker="o", label=name)  # type: ignore[index]
    axes.set_xticks(table["day"], table["date"], rotation=60)  # type: ignore[index]
    axes.set_xlabel("last date of the series")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path)
