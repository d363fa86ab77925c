"""Options of cleaning a map, for the commands that make maps and for ``geodl clean``."""

from __future__ import annotations

from typing import Any

import click

from georaster_dl.cleaning.options import LARGEST_SIDE, STRENGTH, CleaningOptions
from georaster_dl.core.errors import OptionError

from .groups import option_group

__all__ = ["cleaning_options"]


def _cleaning(**values: Any) -> CleaningOptions:
    given = {name: value for name, value in values.items() if value not in (None, False)}
    unused = [name for name in given if name.startswith("smooth") and name != "smooth"]
    if unused and "smooth" not in given:
        option = f"--{unused[0].replace('_', '-')}"
        raise OptionError(f"{option} is for smoothing; add --smooth, or leave it out.")
    return CleaningOptions(**given)


cleaning_options = option_group(
    "cleaning",
    _cleaning,
    click.option(
        "--sieve",
        metavar="AREA",
        help="Smallest area of the map, as 0.5ha, 50m2 or 9px; smaller ones go to the neighbour with the longest "
        "common border.",
    ),
    click.option(
        "--majority",
        type=click.IntRange(3, LARGEST_SIDE),
        metavar="SIDE",
        help="Give each pixel the most frequent class of a square of that many pixels, an odd number.",
    ),
    click.option(
        "--smooth",
        is_flag=True,
        help="Choose the classes by probabilities that those of the neighbours have smoothed.",
    ),
    click.option(
        "--smooth-strength",
        metavar="NUMBER[,CLASS=NUMBER...]",
        help="How much --smooth smooths: the variance of the log-odds within a class, of all or by class; "
        f"{STRENGTH:g} by default.",
    ),
    click.option(
        "--smooth-window",
        type=click.IntRange(3, LARGEST_SIDE),
        metavar="SIDE",
        help="Square of neighbours of --smooth in pixels, an odd number; 9 by default.",
    ),
    click.option(
        "--smooth-share",
        type=click.FloatRange(0, 1, min_open=True),
        help="Share of the neighbours that --smooth takes, the most probable; 0.5 by default.",
    ),
)
"""Options of cleaning; gives ``cleaning``, a ``CleaningOptions``."""
