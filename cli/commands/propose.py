"""``geodl propose``: propose areas to label next."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.events import Finished, Report
from georaster_dl.core.process import tune_allocators
from georaster_dl.core.wording import command_line, counted

from ..options.labels import class_field_option
from ..options.model_run import model_run_options, with_matching
from ..options.predictor import passes_option
from ..options.shared import (
    INPUT_FILE,
    check_suffix,
    model_option,
    output_option,
    progress_options,
    scene_argument,
    seed_option,
)
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs

if TYPE_CHECKING:
    from georaster_dl.core.scene_options import SceneOptions
    from georaster_dl.proposals.propose import Proposed

__all__ = ["propose"]


@click.command()
@scene_argument
@model_option(required=True, ensemble=True)
@click.option(
    "-n", "n", type=click.IntRange(1), default=50, show_default=True, help="Number of areas."
)
@output_option("GeoPackage to make; a picture of all areas goes beside it (.png).", required=True)
@click.option(
    "--by",
    type=click.Choice(["margin", "entropy", "mutual-information"]),
    default="margin",
    show_default=True,
    help="Uncertainty to choose by: the margin between the two likeliest classes, the entropy of all, or the "
    "disagreement of several passes.",
)
@click.option(
    "--cell",
    type=click.IntRange(1),
    default=32,
    show_default=True,
    metavar="PIXELS",
    help="Side of an area.",
)
@click.option(
    "--parcels",
    type=INPUT_FILE,
    metavar="FILE",
    help="Polygons to choose from, instead of square cells.",
)
@click.option(
    "--labels",
    type=INPUT_FILE,
    metavar="FILE",
    help="Labels that exist already, of some or all scenes; areas that hold some are left out.",
)
@class_field_option
@click.option(
    "--uncertainty",
    type=click.Choice(["mc-dropout", "bayesian", "tta", "ensemble"]),
    help="Take the mean of several passes, as geodl segment does; one pass by default, or the members of "
    "several -m.",
)
@passes_option
@seed_option()
@model_run_options
@progress_options
def propose(
    *,
    scene: tuple[str, ...],
    model: tuple[str, ...],
    n: int,
    uncertainty: str | None,
    passes: int | None,
    output: Path,
    settings: dict[str, Any],
    terminal: Terminal,
    **choice: Any,
) -> int:
    """Propose the areas whose labels would help a model most.

    Every SCENE is mapped once; it may be a pattern in quotes. Areas where the model is uncertain
    between classes, far from each other and unlike each other, are written with a rank, a suggested class and an empty
    field `class`. Fill that in with QGIS, which opens the file with a form, and train again. The areas are no random
    sample: no accuracy and no area of a map can be estimated from them.

    \b
    geodl propose scene.tif -m model.safetensors -n 50 -o areas.gpkg
    geodl propose 'scenes/*.tif' -m model.safetensors --labels labels.gpkg -o areas.gpkg
    geodl train scene.tif areas.gpkg --class-field class --init model.safetensors -o better.safetensors
    """
    from georaster_dl.models.package.file import find_model
    from georaster_dl.proposals.options import ProposeOptions
    from georaster_dl.training.data.sources import expanded_scenes

    check_suffix("-o", output, "a GeoPackage", (".gpkg",))
    scenes = expanded_scenes(scene)
    package, *members = (find_model(each).absolute() for each in model)
    asked = {"predictor": uncertainty, "passes": passes}
    settings |= {name: value for name, value in asked.items() if value is not None}
    options = ProposeOptions(**settings, n=n, members=tuple(members), **choice)
    tune_allocators()

    def run(report: Report) -> Proposed:
        from georaster_dl.proposals.propose import propose  # heavy, so after the checks

        return propose(
            scenes, package, output, options, with_matching(report) if terminal.prints else report
        )

    return run_with_progress(
        terminal, run, _finished, lambda proposed: _print(proposed, scenes, model[0], options.scene)
    )


def _finished(proposed: Proposed) -> Finished:
    return finished(
        proposed.files,
        proposed.failed,
        round(proposed.seconds, 1),
        areas=len(proposed.areas),
        candidates=proposed.candidates,
        pixels=proposed.pixels,
    )


def _print(proposed: Proposed, scenes: Sequence[str], model: str, reading: SceneOptions) -> None:
    areas = proposed.areas
    click.echo(
        f"{len(areas):,} of {counted(proposed.candidates, 'area')}, scores {areas['score'].min():.2g} to "
        f"{areas['score'].max():.2g}"
    )
    print_outputs(proposed.files)
    shown = set(areas["scene"])
    labelled = [scene for scene in scenes if Path(scene).name in shown]
    click.echo(
        "Next: fill in the field class, in QGIS for example; what stays empty is not used. Then"
    )
    command = command_line(
        *("geodl", "train", *labelled, proposed.files[-1]),
        *("--class-field", "class", *_given(reading), *_start(model), "-o", _next_name(model)),
    )
    click.echo(f"  {command}")


def _start(model: str) -> tuple[str, ...]:
    """Options by which a training goes on from the model; a fitted classifier is fitted anew."""
    from georaster_dl.models.package.file import find_model, read_card
    from georaster_dl.models.registry import fitted_models

    name = read_card(find_model(model)).architecture.name
    if name not in fitted_models(to="pixels"):
        return ("--init", model)
    click.echo("(The model is fitted anew, so add the labels that it learnt from to these areas.)")
    return ("--method", name.removeprefix("pixel_"))


def _given(reading: SceneOptions) -> list[str]:
    """Options by which the scenes were read, and must be again."""
    words = []
    for name, value in vars(reading).items():
        if value is not None:
            words += [f"--{name}", ",".join(value) if isinstance(value, tuple) else str(value)]
    return words


def _next_name(model: str) -> str:
    """Name the next model: model.safetensors, model-2.safetensors; a number that is free, with its run."""
    stem, _, number = Path(model).stem.rpartition("-")
    if not stem or not number.isdecimal():
        stem, number = Path(model).stem, "1"
    names = (f"{stem}-{n}" for n in count(int(number) + 1))
    return next(f"{name}.safetensors" for name in names if _is_free(name))


def _is_free(name: str) -> bool:
    return not Path(f"{name}.safetensors").exists() and not Path(f"{name}_run").exists()
