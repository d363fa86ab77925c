"""Cleaning of maps on disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from georaster_dl.cleaning.files import (
    ClassMap,
    mapped_pixels,
    open_class_map,
    opened_probabilities,
)
from georaster_dl.cleaning.options import CleaningOptions
from georaster_dl.cleaning.steps import clean_pixels
from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, SceneStarted, no_report, warner
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.output.staged_raster import Sink, StagedRaster
from georaster_dl.io.output.staging import FailedOutput, Staging
from georaster_dl.io.output.writer import RasterWriter
from georaster_dl.io.shown import ShownResult
from georaster_dl.render.qml import write_class_style

__all__ = ["Cleaned", "clean_map", "clean_staged"]


@dataclass(frozen=True)
class Cleaned(ShownResult):
    """Result of cleaning a map.

    Attributes
    ----------
    files : that it made.
    counts : pixels of each class, by name.
    pixels : of all classes.
    changed : pixels of another class than before.
    sieved : areas that were too small and joined a neighbour.
    failed : the style, where it could not be made; it was warned of.
    """

    files: tuple[Path, ...]
    counts: dict[str, int]
    pixels: int
    changed: int
    sieved: int
    seconds: float
    failed: tuple[FailedOutput, ...] = ()


def clean_map(
    path: Path,
    output: Path,
    options: CleaningOptions,
    *,
    probabilities: Path | None = None,
    overwrite: bool = False,
    report: Report = no_report,
    begin: Callable[[int], Callable[[int], None]] = lambda _total: lambda _done: None,
) -> Cleaned:
    """Clean a map of classes; legend, colours, provenance and nodata are those of the map.

    Memory grows with the number of areas, not with the pixels; while it works, a copy of the map as
    plain numbers lies beside the output.

    Parameters
    ----------
    path : map that geodl made, or any raster of one band of whole numbers.
    output : GeoTIFF (COG) to make.
    probabilities : of its classes, for smoothing; None takes ``*_probabilities.tif`` beside the map.
    begin : called with the pixels to do; returns the function that is called with those done.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the map, the probabilities, the options or the output; nothing is left behind.
    """
    begun = time.monotonic()
    if not options.cleans:
        raise OptionError(
            "Nothing is asked for: give `smooth=True`, `majority=3`, `sieve='0.5ha'`, or several of them."
        )
    if options.smooth and probabilities is None:
        probabilities = _beside(path)
    inputs = [path] if probabilities is None else [path, probabilities]
    with gdal_environment():
        mapped = open_class_map(path)
        report(SceneStarted("cpu", path.name, *mapped.shape))
        with Staging(output, overwrite=overwrite, protect=inputs, warn=warner(report)) as stage:
            style = partial(write_class_style, legend=mapped.legend)
            with StagedRaster(
                stage, output, mapped.geobox, mapped.spec(options.text), style
            ) as raster:
                found = _clean(
                    mapped, options, probabilities, stage.path(output), raster.write, begin
                )
                raster.finish()
    counts, changed, sieved = found
    seconds = time.monotonic() - begun
    return Cleaned((output,), counts, sum(counts.values()), changed, sieved, seconds, stage.failed)


def clean_staged(
    path: Path, options: CleaningOptions, probabilities: Path | None
) -> dict[str, int]:
    """Clean a map that a run has just made, in its place; its sidecars stay.

    Returns
    -------
    Pixels of each class, by name.
    """
    mapped = open_class_map(path)
    made = path.with_name(f"cleaned-{path.name}")
    with RasterWriter(made, mapped.geobox, spec=mapped.spec(options.text)) as writer:
        counts, _changed, _sieved = _clean(mapped, options, probabilities, made, writer.write)
    made.replace(path)
    return counts


def _clean(
    mapped: ClassMap,
    options: CleaningOptions,
    probabilities: Path | None,
    beside: Path,
    write: Sink,
    begin: Callable[[int], Callable[[int], None]] = lambda _total: lambda _done: None,
) -> tuple[dict[str, int], int, int]:
    """Clean a map: pixels of each class, pixels that changed, areas that were sieved."""
    legend = mapped.legend
    counts = np.zeros(np.iinfo(legend.dtype).max + 1, np.int64)
    changed = 0
    progress = begin((1 + len(options.asked)) * mapped.shape[0] * mapped.shape[1])
    with ExitStack() as stack:
        pixels = stack.enter_context(mapped_pixels(mapped, beside.parent))
        planes = (
            stack.enter_context(
                opened_probabilities(probabilities, mapped.geobox, mapped.path.name)
            )
            if options.smooth and probabilities is not None
            else None
        )
        sieved = clean_pixels(pixels, legend, mapped.geobox, options, planes, progress)
        for rows, before in mapped.strips():
            after = np.array(pixels[rows])
            write(rows, slice(0, mapped.shape[1]), after[None])
            counts += np.bincount(after.ravel(), minlength=counts.size)
            changed += int((after != before).sum())
            progress(after.size)
    return {entry.name: int(counts[entry.value]) for entry in legend.classes}, changed, sieved


def _beside(path: Path) -> Path:
    """Find the probabilities beside a map, as segment names them."""
    found = path.with_name(f"{path.stem}_probabilities.tif")
    if not found.is_file():
        raise OptionError(
            f"Smoothing needs the probabilities of the classes, but there is no {found}; map again with "
            f"`probabilities=True`, or name the raster: `probabilities=...`."
        )
    return found
