"""``geodl train``: scenes and labels in, a model package out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.errors import OptionError

from .options import run_options, scene_options
from .progress import end_with_parent, reporting

if TYPE_CHECKING:
    from georaster_dl.train.config import TrainConfig
    from georaster_dl.train.fit import Trained
    from georaster_dl.train.pairs import Pair

__all__ = ["train"]

# Options that are settings: the option's name, and the setting's full name.
_SETTINGS = {
    "task": "task",
    "seed": "seed",
    "bands": "scene.bands",
    "nodata": "scene.nodata",
    "scale": "scene.scale",
    "offset": "scene.offset",
    "class_field": "labels.class_field",
    "width_m": "labels.width_m",
    "all_touched": "labels.all_touched",
    "priority": "labels.priority",
    "ignore": "labels.ignore",
    "classes": "labels.classes",
    "background": "labels.background",
    "split": "split.kind",
    "split_column": "split.column",
    "block": "split.block",
    "buffer": "split.buffer",
    "architecture": "model.architecture",
    "encoder": "model.encoder",
    "init": "start.weights",
    "freeze": "start.freeze",
    "epochs": "training.epochs",
    "device": "training.device",
    "precision": "training.precision",
}


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="SCENE... LABELS | LIST.csv")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
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
    type=click.Choice(["segmentation", "regression"]),
    help="Classes (default), or a quantity.",
)
@click.option("--class-field", metavar="NAME", help="Attribute with the class, or the quantity.")
@click.option("--classes", type=click.Path(path_type=Path), help="CSV with value,name,color.")
@click.option(
    "--ignore", type=float, multiple=True, help="Label number that means unlabelled; repeatable."
)
@click.option("--background", metavar="NAME", help="Class of everything that has no label.")
@click.option("--width-m", type=float, help="Width in metres that lines and points are given.")
@click.option("--all-touched", is_flag=True, default=None, help="Label every pixel touched.")
@click.option(
    "--priority", metavar="A,B,...", help="Classes in the order in which they cover each other."
)
@click.option(
    "--split",
    type=click.Choice(["blocks", "scenes", "random", "column"]),
    help="Who is trained and tested where: blocks of ground (default), whole scenes, random patches "
    "(leaks), or a column of LIST.csv or of the labels.",
)
@click.option("--split-column", metavar="NAME", help="The column of --split column.")
@click.option("--block", type=int, help="Side of a block in pixels.")
@click.option("--buffer", type=int, help="Pixels between training and test ground.")
@click.option("--architecture", help="Network; see geodl models list --architectures.")
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
@scene_options
@click.option("--seed", type=int, help="Same seed, same model.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Where to train.")
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16", "fp16"]))
@run_options
def train(inputs: tuple[str, ...], progress: str, quiet: bool, **given: Any) -> None:
    """Train a model on your own labels.

    LABELS is a vector file (polygons, lines, points), a raster, or a folder with a label file of
    each scene's name. SCENE may be a pattern in quotes. LIST.csv has the columns scene and label.
    Accuracy is measured on blocks of ground that the model never saw.

    \b
    geodl train scene.tif labels.gpkg -o model.safetensors
    geodl train 'scenes/*.tif' masks/ -o model.safetensors --split scenes
    geodl train list.csv -o model.safetensors --config train.toml
    """
    if given["parent_pipe"]:
        end_with_parent()
    config = _config(given)
    pairs = _pairs(inputs, config)
    with reporting("json" if progress == "json" else "quiet" if quiet else "bar") as report:
        from georaster_dl.train.fit import train as run

        trained = run(
            pairs,
            given["output"],
            config,
            resume=given["resume"],
            overwrite=given["overwrite"],
            report=report,
        )
        report("done", _facts(trained))
    if progress == "bar" and not quiet:
        _print(trained)


def _config(given: Mapping[str, Any]) -> TrainConfig:
    from georaster_dl.train.config import TrainConfig, read_config

    config = TrainConfig() if given["config"] is None else read_config(given["config"])
    stated = {_SETTINGS[key]: value for key, value in given.items() if key in _SETTINGS}
    changes = {key: value for key, value in stated.items() if value not in (None, ())}
    for key in ("scene.bands", "labels.priority"):
        if key in changes:
            changes[key] = tuple(part.strip() for part in changes[key].split(","))
    return config.updated(changes)


def _pairs(inputs: tuple[str, ...], config: TrainConfig) -> list[Pair]:
    from georaster_dl.train.pairs import find_pairs, read_pairs

    if len(inputs) == 1:
        if Path(inputs[0]).suffix.lower() != ".csv":
            raise OptionError(
                f"Only {inputs[0]} was given; give a scene and its labels, or a CSV with the "
                f"columns scene and label."
            )
        return read_pairs(Path(inputs[0]), config.split.column)
    return find_pairs(inputs[:-1], Path(inputs[-1]))


def _facts(trained: Trained) -> dict[str, Any]:
    return {
        "outputs": [str(trained.model), str(trained.folder)],
        "seconds": round(trained.seconds, 1),
        "epochs": len(trained.history),
        "metrics": trained.card.metrics,
    }


def _print(trained: Trained) -> None:
    metrics = trained.card.metrics
    overall = {key: value for key, value in metrics.items() if not key.startswith("IoU ")}
    click.echo(", ".join(f"{key}: {value:#.4g}" for key, value in overall.items()))
    for key, value in metrics.items():
        if key.startswith("IoU "):
            click.echo(f"  {key:36} {value:.3f}")
    minutes, seconds = divmod(math.ceil(trained.seconds), 60)
    click.echo(f"{len(trained.history)} epochs in {minutes}:{seconds:02d}")
    click.echo(str(trained.model))
    click.echo(str(trained.folder))
