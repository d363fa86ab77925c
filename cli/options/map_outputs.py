"""Options for the files beside a map, generated from the table of outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from georaster_dl.predict.outputs.kinds import EXTRA_OUTPUTS, FractionRaster, OutputKind

from .model_run import check_suffix
from .shared import OUTPUT_FILE

if TYPE_CHECKING:
    from georaster_dl.predict.options import Outputs

__all__ = ["MapCommand", "asked_outputs", "asks_for_float32", "map_outputs", "output_options"]

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


def output_options(*, name_files: bool) -> Callable[[F], F]:
    """Add an option for each file that can be made beside a map.

    Parameters
    ----------
    name_files : whether polygons and pictures take the name of a file; else all are named after the map.
    """

    def add(command: F) -> F:
        for kind in reversed(EXTRA_OUTPUTS.values()):
            command = _option(kind, name_files=name_files)(command)
        return command

    return add


def _option(kind: OutputKind, *, name_files: bool) -> Callable[[F], F]:
    flag = f"--{kind.name}"
    if name_files and not isinstance(kind, FractionRaster):
        return click.option(flag, type=OUTPUT_FILE, help=f"Also write a {kind.help}.")
    text = f"Also write *_{kind.name}{kind.suffix}, {kind.help}."
    if kind.choices:
        first, *others = kind.choices
        text += f" Stored as {first} (default) or {', '.join(others)}."
        return click.option(flag, type=click.Choice(kind.choices), help=text)
    return click.option(flag, is_flag=True, help=text)


def asked_outputs(options: Mapping[str, Any]) -> list[str]:
    """List the names of the outputs that the options ask for."""
    return [name for name in EXTRA_OUTPUTS if options[name]]


def asks_for_float32(options: Mapping[str, Any]) -> bool:
    """Whether fractions are stored as float32."""
    return any(options[name] == "float32" for name in EXTRA_OUTPUTS)


def map_outputs(mapped: Path, options: Mapping[str, Any]) -> Outputs:
    """Name the files that the options of ``output_options`` ask for beside a map."""
    from georaster_dl.predict.options import Outputs

    files: dict[str, Path] = {}
    for name in asked_outputs(options):
        kind, value = EXTRA_OUTPUTS[name], options[name]
        if isinstance(value, Path):
            check_suffix(f"--{name}", value, _FORMATS[kind.suffix], (kind.suffix,))
        files[name] = value if isinstance(value, Path) else kind.beside(mapped)
    return Outputs(mapped, **files)
