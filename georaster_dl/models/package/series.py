"""Sensors and dates of models of image time series, and sensors of those of LiDAR sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from georaster_dl.core.errors import BandMismatchError, OptionError
from georaster_dl.models.package.limits import FilePart, Line, Word
from georaster_dl.models.package.seasons import check_season_start

if TYPE_CHECKING:
    from georaster_dl.models.package.card import Card

__all__ = ["CardLidar", "CardSensor", "CardSeries", "refuse_points"]

_Day = Annotated[float, Field(ge=-400, le=40_000)]
_Count = Annotated[int, Field(ge=0, le=100_000)]


class CardSensor(FilePart):
    """A sensor of a series: its name, and how many of the card's bands are its own."""

    name: Word
    bands: Annotated[int, Field(ge=1, le=2048)]


class CardSeries(FilePart):
    """Time axis of a model's input.

    Attributes
    ----------
    sensors : in the order in which the card's bands are theirs; each has dates of its own.
    unit : what a sample of the training was.
    patch : rows and cols of a patch in pixels; None of other units.
    season_start : month and day from which days are counted, see ``seasons.season_days``.
    days : first and last day of the training's series.
    dates : fewest and most clear dates of a sample of the training, all sensors together.
    mask : how clouds were masked in training; empty where they were not.
    """

    sensors: Annotated[tuple[CardSensor, ...], Field(min_length=1, max_length=16)]
    unit: Literal["pixel", "parcel", "patch"]
    season_start: Annotated[str, Field(pattern=r"^[0-9]{2}-[0-9]{2}$")]
    days: tuple[_Day, _Day]
    dates: tuple[_Count, _Count]
    mask: Line = ""
    patch: Annotated[int, Field(ge=8, le=512)] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        try:
            check_season_start(self.season_start)
        except OptionError as error:
            raise ValueError(str(error)) from None
        for name, (low, high) in (("days", self.days), ("dates", self.dates)):
            if low > high:
                raise ValueError(f"{name} is {low:g}, {high:g} but must be in this order")
        if (self.unit == "patch") != (self.patch is not None):
            raise ValueError("patch is the side of patches, and of nothing else")
        names = [sensor.name for sensor in self.sensors]
        if len(set(names)) < len(names):
            raise ValueError("sensors must have distinct names")
        return self


class CardLidar(FilePart):
    """Sensor of the training.

    Attributes
    ----------
    layout : of its files, such as ``helixnet``.
    slices : of a turn, that the network was trained on.
    period_s : seconds of a turn.
    points : of a turn, on average.
    """

    layout: Word
    slices: Annotated[int, Field(ge=1, le=36)]
    period_s: Annotated[float, Field(gt=0, le=60)]
    points: Annotated[int, Field(ge=1, le=10_000_000)]


def refuse_points(card: Card) -> None:
    """Refuse a model of LiDAR sequences where images, series or spectra are read.

    Raises
    ------
    BandMismatchError
        When the card is of such a model.
    """
    if card.lidar is not None:
        raise BandMismatchError(
            f"{card.name} reads the points of a rotating LiDAR and nothing else; run it with `geodl lidar segment SEQUENCE`, or "
            f"use another model."
        )
