"""Options of polygons, for every command that makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from .groups import option_group
from .shared import INPUT_FILE

__all__ = ["boundaries_option", "confidence_option", "polygon_options"]

F = TypeVar("F", bound=Callable[..., Any])

boundaries_option = click.option(
    "--boundaries",
    type=INPUT_FILE,
    metavar="RASTER",
    help="Raster of the probability of a boundary, 0 to 1, which separates objects in place of narrow places; with "
    "--split-touching.",
)

confidence_option = click.option(
    "--confidence",
    type=INPUT_FILE,
    metavar="RASTER",
    help="Raster whose mean over each polygon becomes a field, as the map's *_confidence.tif.",
)


def polygon_options(command: F) -> F:
    """Add the options of polygons; the command gets ``polygon_settings``: those that were given."""
    add: Callable[[F], F] = option_group("polygon_settings", _given, *_OPTIONS)
    return add(command)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


_OPTIONS = (
    click.option(
        "--keep", multiple=True, metavar="CLASS", help="Class to make polygons of; may be repeated."
    ),
    click.option(
        "--drop",
        multiple=True,
        metavar="CLASS",
        help="Class to make no polygons of; may be repeated.",
    ),
    click.option(
        "--min-area",
        metavar="AREA",
        help="Smallest polygon, as 50m2, 0.5ha or 9px; smaller ones join the class with the longest shared "
        "border.",
    ),
    click.option(
        "--fill-holes",
        metavar="AREA",
        help="Fill holes up to this area, as 50m2, 0.5ha or 9px.",
    ),
    click.option(
        "--split-touching",
        is_flag=True,
        help="Separate objects of one class that touch where they are narrow, as buildings or crowns.",
    ),
    click.option(
        "--simplify",
        type=float,
        metavar="PIXELS",
        help="Make outlines simpler within this tolerance; shared borders stay shared.",
    ),
    click.option(
        "--round-corners", is_flag=True, help="Round corners; those of shared borders for both."
    ),
    click.option(
        "--right-angles",
        is_flag=True,
        help="Give outlines the two main directions of each object, as for buildings; needs one --keep.",
    ),
)
