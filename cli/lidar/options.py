"""Options of the commands of ``geodl lidar``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["crs_option", "ground_option"]

F = TypeVar("F", bound=Callable[..., Any])

crs_option = click.option(
    "--crs", metavar="EPSG:N", help="CRS of files that state none, or a wrong one."
)


def ground_option(default: str) -> Callable[[F], F]:
    """Make the option for the source of the terrain."""
    return click.option(
        "--ground",
        type=click.Choice(["auto", "class", "filter"]),
        default=default,
        show_default=True,
        help="Where the terrain comes from: points of class 2, or a filter that looks at no class; auto takes the "
        "classes where all files have them.",
    )
