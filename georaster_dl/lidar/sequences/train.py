"""Training of Helix4D on sequences of a rotating LiDAR, and its package."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence as Items
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError, OutputError
from georaster_dl.core.events import Report, no_report, warner
from georaster_dl.core.legend import MapClass
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.files.atomic import write_atomically
from georaster_dl.io.files.temporary import make_folder
from georaster_dl.io.output.staging import FailedOutput
from georaster_dl.lidar.sequences.options import SequenceTraining
from georaster_dl.lidar.sequences.parts import Part, Parts, split_parts
from georaster_dl.lidar.sequences.readers import Sequence, open_sequence
from georaster_dl.models.package.card import Architecture, Card, Cost, ModelHalo
from georaster_dl.models.package.file import save_model
from georaster_dl.models.package.series import CardLidar
from georaster_dl.models.package.values import InputBand
from georaster_dl.render.palette import choose_colors

if TYPE_CHECKING:
    from georaster_dl.lidar.sequences.learning import Learning

__all__ = ["TrainedSequences", "train_sequences"]

_COUNTED = 500  # rotations of the training that are read to find its classes


@dataclass(frozen=True)
class TrainedSequences:
    """Result of a training.

    Attributes
    ----------
    model : package.
    folder : of checkpoint and history.
    card : of the package.
    epochs : that were trained.
    failed : extra outputs that could not be made; there are none.
    """

    model: Path
    folder: Path
    card: Card
    epochs: int
    seconds: float
    failed: tuple[FailedOutput, ...] = ()


def train_sequences(
    sources: Items[Path],
    output: Path,
    settings: SequenceTraining | None = None,
    report: Report = no_report,
) -> TrainedSequences:
    """Train Helix4D on labelled sequences (Loiseau et al. 2022), and package it.

    Parameters
    ----------
    sources : folders or files that ``open_sequence`` reads; with three or more, whole ones are kept for validation and test.
    output : package to make (.safetensors). Checkpoint and history go to ``NAME_run`` beside it.
    report : called with ``epoch`` and ``warning`` events.

    Raises
    ------
    OptionError
        When sequences have no labels, name classes differently, or cannot be divided.
    OutputError
        When the package exists and is not to be replaced.
    GeoRasterError
        Whatever else is wrong with sequences or output.
    """
    begun, settings, warn = time.monotonic(), settings or SequenceTraining(), warner(report)
    folder = _checked_folder(output, settings)
    sequences = [open_sequence(source) for source in sources]
    for remark in dict.fromkeys(remark for one in sequences for remark in one.remarks):
        warn(remark)
    names = _names(sequences)
    parts = split_parts(sequences, settings.seed)
    counts, points = _counts(parts.training, max(names) + 1)
    classes = {value: name for value, name in names.items() if counts[value]}
    if len(classes) < 2:
        raise OptionError(
            f"The training part has labels of {counted(len(classes), 'class')} ({listed(list(classes.values()), 5)}), but "
            f"two or more are needed; label more, or give other sequences."
        )
    sensor = CardLidar(
        layout=sequences[0].layout,
        slices=settings.slices,
        period_s=float(np.median([one.period_s for one in sequences])),
        points=points,
    )
    learning = _learn(parts, classes, folder, settings, report)
    metrics = _metrics(learning, parts.test)
    card = _card(output, classes, sensor, metrics, parts.how, settings)
    card = save_model(output, card, learning.network)
    return TrainedSequences(output, folder, card, len(learning.history), time.monotonic() - begun)


def _checked_folder(output: Path, settings: SequenceTraining) -> Path:
    if output.suffix != ".safetensors":
        raise OptionError(f"A model ends in .safetensors, but got {output}; rename it.")
    folder = output.with_name(f"{output.stem}_run")
    if output.exists() and not settings.overwrite:
        raise OutputError(f"{output} exists; give `overwrite=True` or another name.")
    if (folder / "last.pt").exists() and not (settings.resume or settings.overwrite):
        raise OutputError(
            f"{folder} holds an interrupted training; go on with it by `resume=True`, or replace it by `overwrite=True`."
        )
    return folder


def _names(sequences: Items[Sequence]) -> dict[int, str]:
    """Names of the classes of all sequences by label, in the order of labels."""
    names: dict[int, str] = {}
    for one in sequences:
        if not one.labelled:
            raise OptionError(
                f"{one.name} has no labels; give labelled sequences, of which each scan has a file in labels/."
            )
        for value, name in one.classes.items():
            if names.setdefault(value, name) != name:
                raise OptionError(
                    f"Label {value} is {names[value]!r} in one sequence and {name!r} in {one.name}; train on sequences of one "
                    f"list of classes."
                )
    return dict(sorted(names.items()))


def _counts(training: Part, labels: int) -> tuple[npt.NDArray[np.int64], int]:
    """Count points of each label in the training part, evenly sampled where it is long, and points of a turn."""
    turns = [(run, number) for run in training for number in range(run.first, run.stop)]
    every = len(turns) // _COUNTED + 1
    counts, points = np.zeros(labels, np.int64), []
    for run, number in turns[::every]:
        rotation = run.rotations[number]
        points.append(len(rotation))
        if rotation.label is not None:
            own = np.bincount(rotation.label.astype(np.int64), minlength=labels)
            counts += own[:labels]
    return counts, round(float(np.mean(points)))


def _learn(
    parts: Parts, classes: dict[int, str], folder: Path, settings: SequenceTraining, report: Report
) -> Learning:
    import torch

    from georaster_dl.lidar.sequences.learning import Learning
    from georaster_dl.models.runtime.device import Device
    from georaster_dl.models.zoo.lidar.grid import CylinderGrid
    from georaster_dl.models.zoo.lidar.helix4d import Helix4D
    from georaster_dl.training.loop.losses import build_loss

    device = Device.choose(settings.device, "fp32").torch_device
    planes = np.zeros(max(classes) + 2, np.int64)
    planes[list(classes)] = np.arange(1, len(classes) + 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = Helix4D(len(classes), CylinderGrid(**settings.network_options)).to(device)
        loss = build_loss(["cross-entropy", "lovasz"], [1, 1], class_weights=None)
        learning = Learning(network, planes, tuple(classes.values()), settings, loss)
        make_folder(folder)
        last = folder / "last.pt"
        if settings.resume and last.exists():
            learning.restore(torch.load(last, map_location=device, weights_only=True))

        def checkpoint() -> None:
            begun = folder / "last.pt.part"
            torch.save(learning.state(), begun)
            begun.replace(last)
            write_atomically(folder / "history.csv", _history(learning.history))

        learning.run(parts.training, parts.validation, report, checkpoint)
    learning.network.load_state_dict(learning.best[0])
    return learning


def _history(history: list[dict[str, float]]) -> bytes:
    text = StringIO()
    writer = csv.DictWriter(text, list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue().encode()


def _card(
    output: Path,
    classes: dict[int, str],
    sensor: CardLidar,
    metrics: dict[str, float],
    how: str,
    settings: SequenceTraining,
) -> Card:
    from georaster_dl.models.zoo.lidar.grid import FEATURES

    colors = choose_colors(list(classes.values()))
    of_time = (
        ""
        if "whole" in how
        else (
            " Validation and test are later stretches of the training's own drives: figures of new places are lower."
        )
    )
    stated: dict[str, Any] = {"radius": 6.0, **settings.network_options}
    return Card(
        name=_model_name(output),
        version="1",
        description=f"Helix4D for a sensor like that of the training: {sensor.points:,} points a turn, {sensor.layout} layout",
        task="lidar",
        architecture=Architecture(name="helix4d", options=stated),
        bands=tuple(InputBand(name, modality="lidar", mean=0.0, std=1.0) for name in FEATURES),
        quantity="features of a point of a rotating LiDAR",
        classes=tuple(
            MapClass(value, name, color)
            for (value, name), color in zip(classes.items(), colors, strict=True)
        ),
        lidar=sensor,
        stride=1,
        halo=ModelHalo(default=0),
        cost=Cost(macs_per_pixel=0, bytes_per_pixel=0),
        training={"split": how},
        configuration={
            key: str(value)
            for key, value in asdict(settings).items()
            if key not in ("overwrite", "resume") and value is not None
        },
        metrics=metrics,
        limitations=f"For sensors that see as the training's did, at the height at which it was mounted.{of_time}",
    )


def _model_name(output: Path) -> str:
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in output.stem)
    return kept.lower().lstrip("._-")[:64] or "helix4d"


def _metrics(learning: Learning, test: Part) -> dict[str, float]:
    """Measure the best network on the test part."""
    from georaster_dl.lidar.sequences.learning import judge

    network, settings = learning.network, learning.settings
    tested = judge(network, test, learning.planes, learning.names, settings.slices)
    single = {
        f"IoU {name[:48]}, test": float(value)
        for name, value in zip(tested.names, tested.iou, strict=True)
    }
    metrics = {
        "mIoU, validation": learning.best[1],
        "OA, test": tested.overall_accuracy,
        "mIoU, test": tested.mean_iou,
        **single,
    }
    return {name: value for name, value in metrics.items() if np.isfinite(value)}
