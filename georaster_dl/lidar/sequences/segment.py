"""Segmentation of sequences of a rotating LiDAR, slice by slice, with its latency."""

from __future__ import annotations

import csv
import json
import math
import time
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import BandMismatchError
from georaster_dl.core.events import Progressed, Report, no_report, warner
from georaster_dl.core.wording import counted
from georaster_dl.evaluation.metrics.confusion import Confusion
from georaster_dl.io.files.atomic import write_atomically
from georaster_dl.io.output.staging import FailedOutput
from georaster_dl.lidar.sequences.options import SegmentOptions
from georaster_dl.lidar.sequences.readers import Sequence, open_sequence
from georaster_dl.lidar.sequences.written import LabelWriter
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import load_model, read_card

if TYPE_CHECKING:
    from georaster_dl.lidar.sequences.segmenter import SegmentedRotation, Segmenter
    from georaster_dl.models.zoo.lidar.helix4d import Helix4D

__all__ = ["Latency", "SegmentedSequence", "segment_sequence"]

_WARM_UP = 2  # turns, after which the network remembers as much as ever


@dataclass(frozen=True)
class Latency:
    """Seconds from a point's firing to its class.

    Attributes
    ----------
    acquisition_s : that a slice is measured for, and its first point waits.
    inference_s : that the network takes for a slice, on average, without the first two turns.
    slowest_s : of all these slices.
    late : share of these slices that took longer than a slice is measured for.
    """

    acquisition_s: float
    inference_s: float
    slowest_s: float
    late: float

    @property
    def sum_s(self) -> float:
        """Acquisition and inference."""
        return self.acquisition_s + self.inference_s

    @property
    def real_time(self) -> bool:
        """Whether the network keeps pace with the sensor."""
        return self.inference_s <= self.acquisition_s


@dataclass(frozen=True)
class SegmentedSequence:
    """Result of segmenting a sequence.

    Attributes
    ----------
    folder : of the labels, and of latency.csv and summary.json.
    rotations, slices : number of rotations, and slices of each.
    points : of each class, by name.
    confusion : of the sequence's own labels; None where it has none of the model's classes.
    failed : extra outputs that could not be made; there are none.
    """

    folder: Path
    rotations: int
    slices: int
    points: dict[str, int]
    latency: Latency
    confusion: Confusion | None = field(repr=False)
    seconds: float
    failed: tuple[FailedOutput, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Plain values, as summary.json has them."""
        judged: dict[str, object] = {}
        if self.confusion is not None:
            scores = zip(self.confusion.names, self.confusion.iou, strict=True)
            judged = {
                "mean_iou": round(self.confusion.mean_iou, 4),
                "overall_accuracy": round(self.confusion.overall_accuracy, 4),
                "iou": {name: None if math.isnan(v) else round(float(v), 4) for name, v in scores},
            }
        return {
            "rotations": self.rotations,
            "slices": self.slices,
            "points": self.points,
            "acquisition_s": round(self.latency.acquisition_s, 4),
            "inference_s": round(self.latency.inference_s, 4),
            "latency_s": round(self.latency.sum_s, 4),
            "slowest_s": round(self.latency.slowest_s, 4),
            "late": round(self.latency.late, 4),
            "real_time": self.latency.real_time,
            **judged,
        }


def segment_sequence(
    source: Path,
    model: Path,
    out: Path,
    options: SegmentOptions | None = None,
    report: Report = no_report,
) -> SegmentedSequence:
    """Segment a sequence in the order of its acquisition, in the memory of a rotation.

    Parameters
    ----------
    source : folder or file that ``open_sequence`` reads.
    model : package of ``train_sequences``.
    out : folder for the labels of each scan in the layout of the sequence, a value for every point of the file and 0 where
        there is no return; latency.csv of each rotation and, last, summary.json.
    report : called with ``progress`` and ``warning`` events.

    Raises
    ------
    BandMismatchError
        When the model reads no LiDAR sequences.
    OutputError
        When labels exist and are not to be replaced, or cannot be written.
    GeoRasterError
        Whatever else is wrong with sequence or model.
    """
    begun, options, warn = time.monotonic(), options or SegmentOptions(), warner(report)
    card = read_card(model)
    if card.lidar is None:
        raise BandMismatchError(
            f"{card.name} reads images, and no LiDAR sequences; train a model with `train(task='lidar')`."
        )
    sequence = open_sequence(source)
    for remark in sequence.remarks:
        warn(remark)
    slices = card.lidar.slices if options.slices is None else options.slices
    writer = LabelWriter(sequence, out, card, overwrite=options.overwrite, inputs=[source, model])
    segmenter = _segmenter(model, slices, options.device)
    for doubt in _doubts(card, sequence):
        warn(doubt)
    run = _Run(sequence, card)
    for number, rotation in enumerate(sequence):
        found = segmenter.rotation(rotation, sequence.period_s)
        values = run.take(rotation.name, found, rotation.label)
        writer.write(number, rotation, values)
        left = (time.monotonic() - begun) / (number + 1) * (len(sequence) - number - 1)
        report(Progressed(number + 1, len(sequence), left))
    writer.close()
    write_atomically(out / "latency.csv", run.table())
    made = SegmentedSequence(
        out, len(sequence), slices, run.points(), run.latency(), run.judged(), time.monotonic() - begun
    )  # fmt: skip
    write_atomically(out / "summary.json", f"{json.dumps(made.to_dict(), indent=1)}\n".encode())
    return made


def _segmenter(model: Path, slices: int, device: str) -> Segmenter:
    from georaster_dl.lidar.sequences.segmenter import Segmenter
    from georaster_dl.models.runtime.device import Device

    where = Device.choose(device, "fp32").torch_device
    _, network = load_model(model)
    return Segmenter(cast("Helix4D", network.to(where)), slices, str(where))


def _doubts(card: Card, sequence: Sequence) -> list[str]:
    """Warn of a sensor that is unlike the training's."""
    assert card.lidar is not None
    doubts = []
    points = len(sequence[0])
    if not 0.5 <= points / card.lidar.points <= 2:
        doubts.append(
            f"{sequence.name} has {counted(points, 'point')} a turn, but {card.name} learnt from {card.lidar.points:,}: classes may "
            f"be wrong; train on sequences of this sensor."
        )
    if sequence.layout != card.lidar.layout:
        doubts.append(
            f"{sequence.name} is in the layout {sequence.layout}, but {card.name} learnt from {card.lidar.layout}: sensor and "
            f"intensities may differ."
        )
    return doubts


class _Run:
    """Counts of a run: points and pairs of classes, and seconds of each slice."""

    def __init__(self, sequence: Sequence, card: Card) -> None:
        self._names = tuple(each.name for each in card.classes)
        self._values = np.array([0, *(each.value for each in card.classes)])
        self._planes = _planes(sequence, self._names)
        self._points = np.zeros(len(self._names) + 1, np.int64)
        self._confusion = None if self._planes is None else Confusion.empty(self._names)
        self._seconds: list[tuple[str, float, tuple[float, ...]]] = []

    def take(
        self, name: str, found: SegmentedRotation, label: npt.NDArray[np.integer] | None
    ) -> npt.NDArray[np.uint32]:
        """Count a rotation, and give the label of each of its points."""
        self._seconds.append((name, found.acquisition_s, found.inference_s))
        self._points += np.bincount(found.planes, minlength=len(self._points))
        if self._confusion is not None and self._planes is not None and label is not None:
            own = self._planes[np.minimum(label.astype(np.int64), len(self._planes) - 1)]
            planes = found.planes.astype(np.int64)
            self._confusion += Confusion.of(planes - 1, own - 1, self._names)
        return self._values[found.planes].astype(np.uint32)

    def points(self) -> dict[str, int]:
        """Points of each class, by name."""
        return dict(zip(self._names, self._points[1:].tolist(), strict=True))

    def judged(self) -> Confusion | None:
        """Count of pairs; None where no label is a class of the model."""
        return self._confusion if self._confusion is not None and self._confusion.total else None

    def latency(self) -> Latency:
        """Measure it over all slices but those of the first two turns."""
        after = self._seconds[_WARM_UP:] or self._seconds
        inference = np.array([each for _, _, seconds in after for each in seconds])
        acquisition = after[0][1]
        return Latency(
            acquisition,
            float(inference.mean()),
            float(inference.max()),
            float((inference > acquisition).mean()),
        )

    def table(self) -> bytes:
        """Format the latency of each rotation as CSV."""
        text = StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["rotation", "acquisition_s", "inference_s", "latency_s", "slowest_s"])
        for name, acquisition, seconds in self._seconds:
            mean = sum(seconds) / len(seconds)
            numbers = acquisition, mean, acquisition + mean, max(seconds)
            writer.writerow([name, *(f"{value:.4f}" for value in numbers)])
        return text.getvalue().encode()


def _planes(sequence: Sequence, names: tuple[str, ...]) -> npt.NDArray[np.int64] | None:
    """Find the plane of each label of a sequence by the name of its class; None where no name is the model's."""
    own = {
        value: names.index(name) + 1 for value, name in sequence.classes.items() if name in names
    }
    if not own:
        return None
    planes = np.zeros(max(own) + 2, np.int64)
    planes[list(own)] = list(own.values())
    return planes
