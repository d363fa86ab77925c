"""``geodl train --task lidar``: train a network on sequences of a rotating LiDAR, or a forest on tiles of points."""

from __future__ import annotations

import math
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Finished, Report
from georaster_dl.core.wording import counted, nearest_names
from georaster_dl.io.files.text_file import read_text

from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs, print_table

if TYPE_CHECKING:
    from georaster_dl.lidar.classify.train import PointForest
    from georaster_dl.lidar.sequences.options import SequenceTraining
    from georaster_dl.lidar.sequences.train import TrainedSequences

__all__ = ["train_lidar"]

_OPTIONS = {
    "training.epochs": "epochs",
    "training.minutes": "minutes",
    "training.device": "device",
    "seed": "seed",
}
"""Settings of ``geodl train`` that a training on sequences has, too."""


def train_lidar(
    inputs: tuple[str, ...],
    output: Path,
    changes: dict[str, Any],
    *,
    config_file: Path | None,
    resume: bool,
    overwrite: bool,
    terminal: Terminal,
) -> int:
    """Train a forest of points (.skops) or a network of sequences (.safetensors).

    A network takes the options of the command and ``[lidar]`` of a TOML file.
    """
    if output.suffix.lower() == ".skops":
        return _train_forest(inputs, output, changes, overwrite=overwrite, terminal=terminal)
    settings = _settings(changes, config_file, resume=resume, overwrite=overwrite)

    def run(report: Report) -> TrainedSequences:
        from georaster_dl.lidar.sequences.train import train_sequences

        return train_sequences([Path(each) for each in inputs], output, settings, report)

    return run_with_progress(terminal, run, _finished, _print, warnings=_limitations)


def _train_forest(
    inputs: tuple[str, ...],
    output: Path,
    changes: dict[str, Any],
    *,
    overwrite: bool,
    terminal: Terminal,
) -> int:
    other = sorted(key.rpartition(".")[2] for key in changes if key not in ("task", "seed"))
    if other:
        raise OptionError(f"A forest of points has no `{other[0]}=...`; it takes a seed alone.")

    def run(report: Report) -> PointForest:
        from georaster_dl.lidar.classify.train import train_points

        tiles = [Path(each) for each in inputs]
        seed = changes.get("seed", 0)
        return train_points(tiles, output, seed=seed, overwrite=overwrite, report=report)

    return run_with_progress(terminal, run, _finished_forest, _print_forest)


def _finished_forest(made: PointForest) -> Finished:
    return finished(
        made.files,
        made.failed,
        round(made.seconds, 1),
        accuracy=made.accuracy,
        mean_iou=made.mean_iou,
        iou=dict(made.iou),
    )


def _print_forest(made: PointForest) -> None:
    rows = [(name, "-" if iou is None else f"{iou:.3f}") for name, iou in made.iou.items()]
    print_table(("class", "IoU"), rows)
    click.echo(
        f"mIoU {made.mean_iou:.3f}, overall accuracy {made.accuracy:.3f}, on {counted(made.test, 'point')} of squares held out; "
        f"learnt from {made.training:,}"
    )
    print_outputs(made.files)


def _settings(
    changes: dict[str, Any], config_file: Path | None, *, resume: bool, overwrite: bool
) -> SequenceTraining:
    from georaster_dl.lidar.sequences.options import SequenceTraining

    stated = {key: value for key, value in changes.items() if key != "task"}
    other = sorted(key.rpartition(".")[2] for key in stated if key not in _OPTIONS)
    if other:
        raise OptionError(
            f"A training on LiDAR sequences has no `{other[0]}=...`; it takes epochs, minutes, device and seed, and a TOML file "
            f"with a section [lidar]."
        )
    values = _from_file(config_file) | {_OPTIONS[key]: value for key, value in stated.items()}
    return SequenceTraining(**values, resume=resume, overwrite=overwrite)


def _from_file(path: Path | None) -> dict[str, Any]:
    from georaster_dl.lidar.sequences.options import SequenceTraining

    if path is None:
        return {}
    try:
        section = tomllib.loads(read_text(path)).get("lidar", {})
    except (OSError, ValueError) as error:
        raise OptionError(f"The configuration {path} cannot be read ({error}).") from error
    known = {f.name: f.default for f in fields(SequenceTraining)}
    for name in ("resume", "overwrite"):
        known.pop(name)
    for name, value in section.items():
        if name not in known:
            raise OptionError(
                f"{path}: [lidar] has no setting {name!r}{nearest_names(name, known)}; it has {', '.join(known)}."
            )
        if isinstance(value, bool) or isinstance(value, str) != isinstance(known[name], str):
            raise OptionError(f"{path}: {name} = {value!r} is no value like {known[name]!r}.")
    return dict(section)


def _finished(made: TrainedSequences) -> Finished:
    return finished(
        [made.model, made.folder],
        made.failed,
        round(made.seconds, 1),
        epochs=made.epochs,
        metrics=made.card.metrics,
    )


def _limitations(made: TrainedSequences) -> list[str]:
    return [made.card.limitations]


def _print(made: TrainedSequences) -> None:
    card = made.card
    rows = [
        (each.name, f"{card.metrics.get(f'IoU {each.name[:48]}, test', math.nan):.3f}")
        for each in card.classes
    ]
    print_table(("class", "IoU, test"), rows)
    named = ("mIoU, validation", "mIoU, test", "OA, test")
    click.echo(
        ", ".join(f"{name}: {card.metrics[name]:.3f}" for name in named if name in card.metrics)
    )
    click.echo(f"{counted(made.epochs, 'epoch')}, split by {card.training['split']}")
    print_outputs([made.model, made.folder])
