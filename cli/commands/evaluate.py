"""``geodl evaluate``: estimate the accuracy of a map."""

from __future__ import annotations

import json
from dataclasses import astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import warner
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.core.text import visible
from georaster_dl.core.wording import counted

from ..options.labels import fraction_label_options
from ..options.objects import ObjectChoice, object_options
from ..options.shared import (
    INPUT_FILE,
    OUTPUT_FILE,
    check_suffix,
    html_option,
    json_option,
    overwrite_option,
    warning_options,
)
from ..terminal.hints import with_options
from ..terminal.objects import print_objects
from ..terminal.progress import Terminal
from ..terminal.results import finished, print_outputs, print_table, status_of

if TYPE_CHECKING:
    from georaster_dl.evaluation.metrics.area import AreaEstimate
    from georaster_dl.evaluation.objects.result import ObjectEvaluation
    from georaster_dl.evaluation.report.fractions import FractionEvaluation
    from georaster_dl.evaluation.report.result import Evaluation, NumberEvaluation

    AnyEvaluation = Evaluation | NumberEvaluation | FractionEvaluation | ObjectEvaluation

__all__ = ["evaluate"]


@click.command()
@click.argument("map_path", metavar="MAP", type=INPUT_FILE)
@click.argument("reference", metavar="REFERENCE", type=INPUT_FILE)
@fraction_label_options
@json_option
@click.option(
    "--csv", type=OUTPUT_FILE, help="Also write the table of classes and the confusion matrix."
)
@html_option
@click.option("--image", type=INPUT_FILE, metavar="SCENE", help="Scene to show in the report.")
@click.option(
    "--curves", type=INPUT_FILE, metavar="PNG", help="Training curves to show in the report."
)
@click.option(
    "--block",
    type=click.IntRange(min=1),
    metavar="PIXELS",
    help="Side of the blocks that are resampled for the intervals; by default the map has about 100.",
)
@object_options
@overwrite_option
@warning_options
def evaluate(
    *,
    map_path: Path,
    reference: Path,
    labels: LabelOptions,
    as_json: bool,
    csv: Path | None,
    html: Path | None,
    image: Path | None,
    curves: Path | None,
    block: int | None,
    objects: ObjectChoice,
    overwrite: bool,
    terminal: Terminal,
) -> int:
    """Estimate the accuracy of a map, with confidence intervals.

    MAP is a raster of one band: classes as geodl segment writes them, or floating-point numbers; or
    of a band for each fraction of a pixel. REFERENCE is a raster, polygons, or points with a class.
    Classes are matched by name, or by value where one of the two has no names. Fractions are compared
    with bands, fields, or the shares of finer classes of the same names.

    \b
    geodl evaluate map.tif truth.tif
    geodl evaluate map.tif points.gpkg --class-field class --html report.html --image scene.tif
    geodl evaluate cover.tif plots.gpkg --fraction-fields tree,grass,soil
    geodl evaluate map.tif houses.gpkg --objects --class building --matches found.gpkg

    With --objects, buildings, crowns or fields are compared one by one; MAP may then be polygons, too.
    """
    from georaster_dl.io.output.staging import Staging
    from georaster_dl.io.scenes.reader import open_scene

    _check(csv, html, image, curves)
    objects.check(curves)
    outputs = [path for path in (csv, html, objects.matches) if path is not None]
    inputs = [map_path, reference, image, curves, labels.classes, objects.aoi]
    if image is not None:
        open_scene(image)  # before the work, where it cannot be read
    with terminal.reporting() as report:
        staging = Staging(
            extras=outputs,
            overwrite=overwrite,
            protect=[path for path in inputs if path is not None],
            warn=warner(report),
        )
        with staging as stage:
            evaluation = _with_options(_compared(map_path, reference, labels, block, objects))
            for output in outputs:
                with stage.making(output) as path:
                    if output == objects.matches:
                        objects.write(path, evaluation)
                        continue
                    content = (
                        _csv(evaluation) if output == csv else _html(evaluation, image, curves)
                    )
                    path.write_text(content, encoding="utf-8", errors="backslashreplace")
        made = stage.made(outputs)
        event = finished(made, stage.failed, **evaluation.to_dict())
        report(event)
    if as_json:
        files = {"outputs": event.outputs, "sidecars": event.sidecars, "failed": event.failed}
        click.echo(json.dumps(evaluation.to_dict() | files))
    else:
        _print(evaluation)
        print_outputs(made)
    return status_of(stage.failed)


def _compared(
    map_path: Path,
    reference: Path,
    labels: LabelOptions,
    block: int | None,
    objects: ObjectChoice,
) -> AnyEvaluation:
    if objects.wanted:
        return objects.evaluate(map_path, reference, labels, block)
    from georaster_dl.evaluation.compare import EvaluateOptions
    from georaster_dl.evaluation.compare import evaluate as compare

    return compare(map_path, reference, EvaluateOptions(labels, block))


def _check(csv: Path | None, html: Path | None, image: Path | None, curves: Path | None) -> None:
    """Refuse files of the wrong format, and pictures without a report."""
    check_suffix("--csv", csv, "CSV", (".csv",))
    check_suffix("--html", html, "HTML", (".html", ".htm"))
    for option, path in (("--image", image), ("--curves", curves)):
        if path is not None and html is None:
            raise OptionError(f"{option} is shown in the report; add --html FILE.")


def _with_options(evaluation: AnyEvaluation) -> AnyEvaluation:
    """Name the command line's options in the notes, also in the files made of them."""
    from georaster_dl.evaluation.report.result import NumberEvaluation

    evaluation = replace(evaluation, warnings=tuple(with_options(evaluation.warnings)))
    if isinstance(evaluation, NumberEvaluation):
        return evaluation
    return replace(evaluation, notes=tuple(with_options(evaluation.notes)))


def _html(evaluation: AnyEvaluation, image: Path | None, curves: Path | None) -> str:
    from georaster_dl.evaluation.objects.result import ObjectEvaluation

    if isinstance(evaluation, ObjectEvaluation):
        from georaster_dl.evaluation.objects.page import render_objects

        return render_objects(evaluation, image=image)
    from georaster_dl.evaluation.report.html import render_report

    return render_report(evaluation, image=image, curves=curves)


def _csv(evaluation: AnyEvaluation) -> str:
    from georaster_dl.evaluation.objects.result import ObjectEvaluation
    from georaster_dl.evaluation.report.table import csv_table, object_table

    if isinstance(evaluation, ObjectEvaluation):
        return object_table(evaluation.to_dict())
    return csv_table(evaluation)


def _print(evaluation: AnyEvaluation) -> None:
    from georaster_dl.evaluation.objects.result import ObjectEvaluation
    from georaster_dl.evaluation.report.fractions import FractionEvaluation
    from georaster_dl.evaluation.report.result import Evaluation
    from georaster_dl.evaluation.report.text import compared

    if isinstance(evaluation, ObjectEvaluation):
        print_objects(evaluation)
        return
    click.echo(
        f"{visible(evaluation.map.name)} against {visible(evaluation.reference.name)} ({evaluation.kind}): "
        f"{compared(evaluation.kind, *astuple(evaluation.coverage))}\n"
    )
    for warning in evaluation.warnings:
        click.echo(f"WARNING: {warning}\n")
    if isinstance(evaluation, Evaluation):
        _print_classes(evaluation)
        return
    if isinstance(evaluation, FractionEvaluation):
        _print_fractions(evaluation)
        return
    s = evaluation.scores
    click.echo(f"RMSE {s.rmse:.4g}, MAE {s.mae:.4g}, bias {s.bias:+.3g}, R2 {s.r2:.3f}")
    click.echo(f"Predicting the reference's mean ({s.mean:.4g}) would have RMSE {s.sd:.4g}.")


def _print_fractions(evaluation: FractionEvaluation) -> None:
    from georaster_dl.evaluation.report.fractions import HEADS, with_ends

    s, ends = evaluation.scores, evaluation.intervals
    print_table(HEADS, evaluation.rows())
    click.echo(
        f"Mean MAE {with_ends(f'{s.mae.mean():.3f}', ends.mean_mae)}, mean RMSE "
        f"{with_ends(f'{s.rmse.mean():.3f}', ends.mean_rmse)}; predicting the reference's means would have mean RMSE "
        f"{s.sd.mean():.3f}."
    )
    if ends.replicates:
        click.echo(_in_brackets(ends.blocks, evaluation.block))
    for note in evaluation.notes:
        click.echo(f"note: {note}")


def _in_brackets(blocks: int, side: int) -> str:
    return f"In brackets: 95 % intervals from {counted(blocks, 'block')} of {counted(side, 'pixel')} a side."


def _print_classes(evaluation: Evaluation) -> None:
    from georaster_dl.evaluation.report.text import between, percent, plus_minus

    c, intervals, estimate = evaluation.confusion, evaluation.intervals, evaluation.estimate

    def spread(figure: float, interval: Any) -> str:
        ends = between(interval)
        return f"{percent(figure)} ({ends})" if ends else percent(figure)

    rows = [
        (
            name,
            f"{c.mapped[i]:,}",
            f"{c.referenced[i]:,}",
            percent(c.users[i]),
            percent(c.producers[i]),
            spread(c.f1[i], intervals.f1[:, i]),
            spread(c.iou[i], intervals.iou[:, i]),
        )
        for i, name in enumerate(c.names)
    ]
    print_table(("class", "mapped", "reference", "user's", "producer's", "F1", "IoU"), rows)
    click.echo(
        f"Overall accuracy {spread(c.overall_accuracy, intervals.overall_accuracy)}, mean IoU "
        f"{spread(c.mean_iou, intervals.mean_iou)}, macro F1 {percent(c.macro_f1)}; all in percent."
    )
    if evaluation.rejected is not None:
        click.echo(
            f"Coverage {percent(evaluation.coverage.kept)}: share of the labels that have a class on the map; "
            f"the figures are of these."
        )
    click.echo(
        f"Disagreement in quantity {percent(c.quantity_disagreement)}, in allocation "
        f"{percent(c.allocation_disagreement)}. Kappa {c.kappa:.3f}, for old tables only."
    )
    if intervals.replicates:
        click.echo(_in_brackets(intervals.blocks, evaluation.block))
    if estimate is not None and evaluation.sampled:
        half = plus_minus(evaluation.plus_minus(estimate.overall_se))
        click.echo(
            f"\nArea-adjusted overall accuracy {percent(estimate.overall)} {half} (± is half of a 95 % interval)"
        )
        _print_areas(evaluation, estimate)
    for note in evaluation.notes:
        click.echo(f"note: {note}")


def _print_areas(evaluation: Evaluation, estimate: AreaEstimate) -> None:
    from georaster_dl.evaluation.report.table import area_table

    table = area_table(evaluation, estimate, range(len(evaluation.confusion.names)))
    unit = table["unit"]
    head = ("class", f"mapped {unit}", f"area {unit}", "± 95 %", "user's", "producer's")
    print_table(head, [tuple(row.values()) for row in table["rows"]])
