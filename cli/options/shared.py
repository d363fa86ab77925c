"""Options that several commands share: one spelling, one help text and one range each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.io.files.atomic import check_local
from georaster_dl.io.files.scene_names import file_name, scene_stem

from ..terminal.progress import Terminal, end_with_parent
from .completion import complete_files, complete_models
from .groups import option_group

__all__ = [
    "INPUT_FILE",
    "OUTPUT_FILE",
    "OUTPUT_FOLDER",
    "SCENE_OPTIONS",
    "Cluster",
    "RenamedOption",
    "check_suffix",
    "debug_option",
    "default_output",
    "device_option",
    "grid_option",
    "json_option",
    "model_option",
    "output_option",
    "overwrite_option",
    "precision_option",
    "progress_options",
    "quicklook_option",
    "scene_argument",
    "scene_options",
    "scene_reading",
    "scheduler_options",
    "seed_option",
    "warning_options",
    "wavelengths_option",
]

F = TypeVar("F", bound=Callable[..., Any])


class _OutputPath(click.Path):
    """File or folder to make; an address, which only an input may be, is refused before any work."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        check_local(value)
        return super().convert(value, param, ctx)


class RenamedOption(click.Option):
    """Option that is also accepted under its former spelling, which the help does not show.

    Parameters
    ----------
    formerly : the former spelling.
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


INPUT_FILE = click.Path(path_type=Path)
OUTPUT_FILE = _OutputPath(path_type=Path)
OUTPUT_FOLDER = _OutputPath(path_type=Path, file_okay=False)
SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)

scene_argument = click.argument(
    "scene", nargs=-1, required=True, metavar="SCENE...", shell_complete=complete_files
)


def model_option(*, required: bool = False, ensemble: bool = False) -> Callable[[F], F]:
    """Make the option for a model package, or for several that are an ensemble."""
    text = "Model package, or the name of a bundled model."
    if ensemble:
        text += " Several (-m A -m B) are an ensemble, whose probabilities are averaged."
    return click.option(
        "-m",
        "--model",
        metavar="MODEL",
        required=required,
        multiple=ensemble,
        help=text,
        shell_complete=complete_models,
    )


def output_option(text: str, *, required: bool = False) -> Callable[[F], F]:
    """Make the option for the main output, with its help text."""
    return click.option("-o", "--output", type=OUTPUT_FILE, required=required, help=text)


overwrite_option = click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
quicklook_option = click.option(
    "--quicklook", type=OUTPUT_FILE, help="Also write a PNG of scene and map, side by side."
)
html_option = click.option(
    "--html", type=OUTPUT_FILE, help="Also write a report as one self-contained page."
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON on standard output, not text."
)
debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,  # main.py reads it
    help="Show the traceback of an error, and warnings of libraries.",
)


def seed_option(default: int | None = 0) -> Callable[[F], F]:
    """Make the option for the random seed; its default is None where a file of settings may hold it."""
    text = "Random seed; the same seed gives the same result."
    return click.option("--seed", type=click.IntRange(min=0), default=default, help=text)


def device_option(default: str | None = "auto") -> Callable[[F], F]:
    """Make the option for the device."""
    return click.option(
        "--device",
        default=default,
        metavar="auto|cpu|cuda[:N]",
        help="Device to compute on; auto (default) takes a GPU where there is one.",
    )


def precision_option(default: str | None = "auto") -> Callable[[F], F]:
    """Make the option for the arithmetic of a network."""
    return click.option(
        "--precision",
        type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
        default=default,
        help="Arithmetic of the network; auto (default) takes the fastest for classes and in training, and "
        "fp32 for values.",
    )


def scene_reading(
    bands: str | None,
    nodata: float | None,
    scale: float | None,
    offset: float | None,
    mask: str | None,
    wavelengths: tuple[float, ...] | None = None,
    grid: Path | None = None,
) -> SceneOptions:
    """Make the options of a scene from the values of ``SCENE_OPTIONS``."""
    names = None if bands is None else tuple(name.strip() for name in bands.split(","))
    return SceneOptions(
        bands=names,
        nodata=nodata,
        scale=scale,
        offset=offset,
        mask=mask,
        wavelengths=wavelengths,
        grid=grid,
    )


def _wavelengths(_ctx: Any, _param: Any, path: Path | None) -> tuple[float, ...] | None:
    if path is None:
        return None
    from georaster_dl.io.formats.wavelengths import read_wavelengths

    return read_wavelengths(path)


SCENE_OPTIONS = (
    click.option(
        "--bands",
        metavar="B02,B03,...",
        help="Names of a plain file's bands in file order; or the bands to use of a product.",
    ),
    click.option("--nodata", type=float, help="Stored value that means nodata."),
    click.option("--scale", type=float, help="Physical value = stored value * scale + offset."),
    click.option("--offset", type=float, help="Physical value = stored value * scale + offset."),
    click.option(
        "--mask",
        metavar="NAME[=RULE]",
        shell_complete=complete_files,
        help="Quality band that masks pixels (cloud, shadow): SCL of a Sentinel-2 product or STAC item, a band "
        "of the scene, or a file. The meaning of SCL, QA_PIXEL, Fmask and UDM2 is known; for others state "
        "which values to mask: FILE=3,8-10, FILE=bits:1,3 or FILE=keep:1. Classes and bits of the known have names "
        "(SCL=cloud_high,snow), and a band masks by its values: B02>0.2.",
    ),
)
"""Options that say how a scene's stored values are read."""
wavelengths_option = click.option(
    "--wavelengths",
    type=INPUT_FILE,
    callback=_wavelengths,
    metavar="FILE",
    help="Text file with the wavelength of each band in file order (nm or um), of a file that does not state them.",
)
grid_option = click.option(
    "--grid",
    type=INPUT_FILE,
    metavar="FILE",
    shell_complete=complete_files,
    help="File whose grid a scene of several files (A.tif+B.tif) gets; the finest by default.",
)
scene_options = option_group(
    "reading", scene_reading, *SCENE_OPTIONS, wavelengths_option, grid_option
)


def _terminal(progress: str, quiet: bool, log: Path | None, parent_pipe: bool) -> Terminal:
    if parent_pipe:
        end_with_parent()
    return Terminal(progress, quiet, log)


_parent_pipe_option = click.option(
    "--parent-pipe", is_flag=True, help="Cancel the run when standard input closes."
)
_log_option = click.option(
    "--log",
    type=_OutputPath(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Append all events to a file, as JSON lines with time and level.",
)
progress_options = option_group(
    "terminal",
    _terminal,
    click.option(
        "--progress",
        type=click.Choice(["bar", "json"]),
        default="bar",
        help="A bar on standard error (default), or events as JSON lines on standard output.",
    ),
    click.option("--quiet", is_flag=True, help="Print nothing but errors."),
    _log_option,
    _parent_pipe_option,
    debug_option,
)
"""Options of commands that show their progress."""

warning_options = option_group(
    "terminal",
    lambda log, parent_pipe: _terminal("warnings", False, log, parent_pipe),
    _log_option,
    _parent_pipe_option,
    debug_option,
)
"""Options of commands that show warnings and their result only."""


@dataclass(frozen=True)
class Cluster:
    """Dask cluster, and the resources of its workers that each task takes."""

    scheduler: str
    resources: dict[str, float]


def _cluster(scheduler: str | None, resources: dict[str, float]) -> Cluster | None:
    if scheduler is not None:
        return Cluster(scheduler, resources)
    if resources:
        raise OptionError("--resources is for workers of a Dask cluster; name its --scheduler too.")
    return None


def _parse_resources(text: str | None) -> dict[str, float]:
    """Parse ``GPU=1,MEMORY=8e9``."""
    resources = {}
    for part in text.split(",") if text is not None else ():
        name, _, number = part.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not name.strip() or not 0 < value < math.inf:
            raise OptionError(f"--resources takes NAME=NUMBER, like GPU=1, but got {part!r}.")
        resources[name.strip()] = value
    return resources


scheduler_options = option_group(
    "cluster",
    _cluster,
    click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="Dask cluster (tcp://host:port or a scheduler file; its workers must see all files under the "
        "same paths), or local:N for N processes here.",
    ),
    click.option(
        "--resources",
        metavar="GPU=1",
        callback=lambda _ctx, _param, text: _parse_resources(text),
        help="With --scheduler: resources that each task takes of those that the workers declare.",
    ),
)
"""Options that choose a Dask cluster for the work."""


def default_output(scene: str, subject: str) -> Path:
    """Name an output in the working folder after the scene and the output's subject."""
    return Path(f"{file_name(scene_stem(scene))}_{subject}.tif")


def check_suffix(option: str, path: Path | None, kind: str, endings: tuple[str, ...]) -> None:
    """Refuse a file whose name promises another format: no program would open it."""
    if path is not None and path.suffix.lower() not in endings:
        raise OptionError(f"{option} makes {kind}, but its name is {path}; end it in {endings[0]}.")
