"""Options that name a stack of dated scenes, and say how it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.scene_options import StackOptions

from .completion import complete_files
from .groups import option_group
from .shared import SCENE_OPTIONS, scene_reading

if TYPE_CHECKING:
    from georaster_dl.io.stacks.scene import StackInput
    from georaster_dl.io.stacks.sources import OneSource
    from georaster_dl.io.stacks.stack import TimeStack

__all__ = ["STACK_OPTIONS", "StackArguments", "stack_arguments", "stack_options"]


@dataclass(frozen=True)
class StackArguments:
    """A stack as the user names it.

    Attributes
    ----------
    given : sources of the only sensor.
    sensors : source of each sensor by its name, where there are several.
    since, until : first and last date that are read.
    """

    given: tuple[str, ...]
    sensors: Mapping[str, str]
    options: StackOptions
    since: date | None = None
    until: date | None = None

    @property
    def source(self) -> OneSource | Mapping[str, OneSource]:
        """Source of the only sensor, or of each by its name.

        Raises
        ------
        OptionError
            When none is given, or both kinds are.
        """
        if bool(self.given) == bool(self.sensors):
            raise OptionError(
                "Give one stack (a folder, a pattern, files, a table, a STAC collection or a cube), or one for each of "
                "several sensors with `sensor='NAME=STACK'`."
            )
        if self.sensors:
            return self.sensors
        return self.given[0] if len(self.given) == 1 else self.given

    @property
    def tables(self) -> list[Path]:
        """Tables of point series that were given in place of a stack; none where it is a stack."""
        from georaster_dl.timeseries.tables.read import is_series_table

        paths = [Path(one) for one in self.given]
        return paths if paths and all(map(is_series_table, paths)) else []

    def input(self) -> StackInput:
        """Describe the stack as the library opens it, cut to the dates asked for; raises as ``source``."""
        from georaster_dl.io.stacks.scene import StackInput

        return StackInput(self.source, self.options, self.since, self.until)

    def open(self) -> TimeStack:
        """Open the stack, cut to the dates asked for."""
        return self.input().open()


def stack_arguments(
    stack: tuple[str, ...],
    sensor: Mapping[str, str],
    date_pattern: str | None,
    indices: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    **reading: Any,
) -> StackArguments:
    """Make the arguments of a stack from the values of ``STACK_OPTIONS``, --since and --until."""
    return StackArguments(
        stack,
        sensor,
        StackOptions(scene_reading(**reading), date_pattern, indices),
        None if since is None else since.date(),
        None if until is None else until.date(),
    )


def _parse_sensors(values: tuple[str, ...]) -> dict[str, str]:
    sensors: dict[str, str] = {}
    for text in values:
        name, _, source = text.partition("=")
        if not name.strip() or not source or name.strip() in sensors:
            raise OptionError(
                f"`sensor='{text}'` is no sensor; give each a name of its own and a stack, as in s1=radar/."
            )
        sensors[name.strip()] = source
    return sensors


_DAY = click.DateTime(["%Y-%m-%d"])

STACK_OPTIONS = (
    click.argument("stack", nargs=-1, metavar="[STACK]...", shell_complete=complete_files),
    click.option(
        "--sensor",
        multiple=True,
        metavar="NAME=STACK",
        callback=lambda _ctx, _param, values: _parse_sensors(values),
        help="Stack of one of several sensors, with dates of its own: --sensor s1=radar/ --sensor s2=optical/.",
    ),
    *SCENE_OPTIONS,
    click.option(
        "--date-pattern",
        metavar="REGEX",
        help=r"Regular expression whose group is the date in a path, such as '_(\d{8})_'; the first date in the name "
        "is taken without it.",
    ),
    click.option(
        "--indices",
        metavar="NDVI,EVI,...",
        callback=lambda _ctx, _param, text: tuple(
            name.strip() for name in (text or "").split(",") if name.strip()
        ),
        help="Spectral indices to derive as further bands.",
    ),
)
"""Options that name a stack and say how its scenes are read."""
stack_options = option_group(
    "stack",
    stack_arguments,
    *STACK_OPTIONS,
    click.option(
        "--since", type=_DAY, metavar="DATE", help="First date that is read, as 2023-05-14."
    ),
    click.option(
        "--until", type=_DAY, metavar="DATE", help="Last date that is read: the season so far."
    ),
)
"""The stack and how it is read; the command gets a :class:`StackArguments`."""
