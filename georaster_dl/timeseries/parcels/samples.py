"""Labelled samples of a stack: pixels drawn from parcels, or single labelled pixels."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, SceneStarted, Warned, no_report
from georaster_dl.core.geography import lonlat_of_pixels
from georaster_dl.core.legend import Legend
from georaster_dl.core.process import available_memory
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.core.wording import counted
from georaster_dl.io.labels.read import (
    is_vector,
    open_class_labels,
    read_features,
    read_legend,
)
from georaster_dl.io.labels.zones import read_zones
from georaster_dl.io.stacks.stack import TimeStack
from georaster_dl.io.vectors.placing import in_degrees
from georaster_dl.predict.progress import Progress
from georaster_dl.timeseries.parcels.draw import PixelDraw, Pixels
from georaster_dl.timeseries.parcels.shapes import measure_shapes
from georaster_dl.timeseries.parcels.zones import Parcels, read_parcels, stack_windows
from georaster_dl.timeseries.samples import SensorSamples, SeriesSamples

__all__ = ["SampleOptions", "samples_of_parcels", "samples_of_pixels"]

_BLOCK = 32  # pixels: side of the squares that a split can keep together


@dataclass(frozen=True)
class SampleOptions:
    """How samples are drawn from a stack.

    Attributes
    ----------
    labels : how the labels are read.
    pixels : drawn of each parcel at most.
    per_class : single pixels drawn of each class at most.
    seed : of the drawing.
    """

    labels: LabelOptions = field(default_factory=LabelOptions)
    pixels: int = 64
    per_class: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if min(self.pixels, self.per_class) < 1:
            raise OptionError(
                f"`pixels=` and `per_class=` are at least 1, but got {self.pixels} and {self.per_class}."
            )


def samples_of_parcels(
    stack: TimeStack,
    polygons: Path,
    options: SampleOptions | None = None,
    report: Report = no_report,
) -> SeriesSamples:
    """Draw the pixels of labelled parcels, and read their series in one pass over a stack.

    The pixels of a parcel follow from the seed and their place alone. Parcels beside the stack, and those without
    a label, are left out, which the remarks say.

    Parameters
    ----------
    polygons : vector file whose field ``options.labels.class_field`` holds the classes.
    report : called with ``start``, ``progress`` and ``warning`` events.

    Returns
    -------
    Samples of sets (N, T, B, pixels), NaN behind the last pixel of a parcel with fewer; ``groups`` are the attributes
    of the polygons, their id as ``parcel``, and ``small``: whether no pixel's centre is theirs.

    Raises
    ------
    GeoRasterError
        When stack or polygons cannot be read, no labelled parcel lies on the stack, or the samples do not fit
        into the memory.
    """
    options = options or SampleOptions()
    frame = read_parcels(polygons, options.labels)
    legend = read_legend([polygons], options.labels)
    labels = _label_indexes(polygons, options.labels, legend)
    parcels = Parcels(frame, stack.geobox, str(polygons))
    used = np.flatnonzero((parcels.counts > 0) & (labels >= 0))
    remarks = _left_out(parcels, labels, str(polygons), report)
    if not len(used):
        raise OptionError(
            f"No labelled parcel of {polygons} lies on {stack.name}; check its place and `class_field=`."
        )
    place = np.full(len(frame), -1)
    place[used] = np.arange(len(used))
    draw = PixelDraw(options.pixels, options.seed)
    for rows, cols in stack_windows(stack):
        members = parcels.members(rows, cols)
        group = place[members.parcel]
        known = group >= 0
        draw.add(group[known], members.rows[known] + rows.start, members.cols[known] + cols.start)
    drawn = draw.drawn()
    values = _read(stack, drawn, (len(used), int(drawn.slot.max()) + 1), report)
    chosen = frame.iloc[used]
    centres = in_degrees(geopandas.GeoDataFrame(geometry=chosen.geometry.representative_point()))
    return SeriesSamples(
        name=f"{polygons.name} on {stack.name}",
        sensors=_sensors(stack, values),
        labels=labels[used],
        legend=legend,
        groups=_attributes(chosen).assign(parcel=chosen.index, small=parcels.small[used]),
        geometry=measure_shapes(chosen, stack.geobox, parcels.counts[used], str(polygons)),
        lonlat=np.stack([centres.geometry.x, centres.geometry.y], axis=1),
        mask=stack.mask,
        resolution_m=stack.resolution_m,
        remarks=remarks,
    )


def samples_of_pixels(
    stack: TimeStack,
    labels: Path,
    options: SampleOptions | None = None,
    report: Report = no_report,
) -> SeriesSamples:
    """Draw labelled pixels, up to a number of each class, and read their series in one pass over a stack.

    Parameters
    ----------
    labels : raster, polygons, lines or points.
    report : called with ``start``, ``progress`` and ``warning`` events.

    Returns
    -------
    Samples of pixels (N, T, B). ``groups`` are ``block``, a square of 32 pixels that a split should keep together,
    and of polygons ``parcel``, their id.

    Raises
    ------
    GeoRasterError
        When stack or labels cannot be read, no label lies on the stack, or the samples do not fit into the memory.
    """
    options = options or SampleOptions()
    legend = read_legend([labels], options.labels)
    draw = PixelDraw(options.per_class, options.seed)
    with closing(open_class_labels(labels, stack.geobox, legend, options.labels)) as opened:
        for rows, cols in stack_windows(stack):
            classes = opened.read(rows, cols)
            at_rows, at_cols = np.nonzero(classes >= 0)
            draw.add(
                classes[at_rows, at_cols].astype(np.int64),
                at_rows + rows.start,
                at_cols + cols.start,
            )
    drawn = draw.drawn()
    if not len(drawn):
        raise OptionError(
            f"No label of {labels} lies on {stack.name}; check its place and `class_field=`."
        )
    each = Pixels(np.arange(len(drawn)), np.zeros(len(drawn), np.int64), drawn.rows, drawn.cols)
    values = _read(stack, each, (len(drawn), 1), report)
    groups = _pixel_groups(stack, labels, options.labels, drawn)
    return SeriesSamples(
        name=f"{labels.name} on {stack.name}",
        sensors=_sensors(stack, [own[..., 0] for own in values]),
        labels=drawn.group,
        legend=legend,
        groups=groups,
        together="parcel" if "parcel" in groups else "block",
        lonlat=lonlat_of_pixels(stack.geobox, drawn.rows + 0.5, drawn.cols + 0.5),
        mask=stack.mask,
        resolution_m=stack.resolution_m,
    )


def _label_indexes(path: Path, options: LabelOptions, legend: Legend) -> npt.NDArray[np.intp]:
    """(polygons,) index into the legend, -1 where a polygon has no class."""
    index: dict[Any, int] = {c.name: i for i, c in enumerate(legend.classes)}
    index |= {c.value: i for i, c in enumerate(legend.classes)}
    label = read_features(path, options)["label"]
    return np.asarray(label.map(index).fillna(-1), np.intp)


def _left_out(
    parcels: Parcels, labels: npt.NDArray[np.intp], title: str, report: Report
) -> tuple[str, ...]:
    """Report and give the remarks on parcels that are no samples, or have no pixel to themselves."""
    labelled = labels >= 0
    numbers = {
        "beside the stack, left out": int((parcels.counts == 0).sum()),
        "without a class, left out": int((~labelled & (parcels.counts > 0)).sum()),
        "without a pixel's centre, which have the pixels that they touch": int(
            (parcels.small & labelled).sum()
        ),
    }
    remarks = tuple(
        f"{counted(number, 'parcel')} of {title} {what}"
        for what, number in numbers.items()
        if number
    )
    for remark in remarks:
        report(Warned(remark))
    return remarks


def _read(
    stack: TimeStack, pixels: Pixels, shape: tuple[int, int], report: Report
) -> list[npt.NDArray[np.float32]]:
    """Values (groups, T, B, slots) of each sensor of drawn pixels, NaN where none was drawn."""
    groups, slots = shape
    planes = sum(len(sensor.dates) * len(sensor.bands) for sensor in stack.sensors)
    needed, free = 4 * groups * slots * planes, available_memory()
    if needed > 0.8 * free:
        raise OptionError(
            f"{counted(groups, 'sample')} of {counted(slots, 'pixel')} take {needed / 2**30:.3g} GiB, but {free / 2**30:.3g} GiB "
            f"of memory are free; draw fewer (`pixels=`, `per_class=`), or name fewer bands or dates."
        )
    rows, cols = stack.shape
    report(SceneStarted("cpu", stack.name, rows, cols))
    progress = Progress(rows * cols, report)
    values = [
        np.full((groups, len(s.dates), len(s.bands), slots), np.nan, np.float32)
        for s in stack.sensors
    ]
    with stack.reader() as reader:
        for window in stack_windows(stack):
            here = pixels.inside(*window)
            if len(here):
                place = pixels.rows[here] - window[0].start, pixels.cols[here] - window[1].start
                for out, series in zip(values, reader.read(*window), strict=True):
                    taken = series[:, :, place[0], place[1]]
                    out[pixels.group[here], :, :, pixels.slot[here]] = np.moveaxis(taken, 2, 0)
            progress((window[0].stop - window[0].start) * (window[1].stop - window[1].start))
    return values


def _sensors(stack: TimeStack, values: list[npt.NDArray[np.float32]]) -> tuple[SensorSamples, ...]:
    return tuple(
        SensorSamples(s.name, s.bands, own, np.array(s.dates, "datetime64[D]"))
        for s, own in zip(stack.sensors, values, strict=True)
    )


def _attributes(frame: geopandas.GeoDataFrame) -> pd.DataFrame:
    return pd.DataFrame(frame.drop(columns=frame.geometry.name)).reset_index(drop=True)


def _pixel_groups(
    stack: TimeStack, labels: Path, options: LabelOptions, drawn: Pixels
) -> pd.DataFrame:
    blocks = [
        f"{row} {col}" for row, col in zip(drawn.rows // _BLOCK, drawn.cols // _BLOCK, strict=True)
    ]
    groups = pd.DataFrame({"block": blocks})
    if not is_vector(labels):
        return groups
    features = read_features(labels, options)
    if not set(features.geom_type) <= {"Polygon", "MultiPolygon"}:
        return groups
    zones = read_zones(labels, options)
    parcels = Parcels(zones, stack.geobox, str(labels))
    number = np.full(len(drawn), -1)
    for rows, cols in stack_windows(stack):
        here = drawn.inside(rows, cols)
        members = parcels.members(rows, cols)
        grid = np.full((rows.stop - rows.start, cols.stop - cols.start), -1)
        grid[members.rows, members.cols] = members.parcel
        number[here] = grid[drawn.rows[here] - rows.start, drawn.cols[here] - cols.start]
    ids = np.where(number >= 0, zones.index.to_numpy()[number], -1)
    return groups.assign(parcel=ids)
