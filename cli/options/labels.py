"""Options of labels, and the settings of a training that options change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from georaster_dl.core.scene_options import FractionOptions, LabelOptions
from georaster_dl.training.settings.keywords import SETTINGS

from .groups import option_group
from .shared import INPUT_FILE, SCENE_OPTIONS, grid_option, seed_option, wavelengths_option

__all__ = [
    "LABEL_OPTIONS",
    "checked_label_options",
    "class_field_option",
    "classes_option",
    "erode_option",
    "fraction_fields_option",
    "fraction_label_options",
    "instances_option",
    "label_options",
    "labels_reading",
    "training_options",
]

F = TypeVar("F", bound=Callable[..., Any])

classes_option = click.option(
    "--classes",
    type=INPUT_FILE,
    metavar="CSV",
    help="Class list with the columns value, name and (optional) color.",
)
class_field_option = click.option(
    "--class-field", metavar="NAME", help="Attribute that holds the class, or the quantity."
)
erode_option = click.option(
    "--erode",
    type=click.IntRange(min=0),
    metavar="PIXELS",
    help="Leave out labels within so many pixels of a border between classes, or to unlabelled ground.",
)
instances_option = click.option(
    "--instances",
    is_flag=True,
    default=None,
    help="Also learn where each polygon ends, so that touching buildings, crowns or fields become objects of their own.",
)
fraction_fields_option = click.option(
    "--fraction-fields",
    metavar="A,B,...",
    help="Attributes, or bands of a raster, that hold the fractions of a pixel (0 to 1, or percent); of one alone "
    "the rest is the fraction 'other'.",
)
class_name_option = click.option(
    "--class",
    "class_name",
    metavar="NAME",
    help="Class of all features, whatever their attributes, and of all pixels of a mask that are not 0.",
)
LABEL_OPTIONS = (
    click.option(
        "--layer",
        metavar="NAME",
        help="Layer of a vector file that has several; by default the only one with the class field.",
    ),
    class_field_option,
    class_name_option,
    classes_option,
    click.option(
        "--ignore",
        type=float,
        multiple=True,
        metavar="VALUE",
        help="Label value that means unlabelled, besides nodata; may be repeated.",
    ),
    click.option(
        "--background",
        metavar="NAME",
        help="Class of all pixels without a label: for labels that show single classes only.",
    ),
    click.option(
        "--width-m",
        type=float,
        metavar="METRES",
        help="Width to which lines and points are widened.",
    ),
    click.option(
        "--all-touched",
        is_flag=True,
        default=None,
        help="Features label every pixel that they touch, not only those whose centre they cover.",
    ),
)


def labels_reading(all_touched: bool | None, **values: Any) -> LabelOptions:
    """Make the options of labels from the values of ``LABEL_OPTIONS``."""
    return LabelOptions(all_touched=bool(all_touched), **values)


label_options = option_group("labels", labels_reading, *LABEL_OPTIONS)
"""Options that say how labels are read."""


def _fractions_reading(
    all_touched: bool | None, fraction_fields: str | None, **values: Any
) -> FractionOptions:
    named = tuple(part.strip() for part in fraction_fields.split(",")) if fraction_fields else ()
    return FractionOptions(all_touched=bool(all_touched), fraction_fields=named, **values)


fraction_label_options = option_group(
    "labels", _fractions_reading, *LABEL_OPTIONS, fraction_fields_option
)
"""Options that say how labels are read that may be fractions."""


def _changes(**values: Any) -> dict[str, Any]:
    changes = {
        SETTINGS[name]: value for name, value in values.items() if value is not None and value != ()
    }
    for key in ("scene.bands", "labels.priority", "labels.fraction_fields"):
        if key in changes:
            changes[key] = tuple(part.strip() for part in changes[key].split(","))
    return changes


checked_label_options = option_group(
    "changes",
    _changes,
    *LABEL_OPTIONS[:5],
    *SCENE_OPTIONS,
    wavelengths_option,
    grid_option,
    seed_option(default=None),
)
"""Options that say how labels that are checked, and their scenes, are read; gives ``changes`` of settings."""


def training_options(*options: Callable[[Any], Any]) -> Callable[[F], F]:
    """Make a decorator that adds options of labels, split, scene and seed; gives ``changes`` of settings.

    Parameters
    ----------
    options : further options of a command that are settings, too.
    """
    return option_group(
        "changes",
        _changes,
        *options,
        *LABEL_OPTIONS,
        click.option(
            "--priority",
            metavar="A,B,...",
            help="Classes from the top down, where labels overlap.",
        ),
        click.option(
            "--split-column",
            metavar="NAME",
            help="Column that --split column reads [default: split].",
        ),
        click.option(
            "--block",
            type=click.IntRange(min=1),
            metavar="PIXELS",
            help="Side of a block of --split blocks.",
        ),
        click.option(
            "--buffer",
            type=click.IntRange(min=0),
            metavar="PIXELS",
            help="Distance between training, validation and test pixels.",
        ),
        *SCENE_OPTIONS,
        wavelengths_option,
        grid_option,
        seed_option(default=None),
    )
