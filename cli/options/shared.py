"""Every option that more than one command has: one spelling, one help text, one meaning."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.io.files.atomic import check_local

__all__ = [
    "OUTPUT_FILE",
    "OUTPUT_FOLDER",
    "RenamedOption",
    "check_resources",
    "debug_option",
    "layer_option",
    "log_option",
    "model_option",
    "needed_model_option",
    "parent_pipe_option",
    "parse_resources",
    "run_options",
    "scene_argument",
    "scene_options",
    "scene_settings",
    "scheduler_options",
]

F = TypeVar("F", bound=Callable[..., Any])


class _OutputPath(click.Path):
    """A file or folder to make; an address, which only an input may be, is refused before any work."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        check_local(value)
        return super().convert(value, param, ctx)


class RenamedOption(click.Option):
    """Option that scripts may still spell as before, which the help does not show.

    Parameters
    ----------
    formerly : the old spelling.
    """

    def __init__(self, *args: Any, formerly: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._formerly = formerly

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Accept both spellings."""
        shown = self.opts
        self.opts = [*shown, self._formerly]
        super().add_to_parser(parser, ctx)
        self.opts = shown


OUTPUT_FILE = _OutputPath(path_type=Path)
OUTPUT_FOLDER = _OutputPath(path_type=Path, file_okay=False)
scene_argument = click.argument("scene", nargs=-1, required=True, metavar="SCENE...")
model_option = click.option(
    "-m", "--model", metavar="MODEL", help="Model package, or the name of a bundled model."
)
needed_model_option = click.option(
    "-m",
    "--model",
    metavar="MODEL",
    required=True,
    help="Model package, or the name of a bundled model.",
)
layer_option = click.option(
    "--layer",
    metavar="NAME",
    help="Layer of a vector file that has several; by default the only one with the class field.",
)
parent_pipe_option = click.option(
    "--parent-pipe", is_flag=True, help="End with 130 when standard input closes."
)
debug_option = click.option(
    "--debug", is_flag=True, help="Show the traceback of an error, and warnings of libraries."
)
log_option = click.option(
    "--log",
    type=_OutputPath(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Append what is told to a file, as JSON lines with time and level, whatever is shown.",
)


def scene_options(command: F) -> F:
    """Options that say what the user knows better than the file."""
    for option in (
        click.option(
            "--mask",
            metavar="NAME[=RULE]",
            help="Quality band that masks pixels (cloud, shadow): SCL of a Sentinel-2 product or STAC item, a band "
            "of the scene, or a file. SCL, QA_PIXEL, Fmask and UDM2 are known; of others say which numbers "
            "mask: FILE=3,8-10, FILE=bits:1,3 or FILE=keep:1.",
        ),
        click.option("--offset", type=float, help="Physical value = number * scale + offset."),
        click.option("--scale", type=float, help="Physical value = number * scale + offset."),
        click.option("--nodata", type=float, help="Number that stands for no measurement."),
        click.option(
            "--bands",
            metavar="B02,B03,...",
            help="Names of a plain file's bands in file order; or the bands to use of a product.",
        ),
    ):
        command = option(command)
    return command


def run_options(command: F) -> F:
    """Options of commands that run for long: how they tell their progress, and when they end."""
    for option in (
        debug_option,
        log_option,
        click.option("--quiet", is_flag=True, help="Print nothing but errors."),
        parent_pipe_option,
        click.option(
            "--progress",
            type=click.Choice(["bar", "json"]),
            default="bar",
            help="A bar on standard error, or JSON lines on standard output.",
        ),
    ):
        command = option(command)
    return command


def scheduler_options(command: F) -> F:
    """Options that say which Dask cluster does the work."""
    for option in (
        click.option(
            "--resources",
            metavar="GPU=1",
            callback=lambda _ctx, _param, text: parse_resources(text),
            help="With --scheduler: what each task takes of the resources that workers declare.",
        ),
        click.option(
            "--scheduler",
            metavar="ADDRESS",
            help="Dask cluster (tcp://host:port or a scheduler file; its workers must see all files under the "
            "same paths), or local:N for N processes here.",
        ),
    ):
        command = option(command)
    return command


def parse_resources(text: str | None) -> dict[str, float]:
    """Resources of Dask, as ``GPU=1,MEMORY=8e9``.

    Raises
    ------
    OptionError
        When it is not NAME=NUMBER.
    """
    found = {}
    for part in text.split(",") if text is not None else ():
        name, _, number = part.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not name.strip() or not 0 < value < math.inf:
            raise OptionError(f"--resources takes NAME=NUMBER, like GPU=1, but got {part!r}.")
        found[name.strip()] = value
    return found


def check_resources(given: Mapping[str, Any]) -> None:
    """Refuse resources where nobody could offer them."""
    if given["resources"] and given["scheduler"] is None:
        raise OptionError("--resources is for workers of a Dask cluster; name its --scheduler too.")


def scene_settings(given: Mapping[str, Any]) -> SceneOptions:
    """What ``scene_options`` collected."""
    bands = given["bands"]
    names = None if bands is None else tuple(name.strip() for name in bands.split(","))
    return SceneOptions(
        bands=names, **{key: given[key] for key in ("nodata", "scale", "offset", "mask")}
    )
