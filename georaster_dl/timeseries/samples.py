"""Labelled time series of pixels, parcels or patches, of one sensor or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.core.wording import counted, listed
from georaster_dl.models.package.seasons import season_days
from georaster_dl.render.palette import choose_colors

__all__ = ["SensorSamples", "SeriesSamples", "number_classes"]

_NO_DATE = np.datetime64("NaT", "D")


@dataclass(frozen=True, eq=False)
class SensorSamples:
    """Time series of one sensor.

    Attributes
    ----------
    name : of the sensor, such as ``S2``.
    bands : that are measured at every date, B of them.
    values : (N, T, B) of pixels, (N, T, B, S) of S pixels drawn from each parcel, (N, T, B, side, side) of
        square patches; physical values, float32, NaN where there is none. A measurement counts where all bands
        have one.
    dates : (N, T), NaT where a series has fewer; (T,) where all have the same.

    Raises
    ------
    OptionError
        When the shapes do not fit together.
    """

    name: str
    bands: tuple[Band, ...]
    values: npt.NDArray[np.float32] = field(repr=False)
    dates: npt.NDArray[np.datetime64] = field(repr=False)

    def __post_init__(self) -> None:
        """Check the shapes, and give every series its dates."""
        values = np.asarray(self.values, np.float32)
        square = values.ndim == 5 and values.shape[3] == values.shape[4]
        if not (values.ndim in (3, 4) or square) or values.shape[2] != len(self.bands):
            raise OptionError(
                f"Series of {counted(len(self.bands), 'band')} must be (samples, dates, bands), (samples, dates, bands, "
                f"pixels) or (samples, dates, bands, side, side), but those of {self.name} are {values.shape}."
            )
        dates = np.asarray(self.dates, "datetime64[D]")
        if dates.shape not in (values.shape[:2], values.shape[1:2]):
            raise OptionError(
                f"The series of {self.name} need dates {values.shape[:2]} or {values.shape[1:2]}, but got {dates.shape}."
            )
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "dates", np.broadcast_to(dates, values.shape[:2]))

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """(N, T), (N, T, S) or (N, T, side, side): where there is a date, and a value of every band."""
        measured = np.isfinite(self.values).all(axis=2)
        return measured & _beside(~np.isnat(self.dates), measured.ndim)

    @property
    def clear_dates(self) -> npt.NDArray[np.intp]:
        """(N,) distinct dates of each series with at least one measurement."""
        valid = self.valid
        seen = valid.any(axis=tuple(range(2, valid.ndim)))
        days = np.sort(np.where(seen, self.dates, _NO_DATE), axis=1)  # NaT last
        new = ~np.isnat(days)
        new[:, 1:] &= days[:, 1:] != days[:, :-1]
        return np.asarray(new.sum(axis=1))

    def rows(self, chosen: npt.NDArray[Any]) -> SensorSamples:
        """Samples by positions, or by a mask (N,)."""
        return replace(self, values=self.values[chosen], dates=self.dates[chosen])


@dataclass(frozen=True, eq=False)
class SeriesSamples:
    """Time series of pixels or parcels with their classes or values.

    Attributes
    ----------
    name : of the table or the stack that they come from.
    sensors : their series; N samples each, in the same order.
    labels : (N,) indexes into ``legend``, -1 where the class is not known; or (N,) values, NaN where not
        known; (N, side, side) indexes of the pixels of patches; None where nothing is known.
    legend : classes of the labels; None for values.
    target : name of the values; None for classes.
    groups : pandas DataFrame of N rows, with columns that splits may name (region, year, parcel, ...).
    together : column of ``groups`` whose samples a split should not divide, such as ``parcel`` of pixels.
    geometry : (N, 4) of parcels, as networks of sets read it; None of pixels.
    lonlat : (N, 2) degrees, None where not known.
    quantity : of the physical values, such as ``reflectance``.
    mask : how clouds were masked, in words.
    resolution_m : size of a pixel in metres, None where not known.
    remarks : what was assumed or left out when they were read, a sentence each.

    Raises
    ------
    OptionError
        When the parts have different numbers of samples, the sensors are of different units, labels do not
        fit, or two bands have one name.
    """

    name: str
    sensors: tuple[SensorSamples, ...]
    labels: npt.NDArray[Any] | None = field(repr=False)
    groups: Any = field(repr=False)
    legend: Legend | None = None
    target: str | None = None
    geometry: npt.NDArray[np.float32] | None = field(default=None, repr=False)
    lonlat: npt.NDArray[np.float64] | None = field(default=None, repr=False)
    quantity: str = "reflectance"
    mask: str = ""
    resolution_m: float | None = None
    together: str | None = None
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that all parts are of the same samples, and that every band has a name of its own."""
        if not self.sensors:
            raise OptionError("Samples of series need at least one sensor.")
        lengths = {f"sensor {sensor.name}": len(sensor.values) for sensor in self.sensors}
        parts = {
            "labels": self.labels,
            "groups": self.groups,
            "geometry": self.geometry,
            "lonlat": self.lonlat,
        }
        lengths |= {name: len(part) for name, part in parts.items() if part is not None}
        if len(set(lengths.values())) > 1:
            described = listed([f"{name} {n:,}" for name, n in lengths.items()], len(lengths))
            raise OptionError(
                f"All parts of {self.name} must have as many samples, but got {described}."
            )
        if len({(s.values.ndim, s.values.shape[4:]) for s in self.sensors}) > 1:
            raise OptionError(
                f"The sensors of {self.name} must all be of pixels, of parcels, or of patches of one size."
            )
        if (self.labels is None) != (self.legend is None and self.target is None):
            raise OptionError(f"The labels of {self.name} need a legend, or a target's name.")
        side = self.sensors[0].values.shape[3:] if self.unit == "patch" else ()
        if self.labels is not None and (
            np.shape(self.labels)[1:] != side or (side and self.legend is None)
        ):
            raise OptionError(
                f"The labels of {self.name} must be classes of each pixel of a patch, or one of each sample of other "
                f"units, but they are {np.shape(self.labels)}."
            )
        names = [band.name for band in self.bands]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise OptionError(
                f"Bands of {self.name} have the same name ({listed(twice)}); rename those of one sensor."
            )

    def __len__(self) -> int:
        return len(self.sensors[0].values)

    @property
    def bands(self) -> tuple[Band, ...]:
        """Those of the first sensor, then of the next."""
        return tuple(band for sensor in self.sensors for band in sensor.bands)

    @property
    def unit(self) -> Literal["pixel", "parcel", "patch"]:
        """Unit of the samples, by the shape of the values."""
        units: dict[int, Literal["pixel", "parcel", "patch"]] = {
            3: "pixel",
            4: "parcel",
            5: "patch",
        }
        return units[self.sensors[0].values.ndim]

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """(N,) samples whose class or value is known, of patches that of any pixel."""
        if self.labels is None:
            return np.zeros(len(self), bool)
        known = self.labels >= 0 if self.legend is not None else np.isfinite(self.labels)
        return np.asarray(known.any(axis=tuple(range(1, known.ndim))))

    @property
    def clear_dates(self) -> npt.NDArray[np.intp]:
        """(N,) dates of each sample with a measurement, those of all sensors together."""
        return np.asarray(sum(sensor.clear_dates for sensor in self.sensors))

    def days(self, season_start: str) -> tuple[npt.NDArray[np.float32], ...]:
        """(N, T) days of each sensor since the season's start, NaN where there is no date.

        The season of a sample is that of its first date, whichever sensor took it.

        Parameters
        ----------
        season_start : month and day, ``MM-DD``.
        """
        dates = [sensor.dates for sensor in self.sensors]
        together = np.concatenate(dates, axis=1)
        days = np.where(np.isnat(together), np.nan, season_days(together, season_start))
        ends = np.cumsum([own.shape[1] for own in dates])[:-1]
        return tuple(part.astype(np.float32) for part in np.split(days, ends, axis=1))

    def rows(self, chosen: npt.NDArray[Any]) -> SeriesSamples:
        """Samples by positions, or by a mask (N,)."""

        def taken(part: npt.NDArray[Any] | None) -> Any:
            return None if part is None else part[chosen]

        return replace(
            self,
            sensors=tuple(sensor.rows(chosen) for sensor in self.sensors),
            labels=taken(self.labels),
            groups=self.groups.iloc[chosen].reset_index(drop=True),
            geometry=taken(self.geometry),
            lonlat=taken(self.lonlat),
        )

    def until(self, day: float, season_start: str) -> SeriesSamples:
        """Leave out all dates later than ``day`` of each sample's season.

        Parameters
        ----------
        day : days since the season's start, the last that is kept.
        season_start : month and day, ``MM-DD``.
        """
        return self._without([days > day for days in self.days(season_start)])

    def until_date(self, last: np.datetime64) -> SeriesSamples:
        """Leave out all dates later than ``last``."""
        return self._without([sensor.dates > last for sensor in self.sensors])

    def _without(self, left_out: Sequence[npt.NDArray[np.bool_]]) -> SeriesSamples:
        """Leave out dates (N, T) of each sensor."""
        cut = []
        for sensor, later in zip(self.sensors, left_out, strict=True):
            kept = np.asarray(~later.all(axis=0))
            kept[:1] |= not kept.any()  # a series keeps a place, though it has no date
            dates = np.where(later, _NO_DATE, sensor.dates)[:, kept]
            cut.append(replace(sensor, values=sensor.values[:, kept], dates=dates))
        return replace(self, sensors=tuple(cut))


def _beside(dates: npt.NDArray[np.bool_], ndim: int) -> npt.NDArray[np.bool_]:
    """Give a mask (N, T) the axes that broadcasting with ``ndim`` axes needs."""
    return dates.reshape(*dates.shape, *[1] * (ndim - 2))


def number_classes(names: Sequence[str | None]) -> tuple[npt.NDArray[np.intp], Legend]:
    """Number class names: indexes (N,) into a legend of the sorted names, -1 where there is none.

    Raises
    ------
    OptionError
        When there is no name at all.
    """
    known = sorted({name for name in names if name is not None})
    if not known:
        raise OptionError("No sample has a class; check the column of classes.")
    classes = tuple(
        MapClass(value, name, color)
        for value, (name, color) in enumerate(zip(known, choose_colors(known), strict=True), 1)
    )
    index = {name: i for i, name in enumerate(known)}
    return np.array([-1 if name is None else index[name] for name in names], np.intp), Legend(
        classes
    )
