"""``geodl train``: train a network on scenes and labels, and package it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Finished, Report
from georaster_dl.core.wording import counted

from ..options.completion import complete_files, complete_models
from ..options.course import length_options, rehearse_option
from ..options.labels import (
    erode_option,
    fraction_fields_option,
    instances_option,
    training_options,
)
from ..options.shared import (
    INPUT_FILE,
    OUTPUT_FILE,
    RenamedOption,
    device_option,
    output_option,
    overwrite_option,
    precision_option,
    progress_options,
)
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs, print_table
from .train_lidar import train_lidar

if TYPE_CHECKING:
    from georaster_dl.models.package.card import Card
    from georaster_dl.training.data.sources import SceneWithLabels
    from georaster_dl.training.rivals.comparison import Comparison
    from georaster_dl.training.settings.config import TrainConfig
    from georaster_dl.training.train import Trained

__all__ = ["pairs_of", "train"]

_DETAILS = (
    "IoU ",
    "RMSE of PCA",
    "RMSE, clean input",
    "MAE of ",
    "R2 of the training mean",
    "R2 of PLS",
)
"""Beginnings of metrics that are printed below the others."""
_SEEN = ", blocks of training scenes"
"""End of metrics that stand beside those of new scenes."""


@click.command()
@click.argument(
    "inputs",
    nargs=-1,
    required=True,
    metavar="SCENE... [LABELS] | LIST.csv",
    shell_complete=complete_files,
)
@output_option(
    "Model package to make (.safetensors); logs and checkpoints go to NAME_run beside it.",
    required=True,
)
@overwrite_option
@click.option(
    "--resume", is_flag=True, help="Continue the run in NAME_run after it was interrupted."
)
@click.option(
    "--config",
    "config_file",
    type=INPUT_FILE,
    metavar="FILE",
    help="TOML file with any of the settings; options on the command line win.",
)
@click.option(
    "--suspects",
    type=OUTPUT_FILE,
    metavar="FILE",
    help="Also write the labels that are probably wrong (.gpkg), as geodl check-labels does.",
)
@training_options(
    click.option(
        "--task",
        type=click.Choice(["segmentation", "regression", "fractions", "autoencoder", "lidar"]),
        help="Predict classes (default), a quantity, fractions of a pixel, the bands themselves, without labels, or classes of "
        "LiDAR points: of a rotating sensor (.safetensors), or of tiles (.skops).",
    ),
    erode_option,
    instances_option,
    click.option(
        "--method",
        type=click.Choice(["auto", "network", "rf", "svm"]),
        help="Map classes by a network, a forest or a support vector machine of spectra and texture (in seconds), or "
        "the best of them on validation ground (auto, default unless options of the network are given).",
    ),
    fraction_fields_option,
    click.option(
        "--per-polygon",
        is_flag=True,
        default=None,
        help="Fractions of a polygon are those of its pixels together, not of each of them.",
    ),
    click.option(
        "--split",
        type=click.Choice(["auto", "blocks", "scenes", "random", "column"]),
        help="How training, validation and test data are split: by scenes where labels lie in three places or more, "
        "else by spatial blocks (auto, the default); by blocks; by scenes; by random patches (test accuracy is then "
        "too high); or by a column of LIST.csv or of the labels.",
    ),
    click.option(
        "--architecture",
        cls=RenamedOption,
        formerly="-m",
        metavar="NAME",
        help="Network; geodl models list --architectures lists all.",
    ),
    click.option(
        "--encoder", metavar="NAME", help="Encoder of the network, such as tu-resnet18 or resnet34."
    ),
    click.option(
        "--head",
        type=click.Choice(["plain", "bayesian"]),
        help="Last layer: bayesian learns how sure each of its weights is, for --uncertainty bayesian.",
    ),
    click.option(
        "--ensemble",
        type=click.IntRange(1, 64),
        metavar="N",
        help="Train N networks that differ in their random numbers, and package them as one; takes N times as long.",
    ),
    click.option(
        "--init",
        metavar="random|imagenet|auto|MODEL|torchgeo:NAME|timm:NAME",
        shell_complete=complete_models,
        help="Weights to start from; random by default. auto: a bundled encoder of the same bands, where there is one.",
    ),
    click.option(
        "--freeze",
        type=click.Choice(["none", "encoder", "all-but-head"]),
        help="Layers whose weights stay as --init gives them.",
    ),
    rehearse_option,
    click.option(
        "--modality-dropout",
        type=click.FloatRange(0, 1, max_open=True),
        metavar="SHARE",
        help="How often each sensor (optical, radar, lidar ...) is missing in training, such as 0.2; the model then also "
        "maps scenes without it. Trains fusion_unet unless --architecture is given.",
    ),
    *length_options,
    click.option(
        "--search",
        type=click.IntRange(1, 1000),
        metavar="N",
        help="Train N networks with other settings, and package the best on validation ground (an extra: "
        "georaster_dl[search]).",
    ),
    device_option(default=None),
    precision_option(default=None),
    click.option(
        "--tracker",
        type=click.Choice(["tensorboard", "mlflow", "wandb"]),
        help="Also log to a tracker (an extra of that name), where its environment variables say.",
    ),
    click.option(
        "--tensorboard",
        is_flag=True,
        default=None,
        help="As --tracker tensorboard, also beside another one.",
    ),
)
@progress_options
def train(
    *,
    inputs: tuple[str, ...],
    output: Path,
    overwrite: bool,
    resume: bool,
    config_file: Path | None,
    suspects: Path | None,
    changes: dict[str, Any],
    terminal: Terminal,
) -> int:
    """Train a model on your own labels, or without any.

    LABELS is a vector file (polygons, lines, points), a raster, or a folder with a label file of
    each scene's name. SCENE may be a pattern in quotes, and several files of any
    resolutions, A.tif+B.tif. LIST.csv has the columns scene and label.
    Accuracy is measured on scenes, or blocks of them, that the model was not trained on. With --task autoencoder
    everything is a SCENE, and LIST.csv needs the column scene only.

    \b
    geodl train scene.tif labels.gpkg -o model.safetensors
    geodl train 'scenes/*.tif' masks/ -o model.safetensors --split scenes
    geodl train list.csv -o model.safetensors --config train.toml
    geodl train --task autoencoder 'scenes/*.tif' -o features.safetensors
    geodl train --task lidar drive1/ drive2/ drive3/ -o helix.safetensors
    geodl train --task lidar tiles/*.laz -o points.skops
    geodl train --task autoencoder 'new/*.tif' --init features.safetensors --rehearse features_run -o features2.safetensors
    """
    if changes.get("task") == "lidar":
        return train_lidar(
            inputs,
            output,
            changes,
            config_file=config_file,
            resume=resume,
            overwrite=overwrite,
            terminal=terminal,
        )
    from georaster_dl.training.settings.config import TrainConfig, read_config

    config = TrainConfig() if config_file is None else read_config(config_file)
    config = config.updated(changes)
    pairs = pairs_of(inputs, config)

    def run(report: Report) -> Trained | None:
        from georaster_dl.label_check.beside import check_list, with_suspects
        from georaster_dl.training.before import check_before

        if suspects is not None:
            check_list(suspects, config, overwrite=overwrite)
        check_before(pairs, output, config, resume=resume, overwrite=overwrite)
        from georaster_dl.training.train import train  # heavy, so after the checks

        trained = train(pairs, output, config, resume=resume, overwrite=overwrite, report=report)
        if trained is None or suspects is None:
            return trained
        return with_suspects(trained, pairs, suspects, config, overwrite=overwrite, report=report)

    def beside(trained: Trained) -> list[Path]:
        failed = {one.path for one in trained.failed}
        return [suspects] if suspects is not None and suspects not in failed else []

    return run_with_progress(
        terminal,
        run,
        lambda trained: _finished(trained, beside(trained)),
        lambda trained: _print(trained, beside(trained)),
        warnings=_limitations,
    )


def _limitations(trained: Trained) -> list[str]:
    card = trained.card
    said = card.task in ("autoencoder", "fractions") or any(k.endswith(_SEEN) for k in card.metrics)
    return [card.limitations] if said and card.limitations else []


def pairs_of(inputs: tuple[str, ...], config: TrainConfig) -> list[SceneWithLabels]:
    """Pair scenes with labels, from the arguments of a command.

    Raises
    ------
    OptionError
        When labels are missing, or a list of pairs cannot be used.
    """
    from georaster_dl.training.data.sources import find_pairs, find_scenes, read_pairs

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


def _finished(trained: Trained, beside: list[Path]) -> Finished:
    return finished(
        [trained.model, trained.folder, *beside],
        trained.failed,
        round(trained.seconds, 1),
        epochs=len(trained.history),
        metrics=_metrics(trained.card),
        **({} if trained.comparison is None else {"comparison": trained.comparison.to_dict()}),
    )


def _metrics(card: Card) -> dict[str, float | None]:
    """List the card's metrics, with None for the IoU of classes without test pixels."""
    from georaster_dl.tiling.split_blocks import PARTS
    from georaster_dl.training.result.measure import iou_names

    metrics: dict[str, float | None] = dict(card.metrics)
    for part in [part for part in PARTS if f"mIoU, {part}" in metrics]:
        for name in iou_names([entry.name for entry in card.classes], part):
            metrics.setdefault(name, None)
    return metrics


def _print(trained: Trained, beside: list[Path]) -> None:
    metrics = _metrics(trained.card)
    if trained.comparison is not None:
        metrics = {key: value for key, value in metrics.items() if not key.startswith("mIoU of ")}
    table = list(_of_fractions(trained.card, metrics))
    details = {key: value for key, value in metrics.items() if key.startswith(_DETAILS)}
    seen = {key: metrics[key] for key in metrics if key.endswith(_SEEN)}
    overall = {key: value for key, value in metrics.items() if key not in details | seen}
    if trained.comparison is not None:
        _print_comparison(trained.comparison)
    for figures in filter(None, (overall, seen)):
        click.echo(", ".join(f"{key}: {value:#.4g}" for key, value in figures.items()))
    for line in table:
        click.echo(line)
    for key, value in details.items():
        click.echo(f"  {key:44} {'-' if value is None else f'{value:.3f}'}")
    if "search" in trained.card.training:
        click.echo(f"search: {trained.card.training['search']}")
    minutes, seconds = divmod(math.ceil(trained.seconds), 60)
    epochs = f"{counted(len(trained.history), 'epoch')} in " if trained.history else ""
    click.echo(f"{epochs}{minutes}:{seconds:02d}")
    print_outputs([trained.model, trained.folder, *beside])


def _print_comparison(comparison: Comparison) -> None:
    """Print the methods with their figures, and the name of the packaged method."""
    head = (f"mIoU (up to {counted(comparison.pixels, 'pixel')})", "validation", "test", "s")
    rows = [
        (
            each.method,
            f"{each.validation:.3f}",
            "" if each.test is None else f"{each.test:.3f}",
            f"{each.seconds:.0f}",
        )
        for each in comparison.methods
    ]
    print_table(head, rows)
    if comparison.tie:
        click.echo(f"{comparison.kept}: {comparison.tie}")
    click.echo(f"kept: {comparison.kept}, whose figures are")


def _of_fractions(card: Card, metrics: dict[str, float | None]) -> Iterator[str]:
    """Take the figures of each fraction out of the metrics, and format them as a table."""
    from georaster_dl.training.result.fractions import FRACTION_FIGURES, figure_name

    part = next((key.removeprefix("MAE, ") for key in metrics if key.startswith("MAE, ")), None)
    if card.task != "fractions" or part is None:
        return
    yield f"  {'':44} " + " ".join(f"{figure:>7}" for figure in FRACTION_FIGURES)
    for target in card.targets:
        names = [figure_name(figure, target.name, part) for figure in FRACTION_FIGURES]
        values = [metrics.pop(name, None) for name in names]
        shown = " ".join(f"{'-' if value is None else f'{value:.3f}':>7}" for value in values)
        yield f"  {target.name[:44]:44} {shown}"
