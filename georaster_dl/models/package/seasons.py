"""Dates of image time series as days since the start of their season."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError

__all__ = ["check_season_start", "season_days", "season_start_of"]

_BEFORE = 90  # days that a series may begin before the season that it belongs to
_MONTH_DAY = re.compile(r"(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")

Dates = npt.NDArray[np.datetime64]


def season_days(dates: Dates, season_start: str) -> npt.NDArray[np.float32]:
    """Compute days since the start of each series' season.

    Two years of one crop get the same days, and a series of two years has days beyond 365. The season
    is the one in which the first date of a series lies from 90 days before its start to 275 after.

    Parameters
    ----------
    dates : (..., T) in any order, NaT where a series has fewer dates.
    season_start : month and day, ``MM-DD``.

    Returns
    -------
    (..., T) days, 0 where there is no date.

    Raises
    ------
    OptionError
        When the season's start is no month and day.
    """
    check_season_start(season_start)
    days = np.asarray(dates, "datetime64[D]")
    known = ~np.isnat(days)
    if not known.any():
        return np.zeros(days.shape, np.float32)
    numbers = days.astype(np.int64)
    none = np.iinfo(np.int64).max
    first = np.where(known, numbers, none).min(axis=-1, keepdims=True)
    first = np.where(first == none, 0, first)
    # The latest start that is at most 90 days behind the first date.
    latest = (first + _BEFORE).astype("datetime64[D]")
    starts = _start_in_year_of(latest, season_start)
    before = _start_in_year_of((latest.astype("datetime64[Y]") - 1), season_start)
    starts = np.where(starts > latest, before, starts)
    since = numbers - starts.astype(np.int64)
    return np.where(known, since, 0).astype(np.float32)


def _start_in_year_of(dates: Dates, season_start: str) -> Dates:
    month, day = (int(part) for part in season_start.split("-"))
    years = dates.astype("datetime64[Y]").astype("datetime64[M]")
    return np.asarray((years + (month - 1)).astype("datetime64[D]") + (day - 1))


def season_start_of(dates: Dates) -> str:
    """Choose the start of the season of many series: the first of the month in which most begin.

    Parameters
    ----------
    dates : (T,), or (N, T) of N series, NaT where a series has fewer dates.

    Raises
    ------
    OptionError
        When there is no date.
    """
    days = np.atleast_2d(np.asarray(dates, "datetime64[D]"))
    known = ~np.isnat(days)
    if not known.any():
        raise OptionError("The series have no dates; give at least one date.")
    days = days[known.any(axis=1)]
    first = np.where(np.isnat(days), np.datetime64("9999-01-01"), days).min(axis=1)
    months = first.astype("datetime64[M]").astype(np.int64) % 12
    return f"{int(np.bincount(months, minlength=12).argmax()) + 1:02d}-01"


def check_season_start(season_start: str) -> None:
    """Check that a season's start is a month and a day that every year has.

    Raises
    ------
    OptionError
        When it is not.
    """
    usual = _MONTH_DAY.fullmatch(season_start)
    if usual is not None:
        try:
            np.datetime64(f"2001-{season_start}", "D")
        except ValueError:
            usual = None
    if usual is None:
        raise OptionError(
            f"`season_start={season_start!r}` is no day of every year; give month and day, such as '09-01'."
        )
