"""Samples of series read from tables, or drawn from labels on a stack of dated scenes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, Warned, no_report
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.io.stacks.stack import TimeStack
from georaster_dl.models.registry import series_kind
from georaster_dl.timeseries.learning.options import SeriesTrainOptions
from georaster_dl.timeseries.parcels.samples import (
    SampleOptions,
    samples_of_parcels,
    samples_of_pixels,
)
from georaster_dl.timeseries.patches.samples import PatchOptions, samples_of_patches
from georaster_dl.timeseries.samples import SeriesSamples
from georaster_dl.timeseries.tables.options import SeriesTableOptions
from georaster_dl.timeseries.tables.read import read_series

__all__ = ["SampleReading", "read_samples"]

_DRAWN = 2  # times the pixels of a parcel that an epoch sees, so that each sees others


@dataclass(frozen=True)
class SampleReading:
    """How samples are read.

    Attributes
    ----------
    table : of tables.
    labels : of labels on a stack.
    unit : what a sample of a stack is; None goes by the network. One of pixels sees the mean of a parcel.
    per_class : single pixels that are drawn of each class at most.
    side : rows and cols of a patch, of networks of patches.
    patches : that are drawn at most.
    """

    table: SeriesTableOptions = field(default_factory=SeriesTableOptions)
    labels: LabelOptions = field(default_factory=LabelOptions)
    unit: Literal["pixel", "parcel"] | None = None
    per_class: int = 1000
    side: int = 64
    patches: int = 400


def read_samples(
    source: Sequence[Path] | TimeStack,
    labels: Path | None,
    reading: SampleReading,
    training: SeriesTrainOptions,
    report: Report = no_report,
) -> SeriesSamples:
    """Read the samples of a table, or draw labelled samples from a stack, for a network.

    Parameters
    ----------
    source : tables of point series, or a stack.
    labels : of a stack polygons, points, lines or a raster; of a table a second one, which is joined to it.
    training : whose network says what a sample is, and how many pixels of a parcel are drawn.
    report : called with ``start``, ``progress`` and ``warning`` events.

    Raises
    ------
    GeoRasterError
        When a file cannot be read, a stack has no labels, or nothing is labelled.
    """
    if not isinstance(source, TimeStack):
        samples = read_series([*source, *([] if labels is None else [labels])], reading.table)
        for remark in samples.remarks:
            report(Warned(remark))
        return samples
    for remark in source.remarks:
        report(Warned(remark))
    if labels is None:
        raise OptionError(
            "A stack of scenes needs labels; name a vector file or raster with `labels=`."
        )
    kind = series_kind(training.architecture)
    if kind == "patch":
        patches = PatchOptions(reading.labels, reading.side, reading.patches, training.seed)
        return samples_of_patches(source, labels, patches, report)
    drawing = SampleOptions(
        reading.labels, _DRAWN * training.pixels, reading.per_class, training.seed
    )
    if reading.unit == "parcel" or (reading.unit is None and kind == "set"):
        return samples_of_parcels(source, labels, drawing, report)
    return samples_of_pixels(source, labels, drawing, report)
