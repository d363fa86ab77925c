"""Options for the files beside a map, generated from the table of outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from georaster_dl.predict.outputs.kinds import EXTRA_OUTPUTS, ExtraRaster, OutputKind

from .groups import option_group
from .shared import OUTPUT_FILE, check_suffix

if TYPE_CHECKING:
    from georaster_dl.predict.options import Outputs

__all__ = ["MapCommand", "extra_outputs", "map_outputs"]

F = TypeVar("F", bound=Callable[..., Any])

_FORMATS = {".gpkg": "a GeoPackage", ".png": "a PNG"}


class MapCommand(click.Command):
    """Command whose output options with a choice may also be given without a value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert the default choice behind an option without a value."""
        for i, arg in enumerate(args):
            kind = EXTRA_OUTPUTS.get(arg[2:]) if arg.startswith("--") else None
            if kind and kind.choices and not (set(args[i + 1 : i + 2]) & set(kind.choices)):
                args[i] = f"{arg}={kind.choices[0]}"
        return super().parse_args(ctx, args)


def extra_outputs(*, name_files: bool) -> Callable[[F], F]:
    """Make a decorator that adds an option for each file that can be made beside a map.

    The command gets ``extras``: the values of the options that were given, by the output's name.

    Parameters
    ----------
    name_files : whether polygons and pictures take the name of a file; else all are named after the map.
    """
    options = [_option(kind, name_files=name_files) for kind in EXTRA_OUTPUTS.values()]
    return option_group("extras", _given, *options)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


def _option(kind: OutputKind, *, name_files: bool) -> Callable[[F], F]:
    flag = f"--{kind.name}"
    if name_files and not isinstance(kind, ExtraRaster):
        return click.option(flag, type=OUTPUT_FILE, help=f"Also write a {kind.help}.")
    text = f"Also write *_{kind.name}{kind.suffix}, {kind.help}."
    if kind.choices:
        first, *others = kind.choices
        text += f" {kind.chosen.capitalize()} {first} (default), {', '.join(others)}."
        return click.option(flag, type=click.Choice(kind.choices), help=text)
    return click.option(flag, is_flag=True, help=text)


def map_outputs(mapped: Path, extras: Mapping[str, Any]) -> Outputs:
    """Name the files that the options of ``extra_outputs`` ask for beside a map."""
    from georaster_dl.predict.options import Outputs

    files: dict[str, Path | None] = {}
    for name, value in extras.items():
        if isinstance(value, Path):
            suffix = EXTRA_OUTPUTS[name].suffix
            check_suffix(f"--{name}", value, _FORMATS[suffix], (suffix,))
        files[name] = value if isinstance(value, Path) else None
    return Outputs.beside(mapped, files)
