"""``geodl evaluate``: how right a map is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import warner
from georaster_dl.core.text import visible
from georaster_dl.core.wording import counted

from ..options.shared import (
    OUTPUT_FILE,
    debug_option,
    layer_option,
    log_option,
    parent_pipe_option,
)
from ..terminal.hints import with_options
from ..terminal.progress import end_with_parent, reporting
from ..terminal.results import finished, print_outputs, status_of

if TYPE_CHECKING:
    from georaster_dl.evaluate.report.result import Evaluation, NumberEvaluation

__all__ = ["evaluate"]

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("map_path", metavar="MAP", type=_FILE)
@click.argument("reference", metavar="REFERENCE", type=_FILE)
@layer_option
@click.option("--class-field", metavar="FIELD", help="Attribute that holds the class (or number).")
@click.option(
    "--ignore",
    type=float,
    multiple=True,
    metavar="N",
    help="Number of the reference that means unlabelled, besides its nodata; may be repeated.",
)
@click.option(
    "--background",
    metavar="NAME",
    help="Class of all ground without a label: for polygons that show one class only.",
)
@click.option("--all-touched", is_flag=True, help="Polygons take every pixel they touch.")
@click.option("--width-m", type=float, metavar="M", help="Widen lines and points to M metres.")
@click.option(
    "--classes", type=_FILE, metavar="CSV", help="Names of classes: columns value,name[,color]."
)
@click.option("--json", "as_json", is_flag=True, help="Tell it as JSON on standard output.")
@click.option(
    "--csv", "csv_path", type=OUTPUT_FILE, help="Also write the class table and the matrix."
)
@click.option(
    "--html", type=OUTPUT_FILE, help="Also write a report, one page that needs no other file."
)
@click.option("--image", type=_FILE, metavar="SCENE", help="Scene to show in the report.")
@click.option("--curves", type=_FILE, metavar="PNG", help="Training curves to show in the report.")
@click.option(
    "--block",
    type=click.IntRange(min=1),
    metavar="PIXELS",
    help="Side of the blocks resampled for the intervals; by default the map has about 100.",
)
@click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
@parent_pipe_option
@log_option
@debug_option
def evaluate(map_path: Path, reference: Path, as_json: bool, **given: Any) -> int:
    """Tell how right a map is, and how sure that is.

    MAP is a single-band raster: classes as geodl segment writes them, or floating-point numbers.
    REFERENCE is a raster, polygons, or points with a class. Classes are matched by name, or by
    value where one of the two has no names.

    \b
    geodl evaluate map.tif truth.tif
    geodl evaluate map.tif points.gpkg --class-field class --html report.html --image scene.tif
    """
    if given["parent_pipe"]:
        end_with_parent()
    from georaster_dl.evaluate.compare import EvaluateOptions
    from georaster_dl.evaluate.compare import evaluate as run
    from georaster_dl.io.labels.read import LabelOptions
    from georaster_dl.io.output.staging import Staging
    from georaster_dl.io.scenes.reader import open_scene

    outputs = _outputs(given)
    labels = LabelOptions(
        layer=given["layer"],
        class_field=given["class_field"],
        width_m=given["width_m"],
        all_touched=given["all_touched"],
        ignore=given["ignore"],
        classes=given["classes"],
        background=given["background"],
    )
    inputs = [map_path, reference, given["image"], given["curves"], given["classes"]]
    if given["image"] is not None:
        open_scene(given["image"])  # before the work, where it cannot be read
    with reporting("warnings", quiet=False, log=given["log"]) as report:
        staging = Staging(
            extras=outputs,
            overwrite=given["overwrite"],
            protect=[path for path in inputs if path is not None],
            warn=warner(report),
        )
        with staging as stage:
            found = _with_options(run(map_path, reference, EvaluateOptions(labels, given["block"])))
            for output in outputs:
                with stage.making(output) as path:
                    content = _content(output, found, given)
                    path.write_text(content, encoding="utf-8", errors="backslashreplace")
        made = stage.made(outputs)
        event = finished(made, stage.failed, **found.to_dict())
        report(event)
    if as_json:
        files = {"outputs": event.outputs, "sidecars": event.sidecars, "failed": event.failed}
        click.echo(json.dumps(found.to_dict() | files))
    else:
        _print(found)
        print_outputs(made)
    return status_of(stage.failed)


def _with_options(found: Evaluation | NumberEvaluation) -> Evaluation | NumberEvaluation:
    """The evaluation with notes that name options, also in the files made of it."""
    from georaster_dl.evaluate.report.result import Evaluation

    found = replace(found, warnings=tuple(with_options(found.warnings)))
    if not isinstance(found, Evaluation):
        return found
    return replace(found, notes=tuple(with_options(found.notes)))


def _outputs(given: dict[str, Any]) -> list[Path]:
    for option, endings in (("html", (".html", ".htm")), ("csv_path", (".csv",))):
        path = given[option]
        if path is not None and path.suffix.lower() not in endings:
            name = option.removesuffix("_path")
            raise OptionError(
                f"--{name} makes {name.upper()}, but its name is {path}; end it in {endings[0]}."
            )
    for option in ("image", "curves"):
        if given[option] is not None and given["html"] is None:
            raise OptionError(f"--{option} is shown in the report; add --html FILE.")
    return [path for path in (given["csv_path"], given["html"]) if path is not None]


def _content(output: Path, found: Evaluation | NumberEvaluation, given: dict[str, Any]) -> str:
    if output == given["csv_path"]:
        from georaster_dl.evaluate.report.table import csv_table

        return csv_table(found)
    from georaster_dl.evaluate.report.html import render_report

    return render_report(found, image=given["image"], curves=given["curves"])


def _print(found: Evaluation | NumberEvaluation) -> None:
    from georaster_dl.evaluate.report.result import Evaluation
    from georaster_dl.evaluate.report.text import compared

    click.echo(
        f"{visible(found.map.name)} against {visible(found.reference.name)} ({found.kind}): "
        f"{compared(found.kind, *astuple(found.coverage))}\n"
    )
    for warning in found.warnings:
        click.echo(f"WARNING: {warning}\n")
    if isinstance(found, Evaluation):
        _print_classes(found)
        return
    s = found.scores
    click.echo(f"RMSE {s.rmse:.4g}, MAE {s.mae:.4g}, bias {s.bias:+.3g}, R2 {s.r2:.3f}")
    click.echo(f"Predicting the reference's mean ({s.mean:.4g}) would have RMSE {s.sd:.4g}.")


def _print_classes(found: Evaluation) -> None:
    from georaster_dl.evaluate.report.text import between, percent, plus_minus

    c, ends = found.confusion, found.intervals

    def spread(figure: float, interval: Any) -> str:
        told = between(interval)
        return f"{percent(figure)} ({told})" if told else percent(figure)

    rows = [
        (
            name,
            f"{c.mapped[i]:,}",
            f"{c.referenced[i]:,}",
            percent(c.users[i]),
            percent(c.producers[i]),
            spread(c.f1[i], ends.f1[:, i]),
            spread(c.iou[i], ends.iou[:, i]),
        )
        for i, name in enumerate(c.names)
    ]
    _print_table(("class", "mapped", "reference", "user's", "producer's", "F1", "IoU"), rows)
    click.echo(
        f"Overall accuracy {spread(c.overall_accuracy, ends.overall_accuracy)}, mean IoU "
        f"{spread(c.mean_iou, ends.mean_iou)}, macro F1 {percent(c.macro_f1)}; all in percent."
    )
    click.echo(
        f"Disagreement in quantity {percent(c.quantity_disagreement)}, in allocation "
        f"{percent(c.allocation_disagreement)}. Kappa {c.kappa:.3f}, for old tables only."
    )
    if ends.replicates:
        click.echo(
            f"In brackets: 95 % intervals from {counted(ends.blocks, 'block')} of "
            f"{counted(found.block, 'pixel')} a side."
        )
    if found.sampled:
        half = plus_minus(found.plus_minus(found.estimate.overall_se))
        click.echo(
            f"\nArea-adjusted overall accuracy {percent(found.estimate.overall)} {half} (± is half of a 95 % "
            f"interval)"
        )
        _print_areas(found)
    for note in found.notes:
        click.echo(f"note: {note}")


def _print_areas(found: Evaluation) -> None:
    from georaster_dl.evaluate.report.table import area_table

    table = area_table(found, range(len(found.confusion.names)))
    unit = table["unit"]
    head = ("class", f"mapped {unit}", f"area {unit}", "± 95 %", "user's", "producer's")
    _print_table(head, [tuple(row.values()) for row in table["rows"]])


def _print_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Columns as wide as they need, the first to the left, the others to the right."""
    wide = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = [cell.rjust(width) for cell, width in zip(row[1:], wide[1:], strict=True)]
        click.echo("  ".join([row[0].ljust(wide[0]), *cells]).rstrip())
    click.echo()
