"""Settings for reading tables of series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import listed, nearest_names

__all__ = ["SENSOR", "SeriesTableOptions", "bands_by_sensor"]

SENSOR = "images"
"""Name of the sensor where there is a single one that nobody named, as of stacks."""


@dataclass(frozen=True)
class SeriesTableOptions:
    """Settings for reading tables of series, where the files leave something open.

    Attributes
    ----------
    class_column, target : column of class names, or of values; one of them, or none where nothing is known.
    id_column : column that tells samples apart; it joins a second file with the labels, and the rows of a
        long table. None takes ``id`` where a long table has it.
    date_column : column of a long table with the date of each row.
    sensor_bands : bands of each sensor, by its name; all bands are of one sensor where it is empty.
    dates : dates of the numbered columns of a wide table (``NAME_01``), in their order.
    column_pattern : regular expression for headers of series, with the group ``band`` and one of ``date``,
        ``doy`` (day of the year) and ``number``.
    year_column : column with the year of the days of the year.
    nodata : number that stands for a missing value.
    quantity : of the values, such as ``reflectance``.
    """

    class_column: str | None = None
    target: str | None = None
    id_column: str | None = None
    date_column: str = "date"
    sensor_bands: Mapping[str, Sequence[str]] = field(default_factory=dict)
    dates: Sequence[str] = ()
    column_pattern: str | None = None
    year_column: str = "year"
    nodata: float | None = None
    quantity: str = "reflectance"

    def __post_init__(self) -> None:
        """Check that classes or values are learnt, not both."""
        if self.class_column is not None and self.target is not None:
            raise OptionError(
                "Give either `class_column=` (names) or `target=` (values), one of them."
            )


def bands_by_sensor(
    present: Sequence[str], sensors: Mapping[str, Sequence[str]], title: str
) -> dict[str, list[str]]:
    """Assign the bands of a table to its sensors.

    Raises
    ------
    OptionError
        When a named band is not in the table, or is named twice.
    """
    if not sensors:
        return {SENSOR: list(present)}
    named = [band for bands in sensors.values() for band in bands]
    twice = sorted({band for band in named if named.count(band) > 1})
    if twice:
        raise OptionError(f"`sensor_bands=` names {listed(twice)} twice; a band is of one sensor.")
    absent = [band for band in named if band not in present]
    if absent:
        raise OptionError(
            f"{title} has no band {absent[0]!r}{nearest_names(absent[0], present)}; its bands are "
            f"{listed(present, 16) or 'none'}."
        )
    return {name: list(bands) for name, bands in sensors.items()}
