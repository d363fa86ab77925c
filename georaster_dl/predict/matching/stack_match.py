"""Matches stacks of dated scenes to models of time series: sensors, bands and dates."""

from __future__ import annotations

import numpy as np

from georaster_dl.core.errors import BandMismatchError
from georaster_dl.core.wording import listed
from georaster_dl.io.stacks.stack import TimeStack
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.seasons import season_days
from georaster_dl.models.package.series import CardSeries, refuse_points
from georaster_dl.models.runtime.dated import BoundDates

__all__ = ["DAYS_TOLERATED", "dates_of", "dates_warning", "match_stack", "series_of"]

DAYS_TOLERATED = 16
"""Days that a series may reach beyond those of the training without a warning."""


def series_of(card: Card) -> CardSeries:
    """Return the time axis of a model's card.

    Raises
    ------
    BandMismatchError
        When the model reads single images.
    """
    refuse_points(card)
    if card.series is None:
        raise BandMismatchError(
            f"{card.name} reads single images and no time series; give one of the dated scenes, or use a model "
            f"of time series (`geodl timeseries train`)."
        )
    return card.series


def match_stack(stack: TimeStack, card: Card) -> TimeStack:
    """Choose the model's sensors and bands of a stack, in the model's order.

    From a single sensor all are taken, whatever its name: one cube may hold the bands of several.

    Raises
    ------
    BandMismatchError
        When the model reads single images, or a sensor or band that it needs is missing.
    """
    series = series_of(card)
    wanted = {}
    first = 0
    for sensor in series.sensors:
        wanted[sensor.name] = card.bands[first : first + sensor.bands]
        first += sensor.bands
    present = [sensor.name for sensor in stack.sensors]
    problem = f"{card.name} reads series of {listed(list(wanted))}, but {stack.name} has {listed(present)}"
    if len(present) == 1 < len(wanted):
        try:
            return stack.select(wanted)
        except BandMismatchError as error:
            raise BandMismatchError(
                f"{problem}, which has not all their bands; give a stack for each. {error}"
            ) from error
    if len(present) > 1 and not set(wanted) <= set(present):
        raise BandMismatchError(f"{problem}; name the sensors of the stack as the model does.")
    return stack.select(wanted)


def dates_of(stack: TimeStack, card: Card) -> tuple[BoundDates, ...]:
    """Dates of each sensor of a matched stack, and their days since the season's start.

    The season is that of the first date of all sensors.
    """
    dates = [np.array(sensor.dates, "datetime64[D]") for sensor in stack.sensors]
    days = season_days(np.concatenate(dates), series_of(card).season_start)
    parts = np.split(days, np.cumsum([len(own) for own in dates])[:-1])
    return tuple(
        BoundDates(tuple(map(str, own)), tuple(map(float, part)))
        for own, part in zip(dates, parts, strict=True)
    )


def dates_warning(dates: tuple[BoundDates, ...], card: Card) -> str | None:
    """Warn of dates unlike those of the training; None where they are alike."""
    series = series_of(card)
    days = [day for sensor in dates for day in sensor.days]
    low, high = series.days
    outside = sum(not low - DAYS_TOLERATED <= day <= high + DAYS_TOLERATED for day in days)
    if outside:
        return (
            f"{outside} of {len(days)} dates lie outside the season that {card.name} was trained on (days {low:.0f} "
            f"to {high:.0f} since {series.season_start}); leave them out with `since=` and `until=`."
        )
    if len(days) < series.dates[0]:
        return (
            f"the stack has {len(days)} dates, but {card.name} was trained on {series.dates[0]} to {series.dates[1]} "
            f"clear dates; trust the result less, or train on series as short as this."
        )
    return None
