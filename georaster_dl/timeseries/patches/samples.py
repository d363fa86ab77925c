"""Samples of patches: square pieces of a stack with the labels of their pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, SceneStarted, no_report
from georaster_dl.core.geography import lonlat_of_pixels
from georaster_dl.core.process import available_memory
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.core.wording import counted
from georaster_dl.io.labels.read import ClassLabels, open_class_labels, read_legend
from georaster_dl.io.stacks.stack import TimeStack
from georaster_dl.predict.progress import Progress
from georaster_dl.timeseries.parcels.zones import stack_windows
from georaster_dl.timeseries.patches.strips import COL, ROW
from georaster_dl.timeseries.samples import SensorSamples, SeriesSamples

__all__ = ["PatchOptions", "samples_of_patches"]

_SIDES = range(16, 257, 8)
_COPIES = (
    2.5  # of all values while a network learns: parts of a split, and what is computed of them
)
_SHARE = 0.8  # of the free memory

_Labels = npt.NDArray[np.int16]


@dataclass(frozen=True)
class PatchOptions:
    """How patches are drawn from a stack.

    Attributes
    ----------
    labels : how the labels are read.
    side : rows and cols of a patch in pixels, a multiple of 8.
    patches : that are drawn at most, at random.
    seed : of the drawing.
    """

    labels: LabelOptions = field(default_factory=LabelOptions)
    side: int = 64
    patches: int = 400
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.side not in _SIDES:
            raise OptionError(
                f"`side={self.side}` must be a multiple of {_SIDES.step} from {_SIDES.start} to {_SIDES[-1]}."
            )
        if self.patches < 1:
            raise OptionError(f"`patches={self.patches}` must be 1 or more.")


@dataclass(frozen=True)
class _Patch:
    """A patch on the stack's grid, and the pixels of it that no patch before it has."""

    row: int
    col: int
    rows: slice
    cols: slice
    own_rows: slice
    own_cols: slice


def samples_of_patches(
    stack: TimeStack,
    labels: Path,
    options: PatchOptions | None = None,
    report: Report = no_report,
) -> SeriesSamples:
    """Cut labelled patches out of a stack, and read their series in one pass.

    Patches lie side by side from the top left; the last of a row or column is moved back into the stack, and has
    the labels of those pixels alone that the patch before it has not.

    Parameters
    ----------
    labels : raster, polygons, lines or points.
    report : called with ``start``, ``progress`` and ``warning`` events.

    Returns
    -------
    Samples (N, T, B, side, side) with labels (N, side, side), -1 where there is none or no date is clear. ``groups`` are
    ``patch_row`` and ``patch_col``, the place counted in patches.

    Raises
    ------
    GeoRasterError
        When stack or labels cannot be read, the stack is smaller than a patch, no label lies on a clear pixel, or
        the samples do not fit into the memory.
    """
    options = options or PatchOptions()
    legend = read_legend([labels], options.labels)
    if min(stack.shape) < options.side:
        raise OptionError(
            f"{stack.name} has {stack.shape[0]} x {stack.shape[1]} pixels, fewer than a patch; choose a smaller `side=`."
        )
    with closing(open_class_labels(labels, stack.geobox, legend, options.labels)) as opened:
        patches, remarks = _drawn(stack, opened, options)
        classes = _classes(opened, patches, options.side)
    if not patches:
        raise OptionError(
            f"No label of {labels} lies on {stack.name}; check its place and `class_field=`."
        )
    values = _read(stack, patches, report)
    sensors = tuple(
        SensorSamples(s.name, s.bands, own, np.array(s.dates, "datetime64[D]"))
        for s, own in zip(stack.sensors, values, strict=True)
    )
    clear = np.any([sensor.valid.any(axis=1) for sensor in sensors], axis=0)
    classes[~clear] = -1
    samples = SeriesSamples(
        name=f"{labels.name} on {stack.name}",
        sensors=sensors,
        labels=classes,
        legend=legend,
        groups=pd.DataFrame({ROW: [p.row for p in patches], COL: [p.col for p in patches]}),
        lonlat=_centres(stack, patches),
        mask=stack.mask,
        resolution_m=stack.resolution_m,
        remarks=remarks,
    )
    return samples if samples.known.all() else samples.rows(samples.known)


def _patches(n: int, side: int) -> list[tuple[slice, slice]]:
    """Pixels of the patches along an axis of ``n`` pixels, and those that no patch before has, counted in the patch."""
    starts = [min(first, n - side) for first in range(0, n, side)]
    return [
        (slice(start, start + side), slice(number * side - start, side))
        for number, start in enumerate(starts)
    ]


def _drawn(
    stack: TimeStack, labels: ClassLabels, options: PatchOptions
) -> tuple[list[_Patch], tuple[str, ...]]:
    """Draw patches with labels, in the order of rows, and say if some were left out."""
    found = []
    down, across = (_patches(n, options.side) for n in stack.shape)
    for row, (rows, own_rows) in enumerate(down):
        strip = labels.read(rows, slice(0, stack.shape[1])) >= 0
        for col, (cols, own_cols) in enumerate(across):
            if strip[own_rows, cols][:, own_cols].any():
                found.append(_Patch(row, col, rows, cols, own_rows, own_cols))
    if len(found) <= options.patches:
        return found, ()
    places = np.random.default_rng(options.seed).choice(len(found), options.patches, replace=False)
    remark = f"{options.patches:,} of {len(found):,} patches with labels were drawn, at random"
    return [found[place] for place in sorted(places)], (remark,)


def _classes(labels: ClassLabels, patches: list[_Patch], side: int) -> _Labels:
    """(N, side, side) index into the legend, -1 without a label and on pixels of another patch."""
    classes = np.full((len(patches), side, side), -1, np.int16)
    for out, patch in zip(classes, patches, strict=True):
        own = patch.own_rows, patch.own_cols
        out[own] = labels.read(patch.rows, patch.cols)[own]
    return classes


def _read(stack: TimeStack, patches: list[_Patch], report: Report) -> list[npt.NDArray[np.float32]]:
    """Values (N, T, B, side, side) of each sensor; every block of the stack is decoded once."""
    side = patches[0].rows.stop - patches[0].rows.start
    _check_memory(stack, len(patches), side)
    rows, cols = stack.shape
    report(SceneStarted("cpu", stack.name, rows, cols))
    progress = Progress(rows * cols, report)
    values = [
        np.full((len(patches), len(s.dates), len(s.bands), side, side), np.nan, np.float32)
        for s in stack.sensors
    ]
    with stack.reader() as reader:
        for window in stack_windows(stack):
            shared = list(_shared(patches, window))
            series = reader.read(*window) if shared else ()
            for out, own in zip(values, series, strict=bool(shared)):
                for number, (into_rows, into_cols), (from_rows, from_cols) in shared:
                    out[number][..., into_rows, into_cols] = own[..., from_rows, from_cols]
            progress((window[0].stop - window[0].start) * (window[1].stop - window[1].start))
    return values


def _shared(
    patches: list[_Patch], window: tuple[slice, slice]
) -> Iterator[tuple[int, tuple[slice, slice], tuple[slice, slice]]]:
    """Number of each patch that a window has pixels of, their place in the patch, and in the window."""
    for number, patch in enumerate(patches):
        spans = []
        for own, seen in zip((patch.rows, patch.cols), window, strict=True):
            first, last = max(own.start, seen.start), min(own.stop, seen.stop)
            if first < last:
                spans.append(
                    (
                        slice(first - own.start, last - own.start),
                        slice(first - seen.start, last - seen.start),
                    )
                )
        if len(spans) == 2:
            (into_rows, from_rows), (into_cols, from_cols) = spans
            yield number, (into_rows, into_cols), (from_rows, from_cols)


def _check_memory(stack: TimeStack, n: int, side: int) -> None:
    planes = sum(len(sensor.dates) * len(sensor.bands) for sensor in stack.sensors)
    of_one, free = 4 * _COPIES * side**2 * planes, available_memory()
    if n * of_one <= _SHARE * free:
        return
    raise OptionError(
        f"To learn from {counted(n, 'patch')} of {side} x {side} pixels and {planes} planes takes {n * of_one / 2**30:.3g} "
        f"GiB, but {free / 2**30:.3g} GiB of memory are free; draw {max(int(_SHARE * free / of_one), 1):,} patches or fewer "
        f"(`patches=`), or name fewer bands or dates."
    )


def _centres(stack: TimeStack, patches: list[_Patch]) -> npt.NDArray[np.float64] | None:
    rows, cols = (
        np.array([(span.start + span.stop) / 2 for span in spans])
        for spans in ([p.rows for p in patches], [p.cols for p in patches])
    )
    return lonlat_of_pixels(stack.geobox, rows, cols)
