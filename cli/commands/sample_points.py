"""``geodl sample-points``: draw a stratified random sample of a map's pixels to label."""

from __future__ import annotations

from pathlib import Path

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import command_line, counted

from ..options.labels import classes_option
from ..options.shared import (
    INPUT_FILE,
    check_suffix,
    output_option,
    overwrite_option,
    seed_option,
    warning_options,
)
from ..terminal.progress import Terminal
from ..terminal.results import finished

__all__ = ["sample_points"]


@click.command("sample-points")
@click.argument("map_path", metavar="MAP", type=INPUT_FILE)
@click.option(
    "-n",
    "n",
    type=click.IntRange(min=1),
    help="Number of points; by default as many as --standard-error needs.",
)
@output_option("GeoPackage to make.", required=True)
@seed_option()
@click.option(
    "--minimum-per-class",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    help="Minimum number of points of each class.",
)
@click.option(
    "--standard-error",
    type=float,
    default=0.01,
    show_default=True,
    help="Standard error of the overall accuracy to plan for, without -n.",
)
@click.option(
    "--users-accuracy",
    default="0.8",
    show_default=True,
    metavar="0.8|NAME=0.9,...",
    help="User's accuracy to expect, of all classes or of some by name, without -n.",
)
@classes_option
@overwrite_option
@warning_options
def sample_points(
    *,
    map_path: Path,
    n: int | None,
    output: Path,
    seed: int,
    minimum_per_class: int,
    standard_error: float,
    users_accuracy: str,
    classes: Path | None,
    overwrite: bool,
    terminal: Terminal,
) -> None:
    """Draw random points to label, stratified by the map's classes.

    The points lie on pixel centres, in random order. Fill in their empty field `class`, without
    looking at map_class, and give the file to geodl evaluate.

    \b
    geodl sample-points map.tif -o points.gpkg
    geodl sample-points map.tif -n 500 -o points.gpkg --minimum-per-class 30
    """
    from georaster_dl.evaluation.inputs.points import SampleOptions
    from georaster_dl.evaluation.inputs.points import sample_points as run
    from georaster_dl.io.output.staging import Staging

    check_suffix("-o", output, "a GeoPackage", (".gpkg",))
    general, by_class = _accuracies(users_accuracy)
    options = SampleOptions(n, minimum_per_class, standard_error, general, by_class, seed, classes)
    protect = [path for path in (map_path, classes) if path is not None]
    with terminal.reporting() as report:
        with Staging(output, overwrite=overwrite, protect=protect) as stage:
            strata = run(map_path, stage.path(output), options)
        points = {stratum.name: stratum.points for stratum in strata}
        report(finished([output], points=points))
    for stratum in strata:
        share = f"{100 * stratum.weight:.1f} %"
        click.echo(f"{counted(stratum.points, 'point'):>13}  {stratum.name} ({share} of the map)")
    click.echo(f"{counted(sum(s.points for s in strata), 'point'):>13} in all: {output}")
    click.echo(
        "Next: fill in the field class of each point from what is there, without looking at map_class; then"
    )
    click.echo(f"  {command_line('geodl', 'evaluate', map_path, output, '--class-field', 'class')}")


def _accuracies(text: str) -> tuple[float, dict[str, float]]:
    """Parse ``0.8``, ``water=0.95,forest=0.9`` or both."""
    general, by_class = 0.8, {}
    try:
        for part in text.split(","):
            name, equals, figure = part.rpartition("=")
            if equals:
                by_class[name.strip()] = float(figure)
            else:
                general = float(figure)
    except ValueError:
        raise OptionError(
            f"--users-accuracy must be a number such as 0.8, or NAME=0.9,..., not {text!r}."
        ) from None
    return general, by_class
