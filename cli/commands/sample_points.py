"""``geodl sample-points``: places of a map to look up on the ground."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import command_line, counted

from ..options.shared import OUTPUT_FILE, debug_option, log_option
from ..terminal.progress import reporting
from ..terminal.results import finished

__all__ = ["sample_points"]

_FILE = click.Path(path_type=Path)


@click.command("sample-points")
@click.argument("map_path", metavar="MAP", type=_FILE)
@click.option(
    "-n", "n", type=click.IntRange(min=1), help="Points; by default what --standard-error needs."
)
@click.option("-o", "--output", type=OUTPUT_FILE, required=True, help="GeoPackage to make.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random draw.")
@click.option(
    "--minimum-per-class",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    help="Points that even the rarest class gets.",
)
@click.option(
    "--standard-error",
    type=float,
    default=0.01,
    show_default=True,
    help="Wanted standard error of the overall accuracy, where -n is not given.",
)
@click.option(
    "--users-accuracy",
    default="0.8",
    show_default=True,
    metavar="0.8|NAME=0.9,...",
    help="Expected user's accuracy of all classes, or of some by name, for the same.",
)
@click.option("--classes", type=_FILE, metavar="CSV", help="Names of classes: columns value,name.")
@click.option("--overwrite", is_flag=True, help="Replace an output that exists.")
@log_option
@debug_option
def sample_points(map_path: Path, output: Path, **given: Any) -> None:
    """Draw random points to label, stratified by the map's classes.

    The points lie on pixel centres, in random order. Fill in their empty field `class`, without
    looking at map_class, and give the file to geodl evaluate.

    \b
    geodl sample-points map.tif -o points.gpkg
    geodl sample-points map.tif -n 500 -o points.gpkg --minimum-per-class 30
    """
    from georaster_dl.evaluate.inputs.points import SampleOptions
    from georaster_dl.evaluate.inputs.points import sample_points as run
    from georaster_dl.io.output.staging import Staging

    if output.suffix.lower() != ".gpkg":
        raise OptionError(f"-o makes a GeoPackage, but its name is {output}; end it in .gpkg.")
    general, by_class = _accuracies(given["users_accuracy"])
    options = SampleOptions(
        n=given["n"],
        minimum_per_class=given["minimum_per_class"],
        standard_error=given["standard_error"],
        users_accuracy=general,
        by_class=by_class,
        seed=given["seed"],
        classes=given["classes"],
    )
    protect = [path for path in (map_path, given["classes"]) if path is not None]
    with reporting("warnings", quiet=False, log=given["log"]) as report:
        with Staging(output, overwrite=given["overwrite"], protect=protect) as stage:
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
