"""``geodl calibrate``: fit the calibration of a model's probabilities, in a new package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Finished, Report
from georaster_dl.core.scene_options import LabelOptions, SceneOptions
from georaster_dl.core.wording import counted

from ..options.completion import complete_files, complete_models
from ..options.labels import label_options
from ..options.predictor import passes_option
from ..options.shared import (
    INPUT_FILE,
    OUTPUT_FILE,
    check_suffix,
    device_option,
    html_option,
    output_option,
    overwrite_option,
    precision_option,
    progress_options,
    scene_options,
    seed_option,
)
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs, print_table

if TYPE_CHECKING:
    from georaster_dl.calibration.judged import Judged
    from georaster_dl.calibration.result import Calibrated
    from georaster_dl.training.data.sources import SceneWithLabels

__all__ = ["calibrate"]


@click.command()
@click.argument("model", shell_complete=complete_models)
@click.argument(
    "inputs",
    nargs=-1,
    required=True,
    metavar="SCENE... LABELS | LIST.csv",
    shell_complete=complete_files,
)
@output_option("Model package to make (.safetensors).", required=True)
@click.option(
    "--predictor",
    type=click.Choice(["single", "tta", "mc-dropout", "bayesian", "ensemble", "all"]),
    default="single",
    help="How probabilities are made: each way has a calibration of its own. Single pass (default), mean over "
    "mirror images, passes with dropout or with a sampled last layer, members of an ensemble; or all that the model has.",
)
@passes_option
@click.option(
    "--vector",
    is_flag=True,
    help="Fit a gain and an offset of each class, not one temperature. This may change the map: the share of "
    "pixels whose class changes is printed.",
)
@html_option
@click.option("--png", type=OUTPUT_FILE, help="Also write the reliability diagram.")
@click.option(
    "--histograms",
    type=INPUT_FILE,
    metavar="POINTS",
    help="Also write, for each point of a file, how its probabilities vary over the passes: a GeoPackage and a "
    "picture beside the package.",
)
@label_options
@scene_options
@click.option(
    "--resample",
    is_flag=True,
    help="Make the model's bands from the scene's by their wavelengths (Gaussian responses).",
)
@device_option()
@precision_option()
@seed_option()
@overwrite_option
@progress_options
def calibrate(
    *,
    model: str,
    inputs: tuple[str, ...],
    output: Path,
    vector: bool,
    html: Path | None,
    png: Path | None,
    histograms: Path | None,
    labels: LabelOptions,
    reading: SceneOptions,
    predictor: str,
    terminal: Terminal,
    **settings: Any,
) -> int:
    """Fit the calibration of a model's probabilities to labels, in a new package.

    The labels must be ground that the model has not learnt from, in classes of the model: a vector
    file, a raster, or a folder with a label file of each scene's name. Each half of the labelled
    blocks is judged with what the other half fits. The new package has the same weights; its probabilities, prediction
    sets (segment --sets) and rejection (segment --reject) rest on this ground.

    \b
    geodl calibrate model.safetensors scene.tif labels.gpkg -o calibrated.safetensors
    geodl calibrate s2-landcover 'scenes/*.tif' masks/ -o here.safetensors --html calibration.html
    """
    from georaster_dl.models.package.file import find_model

    check_suffix("-o", output, "a model package", (".safetensors",))
    check_suffix("--html", html, "HTML", (".html", ".htm"))
    check_suffix("--png", png, "a picture", (".png",))
    package, pairs = find_model(model), _pairs(inputs)

    def run(report: Report) -> Calibrated:
        from georaster_dl.calibration.run import (  # heavy, so after the checks
            CalibrateOptions,
            CalibrateOutputs,
            calibrate,
        )
        from georaster_dl.predict.options import SegmentOptions

        given = {name: value for name, value in settings.items() if value is not None}
        run_options = SegmentOptions(scene=reading, **given)
        options = CalibrateOptions(
            run_options,
            labels,
            predictor,  # type: ignore[arg-type]  # click has checked it
            vector,
            histograms,
        )
        return calibrate(
            package,
            pairs,
            CalibrateOutputs(output, html, png, histograms is not None),
            options,
            report,
        )

    return run_with_progress(terminal, run, _finished, _print)


def _pairs(inputs: tuple[str, ...]) -> list[SceneWithLabels]:
    from georaster_dl.training.data.sources import find_pairs, read_pairs

    if len(inputs) == 1 and Path(inputs[0]).suffix.lower() == ".csv":
        return read_pairs(Path(inputs[0]), "split")
    if len(inputs) == 1:
        raise OptionError(
            f"Only {inputs[0]} was given beside the model; give a scene and its labels, or a CSV with the "
            f"columns scene and label."
        )
    return find_pairs(inputs[:-1], Path(inputs[-1]))


def _finished(made: Calibrated) -> Finished:
    return finished(made.files, made.failed, round(made.seconds, 3), **made.to_dict())


def _print(made: Calibrated) -> None:
    for judged in made.judged:
        _print_scores(judged)
        _print_sets(judged)
    print_outputs(made.files)


def _print_scores(judged: Judged) -> None:
    from georaster_dl.calibration.report import score_text
    from georaster_dl.calibration.result import SCORES, scaling_text

    passes = f" of {counted(judged.passes, 'pass')}" if judged.passes > 1 else ""
    click.echo(
        f"{judged.predictor}{passes}: {scaling_text(judged.former)} -> {scaling_text(judged.calibration)} of "
        f"{counted(judged.calibration.pixels, 'labelled pixel')} in {counted(judged.after.blocks, 'block')}; each "
        f"half of the blocks is judged with what the other half fitted"
    )
    if judged.changed:
        click.echo(f"{100 * judged.changed:.2g} % of these pixels change their class")
    rows = [
        (name, score_text(getattr(judged.before, key)), score_text(getattr(judged.after, key)))
        for key, name in SCORES.items()
    ]
    print_table(("score", "before", "after"), rows)


def _print_sets(judged: Judged) -> None:
    from georaster_dl.calibration.report import score_text
    from georaster_dl.calibration.result import worst_tenth

    rows = [
        (
            f"{100 * level:g} %",
            score_text(found.covered),
            f"{found.size:.2f}",
            f"{worst_tenth(found):.3f}",
        )
        for level, found in judged.sets.items()
    ]
    print_table(("sets of", "hold the true class", "classes", "worst tenth of blocks"), rows)
