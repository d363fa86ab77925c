"""What commands that learn from labels have in common: how these are read, and who is tested where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .shared import layer_option, scene_options

if TYPE_CHECKING:
    from georaster_dl.train.settings.config import TrainConfig

__all__ = ["SETTINGS", "changed", "learning_options"]

F = TypeVar("F", bound=Callable[..., Any])

# Options that are settings of a training: the option's name, and the setting's full name.
SETTINGS = {
    "seed": "seed",
    "bands": "scene.bands",
    "nodata": "scene.nodata",
    "scale": "scene.scale",
    "offset": "scene.offset",
    "mask": "scene.mask",
    "layer": "labels.layer",
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
}


def learning_options(command: F) -> F:
    """Options of labels, of the split but for its kinds, of the scene, and the seed."""
    for option in (
        click.option("--seed", type=int, help="Same seed, same result."),
        scene_options,
        click.option("--buffer", type=int, help="Pixels between training and test ground."),
        click.option("--block", type=int, help="Side of a block in pixels."),
        click.option("--split-column", metavar="NAME", help="The column of --split column."),
        click.option(
            "--priority",
            metavar="A,B,...",
            help="Classes in the order in which they cover each other.",
        ),
        click.option(
            "--all-touched", is_flag=True, default=None, help="Label every pixel touched."
        ),
        click.option(
            "--width-m", type=float, help="Width in metres that lines and points are given."
        ),
        click.option("--background", metavar="NAME", help="Class of everything that has no label."),
        click.option(
            "--ignore",
            type=float,
            multiple=True,
            help="Label number that means unlabelled; repeatable.",
        ),
        click.option(
            "--classes", type=click.Path(path_type=Path), help="CSV with value,name,color."
        ),
        click.option(
            "--class-field", metavar="NAME", help="Attribute with the class, or the quantity."
        ),
        layer_option,
    ):
        command = option(command)
    return command


def changed(
    config: TrainConfig, given: Mapping[str, Any], settings: Mapping[str, str]
) -> TrainConfig:
    """The configuration with what was given on the command line.

    Parameters
    ----------
    settings : full name of the setting of each option.
    """
    stated = {settings[key]: value for key, value in given.items() if key in settings}
    changes = {key: value for key, value in stated.items() if value not in (None, ())}
    for key in ("scene.bands", "labels.priority"):
        if key in changes:
            changes[key] = tuple(part.strip() for part in changes[key].split(","))
    return config.updated(changes)
