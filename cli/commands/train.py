"""``geodl train``: scenes in, mostly with labels, a model package out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Finished, Warned
from georaster_dl.core.wording import counted

from ..options.shared import OUTPUT_FILE, run_options
from ..options.training import SETTINGS, changed, learning_options
from ..terminal.progress import end_with_parent, reporting
from ..terminal.results import finished, print_outputs, status_of

if TYPE_CHECKING:
    from georaster_dl.models.package.card import Card
    from georaster_dl.train.data.sources import SceneWithLabels
    from georaster_dl.train.settings.config import TrainConfig
    from georaster_dl.train.train import Trained

__all__ = ["train"]

_SETTINGS = {
    **SETTINGS,
    "task": "task",
    "architecture": "model.architecture",
    "encoder": "model.encoder",
    "init": "start.weights",
    "freeze": "start.freeze",
    "epochs": "training.epochs",
    "device": "training.device",
    "precision": "training.precision",
    "tensorboard": "training.tensorboard",
}
_DETAILS = ("IoU ", "RMSE of PCA", "RMSE, clean input")  # metrics that are told below the others


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="SCENE... [LABELS] | LIST.csv")
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    required=True,
    help="Model package to make (.safetensors); logs and checkpoints go to NAME_run beside it.",
)
@click.option("--overwrite", is_flag=True, help="Replace the model and the run that exist.")
@click.option(
    "--resume", is_flag=True, help="Continue the run in NAME_run after it was interrupted."
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="TOML file with any of the settings; options given here win.",
)
@click.option(
    "--task",
    type=click.Choice(["segmentation", "regression", "autoencoder"]),
    help="Classes (default), a quantity, or the bands themselves: no labels.",
)
@click.option(
    "--split",
    type=click.Choice(["blocks", "scenes", "random", "column"]),
    help="Who is trained and tested where: blocks of ground (default), whole scenes, random patches "
    "(leaks), or a column of LIST.csv or of the labels.",
)
@click.option(
    "-m", "--architecture", metavar="NAME", help="Network; see geodl models list --architectures."
)
@click.option("--encoder", help="Its encoder, for example tu-resnet18 or resnet34.")
@click.option(
    "--init", metavar="random|imagenet|MODEL", help="Weights to start from; random by default."
)
@click.option(
    "--freeze",
    type=click.Choice(["none", "encoder", "all-but-head"]),
    help="What stays as it was in --init.",
)
@click.option(
    "--epochs", type=int, help="Most epochs; training stops earlier when it gains nothing."
)
@learning_options
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Where to train.")
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16", "fp16"]))
@click.option(
    "--tensorboard",
    is_flag=True,
    default=None,
    help="Write logs for TensorBoard too (an extra: georaster_dl[tensorboard]).",
)
@run_options
def train(inputs: tuple[str, ...], progress: str, quiet: bool, **given: Any) -> int:
    """Train a model on your own labels, or without any.

    LABELS is a vector file (polygons, lines, points), a raster, or a folder with a label file of
    each scene's name. SCENE may be a pattern in quotes. LIST.csv has the columns scene and label.
    Accuracy is measured on blocks of ground that the model never saw. With --task autoencoder
    everything is a SCENE, and LIST.csv needs the column scene only.

    \b
    geodl train scene.tif labels.gpkg -o model.safetensors
    geodl train 'scenes/*.tif' masks/ -o model.safetensors --split scenes
    geodl train list.csv -o model.safetensors --config train.toml
    geodl train --task autoencoder 'scenes/*.tif' -o features.safetensors
    """
    if given["parent_pipe"]:
        end_with_parent()
    config = _config(given)
    pairs = _pairs(inputs, config)
    with reporting(progress, quiet, given["log"]) as report:
        from georaster_dl.train.train import train as run

        trained = run(
            pairs,
            given["output"],
            config,
            resume=given["resume"],
            overwrite=given["overwrite"],
            report=report,
        )
        if trained is None:  # one of several processes; the first reports
            return 0
        if config.task == "autoencoder" and trained.card.limitations:
            report(Warned(trained.card.limitations))
        report(_finished(trained))
    if progress == "bar" and not quiet:
        _print(trained)
    return status_of(trained.failed)


def _config(given: Mapping[str, Any]) -> TrainConfig:
    from georaster_dl.train.settings.config import TrainConfig, read_config

    config = TrainConfig() if given["config"] is None else read_config(given["config"])
    return changed(config, given, _SETTINGS)


def _pairs(inputs: tuple[str, ...], config: TrainConfig) -> list[SceneWithLabels]:
    from georaster_dl.train.data.sources import find_pairs, find_scenes, read_pairs

    labelled = config.task != "autoencoder"
    if len(inputs) == 1 and Path(inputs[0]).suffix.lower() == ".csv":
        return read_pairs(Path(inputs[0]), config.split.column, labelled=labelled)
    if not labelled:
        return find_scenes(inputs)
    if len(inputs) == 1:
        raise OptionError(
            f"Only {inputs[0]} was given; give a scene and its labels, or a CSV with the "
            f"columns scene and label."
        )
    return find_pairs(inputs[:-1], Path(inputs[-1]))


def _finished(trained: Trained) -> Finished:
    return finished(
        [trained.model, trained.folder],
        trained.failed,
        round(trained.seconds, 1),
        epochs=len(trained.history),
        metrics=_metrics(trained.card),
    )


def _metrics(card: Card) -> dict[str, float | None]:
    """The card's figures, and None for the IoU of classes that no pixel was tested on."""
    from georaster_dl.train.result.measure import iou_names

    metrics: dict[str, float | None] = dict(card.metrics)
    for part in [name.removeprefix("mIoU, ") for name in metrics if name.startswith("mIoU, ")]:
        for name in iou_names([entry.name for entry in card.classes], part):
            metrics.setdefault(name, None)
    return metrics


def _print(trained: Trained) -> None:
    metrics = _metrics(trained.card)
    details = {key: value for key, value in metrics.items() if key.startswith(_DETAILS)}
    overall = {key: value for key, value in metrics.items() if key not in details}
    click.echo(", ".join(f"{key}: {value:#.4g}" for key, value in overall.items()))
    for key, value in details.items():
        click.echo(f"  {key:44} {'-' if value is None else f'{value:.3f}'}")
    minutes, seconds = divmod(math.ceil(trained.seconds), 60)
    click.echo(f"{counted(len(trained.history), 'epoch')} in {minutes}:{seconds:02d}")
    print_outputs([trained.model, trained.folder])
