"""``geodl unmix``: find the members that pixels are mixed of, and map the fractions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Finished
from georaster_dl.core.scene_options import SceneOptions

from ..options.completion import complete_files
from ..options.shared import (
    INPUT_FILE,
    OUTPUT_FILE,
    check_suffix,
    default_output,
    output_option,
    overwrite_option,
    progress_options,
    quicklook_option,
    scene_options,
    seed_option,
)
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs, print_table

if TYPE_CHECKING:
    from georaster_dl.unmixing.run import Unmixed

__all__ = ["unmix"]

_TIFF = (".tif", ".tiff")


def _number_of_members(
    _ctx: click.Context, _param: click.Parameter, text: str | None
) -> int | Literal["auto"] | None:
    if text is None or text == "auto":
        return "auto" if text else None
    if not text.lstrip("-").isdecimal():
        raise OptionError(f"-k must be a number of members or auto, not {text!r}.")
    return int(text)


@click.command()
@click.argument("cube", nargs=-1, required=True, metavar="CUBE...", shell_complete=complete_files)
@click.option(
    "-k",
    "k",
    callback=_number_of_members,
    metavar="N|auto",
    help="Number of members to find in the scene; auto (default) prints the error of 2, 3, ... and takes the one "
    "after which neither the next nor the next two lower the error beyond noise by 30 % each.",
)
@click.option(
    "--members",
    type=INPUT_FILE,
    multiple=True,
    metavar="TABLE",
    help="Spectra that are the members, as `geodl spectra` reads them (.sli, .csv, ...), brought to the scene's bands; "
    "of several files rows are joined.",
)
@click.option(
    "--class-field",
    metavar="COLUMN",
    help="With --members: take the mean of each class of this column, not each spectrum.",
)
@click.option(
    "--members-scale",
    type=float,
    metavar="FACTOR",
    help="With --members: multiply them, for example with 0.0001 where they are whole numbers of 0 to 10,000.",
)
@output_option("Map to make; CUBE_fractions.tif in the working folder by default.")
@overwrite_option
@click.option(
    "--search",
    type=click.Choice(["nfindr", "vca"]),
    default="nfindr",
    show_default=True,
    help="How members are found: the pixels of the largest simplex, or vertex component analysis.",
)
@click.option(
    "--method",
    type=click.Choice(["fcls", "autoencoder"]),
    default="fcls",
    show_default=True,
    help="Fully constrained least squares, or an autoencoder that starts from the members and changes them.",
)
@click.option(
    "--shade",
    is_flag=True,
    help="With fcls: let black take part; fractions are then of what is lit.",
)
@click.option(
    "--smoothness",
    type=click.FloatRange(min=0),
    default=0.0,
    help="With autoencoder: weight of smooth fractions (total variation), for example 0.05.",
)
@click.option(
    "--bilinear",
    is_flag=True,
    help="With autoencoder: let members also reflect light of each other.",
)
@click.option(
    "--error", type=OUTPUT_FILE, help="Also write what the members leave unexplained (RMSE)."
)
@click.option(
    "--save-model",
    type=OUTPUT_FILE,
    metavar="FILE",
    help="Also write a model package that repeats the map on other scenes (geodl segment -m).",
)
@click.option("--float32", is_flag=True, help="Store fractions as float32, not in steps of 0.004.")
@quicklook_option
@scene_options
@seed_option()
@progress_options
def unmix(
    *,
    cube: tuple[str, ...],
    k: int | Literal["auto"] | None,
    members: tuple[Path, ...],
    class_field: str | None,
    members_scale: float | None,
    output: Path | None,
    overwrite: bool,
    search: Literal["nfindr", "vca"],
    method: Literal["fcls", "autoencoder"],
    shade: bool,
    smoothness: float,
    bilinear: bool,
    error: Path | None,
    save_model: Path | None,
    float32: bool,
    quicklook: Path | None,
    reading: SceneOptions,
    seed: int,
    terminal: Terminal,
) -> int:
    """Unmix pixels into the materials they hold, without any label.

    CUBE is a scene of many bands. Members are pure spectra: those of the pixels that span all others, or
    those of a library. Every pixel is a mixture of them with fractions from 0 to 1, of sum 1; the map has a
    band for each. The members are written beside it as a table (which --members takes) and as a picture.

    \b
    geodl unmix cube.hdr -k 4 --error error.tif --save-model unmixed.safetensors
    geodl unmix cube.hdr --members library.sli --class-field material
    geodl segment other.hdr -m unmixed.safetensors
    """
    from georaster_dl.unmixing.options import UnmixOptions, UnmixOutputs
    from georaster_dl.unmixing.run import unmix as run

    output = output or default_output(cube[0], "fractions")
    check_suffix("-o", output, "a GeoTIFF", _TIFF)
    check_suffix("--error", error, "a GeoTIFF", _TIFF)
    check_suffix("--quicklook", quicklook, "a PNG", (".png",))
    check_suffix("--save-model", save_model, "a model package", (".safetensors",))
    outputs = UnmixOutputs(output, error, quicklook, save_model)
    options = UnmixOptions(
        scene=reading,
        k=k,
        members=members,
        class_field=class_field,
        members_scale=members_scale,
        search=search,
        method=method,
        shade=shade,
        smoothness=smoothness,
        bilinear=bilinear,
        float32=float32,
        seed=seed,
        overwrite=overwrite,
    )
    return run_with_progress(
        terminal, lambda report: run(cube, outputs, options, report), _finished, _print
    )


def _finished(unmixed: Unmixed) -> Finished:
    curve = unmixed.curve
    return finished(
        unmixed.files,
        unmixed.failed,
        round(unmixed.seconds, 3),
        pixels=unmixed.pixels,
        sampled=unmixed.sampled,
        fractions={name: round(share, 4) for name, share in unmixed.fractions.items()},
        places={name: list(place) for name, place in unmixed.places.items()},
        rmse=unmixed.rmse,
        rmse_fcls=unmixed.rmse_fcls,
        rmse_by_members={} if curve is None else {str(k): e for k, e in curve.rmse.items()},
    )


def _place(name: str, place: tuple[int, int]) -> str:
    return f"{name} {place[0]}, {place[1]}"


def _print(unmixed: Unmixed) -> None:
    curve = unmixed.curve
    if curve is not None:
        rows = [
            (str(k), f"{error:.4g}", f"{curve.components[k]:.4g}", "<" if k == curve.chosen else "")
            for k, error in curve.rmse.items()
        ]
        print_table(("members", "RMSE", "of components", "taken"), rows)
        of_signal = (
            ""
            if curve.dimension is None
            else f"noise {curve.noise:.2g}; HySime finds {curve.dimension} directions of signal; "
        )
        click.echo(f"{of_signal}to take another number, run again with -k")
    shares = (f"{name} {100 * share:.1f} %" for name, share in unmixed.fractions.items())
    click.echo(", ".join(shares))
    own = f"RMSE {unmixed.rmse:.4g}"
    if unmixed.rmse_fcls != unmixed.rmse:
        own = f"RMSE of the autoencoder {unmixed.rmse:.4g}, of least squares with the members it began with {unmixed.rmse_fcls:.4g}"
    click.echo(own)
    if unmixed.places:
        click.echo(
            "found at row, col: " + "; ".join(_place(*each) for each in unmixed.places.items())
        )
    click.echo(
        f"{unmixed.pixels / 1e6:.3g} Mpx in {unmixed.seconds:.1f} s, members from {unmixed.source}"
        f"{'' if 'pixels' not in unmixed.source else f' (of {unmixed.sampled:,} sampled)'}"
    )
    print_outputs(unmixed.files)
