"""Classes and values of whole parcels from a stack, in one pass."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, SceneStarted, Warned, no_report, warner
from georaster_dl.core.geography import centre_of
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.core.wording import counted
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.labels.zones import write_zones
from georaster_dl.io.output.staging import FailedOutput, Staging
from georaster_dl.io.stacks.stack import TimeStack
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import load_model, read_card
from georaster_dl.models.package.series import CardSeries
from georaster_dl.models.runtime.device import Device
from georaster_dl.models.runtime.uncertainty import entropy
from georaster_dl.predict.limitations import run_limitations
from georaster_dl.predict.matching.doubts import stack_values_warning
from georaster_dl.predict.matching.stack_match import (
    dates_of,
    dates_warning,
    match_stack,
    series_of,
)
from georaster_dl.predict.progress import Progress
from georaster_dl.timeseries.checks import check_columns, check_minimum_dates
from georaster_dl.timeseries.parcels.network import ParcelNetwork, Predicted
from georaster_dl.timeseries.parcels.shapes import measure_shapes
from georaster_dl.timeseries.parcels.zones import Members, Parcels, read_parcels, stack_windows

__all__ = ["ClassifiedParcels", "ParcelOptions", "classify_parcels"]


@dataclass(frozen=True)
class ParcelOptions:
    """How parcels are classified.

    Attributes
    ----------
    minimum_dates : clear dates below which a parcel is flagged; None takes the fewest of the training.
    device : where the network runs.
    overwrite : replace the output where it exists.
    layer : of a vector file that has several; None takes the only one.
    """

    minimum_dates: int | None = None
    device: str = "auto"
    overwrite: bool = False
    layer: str | None = None

    def __post_init__(self) -> None:
        """Check the number of dates."""
        check_minimum_dates(self.minimum_dates)


@dataclass(frozen=True)
class ClassifiedParcels:
    """Parcels that were classified.

    Attributes
    ----------
    files : that were made.
    counts : parcels of each class, by name; empty for values.
    parcels : number of polygons.
    unclassified : those beside the stack or without a clear date.
    few_dates : those with fewer clear dates than asked for.
    pixels : of the stack.
    failed : extra outputs that could not be made; there are none.
    """

    files: tuple[Path, ...]
    counts: dict[str, int]
    parcels: int
    unclassified: int
    few_dates: int
    pixels: int
    seconds: float
    failed: tuple[FailedOutput, ...] = ()


def classify_parcels(
    stack: TimeStack,
    polygons: Path,
    model: Path,
    out: Path,
    options: ParcelOptions | None = None,
    report: Report = no_report,
) -> ClassifiedParcels:
    """Predict a class, or values, of every parcel of a file from all its pixels.

    The stack is read once, window by window; of a parcel, sums are kept from its first to its last pixel. The order and
    size of the windows change nothing but rounding.

    Parameters
    ----------
    polygons : vector file, in any CRS.
    model : package of a network of series of pixels or parcels.
    out : GeoPackage to make: the polygons with all attributes and, of a model of classes, ``class_predicted``,
        ``confidence``, ``uncertainty`` and ``p_<class>``, else the values; ``clear_dates``, ``few_dates``,
        ``decisive_date`` of a network with attention, ``n_pixels`` and ``small``: no pixel's centre is inside.
    report : called with ``start``, ``progress`` and ``warning`` events.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with stack, polygons, model or output; nothing is left behind.
    """
    options, begun = options or ParcelOptions(), time.monotonic()
    series = _check_request(out, model)
    card, network = load_model(model)
    stack = match_stack(stack, card)
    dates = dates_of(stack, card)
    for warning in filter(None, [dates_warning(dates, card)]):
        report(Warned(warning))
    device = Device.choose(options.device, "fp32")
    sums = ParcelNetwork(card, network, [own.days for own in dates], device.torch_device)
    protect: list[Path | str] = [polygons, model]
    if out.exists():
        protect += stack.source_files()
    staging = Staging(out, overwrite=options.overwrite, protect=protect, warn=warner(report))
    with gdal_environment(), staging as stage:
        frame = read_parcels(polygons, LabelOptions(layer=options.layer))
        parcels = Parcels(frame, stack.geobox, str(polygons))
        shapes = measure_shapes(frame, stack.geobox, parcels.counts, str(polygons))
        found = _Found(len(frame), card, stack, attends=hasattr(network, "attention"))
        check_columns(str(polygons), frame.columns, found.columns(parcels, 0))
        for warning in filter(None, [stack_values_warning(stack, card)]):
            report(Warned(warning))
        rows, cols = stack.shape
        report(SceneStarted(device.name, stack.name, rows, cols))
        progress = Progress(rows * cols, report)
        for done in _finished_parcels(stack, parcels, sums, progress):
            found.take(done, sums.finish(done.tolist(), shapes[done]))
        fewest = series.dates[0] if options.minimum_dates is None else options.minimum_dates
        columns = found.columns(parcels, fewest)
        _check_any(found, polygons)
        write_zones(stage.path(out), frame, columns, None if card.targets else card.legend)
    unclassified, counts = int((~found.known).sum()), found.counts()
    if unclassified:
        message = f"{unclassified:,} of {counted(len(frame), 'parcel')} lie beside the stack or have no clear date, so without a prediction"
        report(Warned(message))
    for message in run_limitations(card, model.stem, counts, centre_of(stack.geobox)):
        report(Warned(message))
    return ClassifiedParcels(
        (out,),
        counts,
        len(frame),
        unclassified,
        int(columns["few_dates"].sum()),
        rows * cols,
        time.monotonic() - begun,
    )


def _check_request(out: Path, model: Path) -> CardSeries:
    """Refuse an output that is no GeoPackage, and a model that reads no parcels; returns the model's time axis."""
    if out.suffix.lower() != ".gpkg":
        raise OptionError(f"Parcels are written as a GeoPackage, but got {out}; end it in .gpkg.")
    card = read_card(model)
    series = series_of(card)
    if series.unit == "patch":
        raise OptionError(
            f"{card.name} maps patches, and reads no parcels; map the stack with it, or use a model of pixels or parcels."
        )
    return series


def _finished_parcels(
    stack: TimeStack, parcels: Parcels, sums: ParcelNetwork, progress: Progress
) -> Iterator[npt.NDArray[np.int64]]:
    """Add the pixels of all windows, and yield the parcels whose last row has passed."""
    order = np.argsort(parcels.last_rows, kind="stable")
    order = order[parcels.counts[order] > 0]
    ends = parcels.last_rows[order]
    done = 0
    for rows, cols, members, series in _windows(stack, parcels):
        above = int(np.searchsorted(ends, rows.start))
        if above > done:
            yield order[done:above]
            done = above
        if series:
            sums.add(members.parcel, series)
        progress((rows.stop - rows.start) * (cols.stop - cols.start))
    if done < len(order):
        yield order[done:]


def _windows(
    stack: TimeStack, parcels: Parcels
) -> Iterator[tuple[slice, slice, Members, list[npt.NDArray[np.float32]]]]:
    """Yield windows with the pixels of parcels and their values (T, B, n), none of a window without parcels.

    The next window is read in a thread while this one is computed.
    """

    def read(
        window: tuple[slice, slice],
    ) -> tuple[slice, slice, Members, list[npt.NDArray[np.float32]]]:
        members = parcels.members(*window)
        series = reader.read(*window) if len(members.parcel) else ()
        return *window, members, [own[:, :, members.rows, members.cols] for own in series]

    with ThreadPoolExecutor(1) as pool:  # the reader belongs to its thread
        reader = stack.reader()
        pool.submit(reader.__enter__).result()
        try:
            waiting: Future[Any] | None = None
            for window in stack_windows(stack):
                current, waiting = waiting, pool.submit(read, window)
                if current is not None:
                    yield current.result()
            if waiting is not None:
                yield waiting.result()
        finally:
            pool.submit(reader.__exit__).result()


class _Found:
    """Predictions of all parcels, collected as they are finished."""

    def __init__(self, n: int, card: Card, stack: TimeStack, *, attends: bool) -> None:
        self._card, self._stack, self._attends = card, stack, attends
        self._outputs = np.full((n, card.outputs), np.nan, np.float32)
        self._clear = np.zeros(n, np.int64)
        self._decisive = np.full(n, None, object)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """(n,) True where there is a prediction."""
        return np.asarray(np.isfinite(self._outputs).all(axis=1))

    def take(self, parcels: npt.NDArray[np.int64], predicted: Predicted) -> None:
        """Take predictions; those of parcels without a clear date are none."""
        clear = np.sum([valid.sum(axis=1) for valid in predicted.valid], axis=0)
        self._clear[parcels] = clear
        self._outputs[parcels] = np.where(clear[:, None] > 0, predicted.outputs, np.nan)
        if predicted.attention is not None:
            dates = [day.isoformat() for sensor in self._stack.sensors for day in sensor.dates]
            largest = np.concatenate(predicted.attention, axis=1).argmax(axis=1)
            decisive = np.array(dates, object)[largest]
            self._decisive[parcels] = np.where(clear > 0, decisive, None)

    def counts(self) -> dict[str, int]:
        """Number of parcels of each class; empty for values."""
        if self._card.targets:
            return {}
        names = self._card.legend.names
        counts = np.bincount(self._outputs[self.known].argmax(axis=1), minlength=len(names))
        return dict(zip(names, counts.tolist(), strict=True))

    def columns(self, parcels: Parcels, fewest: int) -> dict[str, npt.NDArray[Any]]:
        """Make the columns of the output, null where there is no prediction.

        Class, confidence, uncertainty and the probability of each class, or the values; then clear dates, whether
        these are too few, the date with the largest attention, and pixels and whether these are only touched.
        """
        made = self._values() if self._card.targets else self._classes()
        made["clear_dates"] = self._clear
        made["few_dates"] = self._clear < fewest
        if self._attends:
            made["decisive_date"] = self._decisive
        made["n_pixels"], made["small"] = parcels.counts, parcels.small
        return made

    def _values(self) -> dict[str, npt.NDArray[Any]]:
        names = [target.name for target in self._card.targets]
        return {name: self._outputs[:, i].astype(np.float64) for i, name in enumerate(names)}

    def _classes(self) -> dict[str, npt.NDArray[Any]]:
        known, names = self.known, np.array(self._card.legend.names, object)
        probabilities = self._outputs.astype(np.float64)
        predicted = np.full(len(known), None, object)
        predicted[known] = names[probabilities[known].argmax(axis=1)]
        uncertainty = np.full(len(known), np.nan)
        uncertainty[known] = entropy(torch.from_numpy(probabilities[known].T)).numpy()
        return {
            "class_predicted": predicted,
            "confidence": probabilities.max(axis=1),
            "uncertainty": uncertainty,
            **{f"p_{name}": probabilities[:, i] for i, name in enumerate(names)},
        }


def _check_any(found: _Found, polygons: Path) -> None:
    if not found.known.any():
        raise OptionError(
            f"No parcel of {polygons} has a clear date on the stack; check the mask, the dates and the polygons' place."
        )
