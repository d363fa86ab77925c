"""Options for the files beside a map, generated from the table of outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from georaster_dl.predict.outputs.kinds import EXTRA_OUTPUTS, ExtraRaster, OutputKind, Words

from .groups import option_group
from .shared import OUTPUT_FILE, SHARE, check_suffix

if TYPE_CHECKING:
    from georaster_dl.predict.options import Outputs

__all__ = ["MapCommand", "extra_outputs", "map_outputs"]

F = TypeVar("F", bound=Callable[..., Any])

_FORMATS = {".gpkg": "a GeoPackage", ".png": "a PNG"}


class MapCommand(click.Command):
    """Command whose output options that take a value may also be given without it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert the default value behind an option without one."""
        for i, arg in enumerate(args):
            kind = EXTRA_OUTPUTS.get(arg[2:]) if arg.startswith("--") else None
            argument = kind and kind.argument
            if argument and all(argument.read(value) is None for value in args[i + 1 : i + 2]):
                args[i] = f"{arg}={argument.default}"
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
    argument = kind.argument
    if argument is None:
        return click.option(flag, is_flag=True, help=text)
    text += f" {argument.text[0].upper()}{argument.text[1:]}."
    if isinstance(argument, Words):
        return click.option(flag, type=click.Choice(tuple(argument.settings)), help=text)
    return click.option(flag, type=SHARE, metavar=argument.metavar, help=text)


polygons_output = _option(EXTRA_OUTPUTS["polygons"], name_files=True)


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
