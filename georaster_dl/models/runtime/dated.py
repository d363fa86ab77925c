"""A network of time series bound to dates: from then on a plain network of images.

A stack of dated scenes is an image whose planes are the bands of each date, NaN where a date is masked.
Card and network are bound to the dates that are there, and all that follows sees an ordinary model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from georaster_dl.core.errors import OptionError
from georaster_dl.models.package.card import Card, Cost
from georaster_dl.models.package.file import load_model

if TYPE_CHECKING:
    from torch import nn

__all__ = ["BoundDates", "bound_card", "load_dated"]

_PLANE_BYTES = 8  # of a plane's pixel: as it is normalised, and as series
_TILE = 512  # rows and cols of a usual tile


@dataclass(frozen=True)
class BoundDates:
    """Dates of one sensor of a stack, as a network reads them.

    Attributes
    ----------
    names : of the dates, ``YYYY-MM-DD``.
    days : since the season's start.
    """

    names: tuple[str, ...]
    days: tuple[float, ...]


def bound_card(card: Card, dates: Sequence[BoundDates]) -> Card:
    """Card of the plain model that reads a stack with these dates of each sensor.

    Its bands are those of the first date of the first sensor, then of the next date.

    Raises
    ------
    OptionError
        When the card is of no time series, or other sensors.
    """
    if card.series is None or len(dates) != len(card.series.sensors):
        raise OptionError(f"{card.name} reads no series of {len(dates)} sensors.")
    bands = []
    first = 0
    for sensor, of_sensor in zip(card.series.sensors, dates, strict=True):
        own = card.bands[first : first + sensor.bands]
        first += sensor.bands
        bands += [
            replace(band, name=f"{band.name} {name}", wavelength_nm=None, fwhm_nm=None)
            for name in of_sensor.names
            for band in own
        ]
    longest = max(len(of_sensor.days) for of_sensor in dates)
    side = card.series.patch
    overlap = 1.0 if side is None else (side / card.stride) ** 2
    # Patches are computed one at a time, whatever the tile; their memory is spread over one.
    of_patch = 0.0 if side is None else card.cost.bytes_per_pixel * side**2 / _TILE**2
    cost = Cost(
        macs_per_pixel=min(card.cost.macs_per_pixel * overlap * max(longest, 1), 1e12),
        bytes_per_pixel=of_patch * longest + _PLANE_BYTES * len(bands) + 8 * card.outputs,
    )
    return card.model_copy(update={"bands": tuple(bands), "cost": cost})


def load_dated(path: Path, dates: Sequence[BoundDates]) -> nn.Module:
    """Load a model of time series and bind its network to the dates of a stack, in eval mode.

    Raises
    ------
    ModelPackageError
        As ``load_model``.
    """
    from georaster_dl.models.zoo.series.bound import DatedNetwork

    card, network = load_model(path)
    if card.series is None:
        raise OptionError(f"{card.name} reads no time series.")
    sensors = [sensor.bands for sensor in card.series.sensors]
    days = [own.days for own in dates]
    return DatedNetwork(network, sensors, days, card.series.patch).eval()
