"""Options that name labelled samples of series: a table, or a stack of dated scenes with labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report

from ..options.groups import option_group
from ..options.labels import LABEL_OPTIONS, labels_reading
from ..options.shared import INPUT_FILE
from ..options.stacks import STACK_OPTIONS, StackArguments, stack_arguments

if TYPE_CHECKING:
    from georaster_dl.timeseries.learning.options import SeriesTrainOptions
    from georaster_dl.timeseries.samples import SeriesSamples
    from georaster_dl.timeseries.sources import SampleReading
    from georaster_dl.timeseries.tables.options import SeriesTableOptions

__all__ = ["SampleSource", "source_options", "table_options", "table_reading"]


@dataclass(frozen=True)
class SampleSource:
    """Table of series, or stack with labels.

    Attributes
    ----------
    stack : what was named, with the options of scenes.
    labels : second table, or labels of a stack.
    reading : how samples are read.
    """

    stack: StackArguments
    labels: Path | None
    reading: SampleReading

    @property
    def files(self) -> list[Path]:
        """Files that no output may replace."""
        named = [Path(text) for text in (*self.stack.given, *self.stack.sensors.values())]
        return [*named, *([] if self.labels is None else [self.labels])]

    def samples(self, training: SeriesTrainOptions, report: Report) -> SeriesSamples:
        """Read the table, or draw samples from the stack."""
        from georaster_dl.timeseries.sources import read_samples

        source = self.stack.tables or self.stack.open()
        return read_samples(source, self.labels, self.reading, training, report)


def _sensor_bands(values: tuple[str, ...]) -> dict[str, list[str]]:
    sensors: dict[str, list[str]] = {}
    for text in values:
        name, _, bands = text.partition("=")
        named = [band.strip() for band in bands.split(",") if band.strip()]
        if not name.strip() or not named or name.strip() in sensors:
            raise OptionError(
                f"`sensor_bands='{text}'` is no sensor; give each a name of its own and its bands, as in S1=VV,VH."
            )
        sensors[name.strip()] = named
    return sensors


def table_reading(**options: Any) -> SeriesTableOptions:
    """Make the options of tables from the values of ``TABLE_OPTIONS``."""
    from georaster_dl.timeseries.tables.options import SeriesTableOptions

    options["sensor_bands"] = _sensor_bands(options["sensor_bands"])
    options["dates"] = tuple(day for day in (options["dates"] or "").split(",") if day)
    return SeriesTableOptions(**options)


_TABLE_OPTIONS = (
    click.option(
        "--id-column",
        metavar="NAME",
        help="Column that tells samples apart: in tables with a row a date, and to join a second file.",
    ),
    click.option(
        "--date-column",
        metavar="NAME",
        default="date",
        show_default=True,
        help="Column of dates in tables with a row a date.",
    ),
    click.option(
        "--sensor-bands",
        multiple=True,
        metavar="NAME=BAND,...",
        help="Bands of one of a table's sensors, with dates of its own: --sensor-bands S1=VV,VH.",
    ),
    click.option(
        "--dates",
        metavar="DATE,...",
        help="Dates of a table's numbered columns (NDVI_01, NDVI_02, ...), in their order.",
    ),
    click.option(
        "--column-pattern",
        metavar="REGEX",
        help="Regular expression for a table's headers of series, with the group (?P<band>...) and one of "
        "(?P<date>...), (?P<doy>...) and (?P<number>...).",
    ),
    click.option(
        "--year-column",
        metavar="NAME",
        default="year",
        show_default=True,
        help="Column of the year, where headers have days of the year (NDVI_doy_17).",
    ),
)
table_options = option_group("columns", dict, *_TABLE_OPTIONS)
"""How tables of series are read, beside --nodata; gives ``columns``, values for ``table_reading``."""

_OF_TABLES = ("id_column", "date_column", "sensor_bands", "dates", "column_pattern", "year_column")
_OF_LABELLED = ("class_column", "target", "quantity")
_OF_LABELS = (
    "layer",
    "class_field",
    "class_name",
    "classes",
    "ignore",
    "background",
    "width_m",
    "all_touched",
)


def _source(
    labels: Path | None,
    unit: Literal["pixel", "parcel"] | None,
    per_class: int,
    side: int,
    patches: int,
    **values: Any,
) -> SampleSource:
    from georaster_dl.timeseries.sources import SampleReading

    table = {name: values.pop(name) for name in (*_OF_TABLES, *_OF_LABELLED)}
    of_labels = {name: values.pop(name) for name in _OF_LABELS}
    reading = SampleReading(
        table_reading(nodata=values["nodata"], **table),
        labels_reading(**of_labels),
        unit,
        per_class,
        side,
        patches,
    )
    return SampleSource(stack_arguments(since=None, until=None, **values), labels, reading)


source_options = option_group(
    "source",
    _source,
    *STACK_OPTIONS,
    click.option(
        "--labels",
        type=INPUT_FILE,
        help="Labels of a stack (polygons, points, lines or a raster), or of a table in a second one.",
    ),
    *LABEL_OPTIONS,
    click.option(
        "--sample-unit",
        "unit",
        type=click.Choice(["pixel", "parcel"]),
        help="Sample of a stack: a labelled pixel, or a polygon with all its pixels. By default the kind that the "
        "network reads; one of pixels sees the mean of a parcel.",
    ),
    click.option(
        "--per-class",
        type=int,
        default=1000,
        show_default=True,
        help="Pixels to draw of each class of a stack.",
    ),
    click.option(
        "--side",
        type=int,
        default=64,
        show_default=True,
        metavar="PIXELS",
        help="Rows and cols of a patch of a stack, for networks of patches (utae).",
    ),
    click.option(
        "--patches",
        type=int,
        default=400,
        show_default=True,
        help="Patches to draw of a stack at most.",
    ),
    click.option("--class-column", metavar="NAME", help="Column of classes, instead of values."),
    click.option(
        "--target", metavar="NAME", help="Column of a table's values, instead of classes."
    ),
    *_TABLE_OPTIONS,
    click.option(
        "--quantity",
        default="reflectance",
        show_default=True,
        help="Quantity that a table's series hold.",
    ),
)
"""The samples that a network learns; the command gets a :class:`SampleSource`."""
