"""``geodl change``: map the changes between two dates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.events import Finished, Report
from georaster_dl.core.process import tune_allocators
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.core.wording import counted

from ..options.completion import complete_files
from ..options.labels import class_field_option
from ..options.model_run import model_run_options, with_matching
from ..options.shared import (
    INPUT_FILE,
    OUTPUT_FILE,
    SHARE,
    model_option,
    output_option,
    progress_options,
    quicklook_option,
)
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs, print_table

if TYPE_CHECKING:
    from georaster_dl.changes.run import Changed

__all__ = ["change"]

_MOST_LINES = 20


@click.command()
@click.argument("before", metavar="BEFORE", shell_complete=complete_files)
@click.argument("after", metavar="AFTER", shell_complete=complete_files)
@model_option()
@output_option("Map of changes to make.", required=True)
@click.option(
    "--confidence",
    is_flag=True,
    help="Also write *_confidence.tif, how sure both dates' classes are: the product of their probabilities.",
)
@click.option("--csv", type=OUTPUT_FILE, help="Also write the from-to table, with areas.")
@quicklook_option
@click.option(
    "--minimum-confidence",
    type=SHARE,
    metavar="PROBABILITY",
    help="Make changes that are less sure a class of their own, 'uncertain'.",
)
@click.option(
    "--reference",
    type=INPUT_FILE,
    metavar="POINTS",
    help="Points of geodl sample-points on a map of changes, labelled with what is true; gives areas with "
    "95 % intervals.",
)
@class_field_option
@model_run_options
@progress_options
def change(
    *,
    before: str,
    after: str,
    model: str | None,
    output: Path,
    confidence: bool,
    csv: Path | None,
    quicklook: Path | None,
    minimum_confidence: float | None,
    reference: Path | None,
    class_field: str | None,
    settings: dict[str, Any],
    terminal: Terminal,
) -> int:
    """Map the changes between two dates, by one model's maps of both.

    BEFORE and AFTER are scenes on one grid, or whole pixels apart. Both are mapped by the model and compared
    pixel by pixel; where either is nodata, masked, cloud or shadow, there is no change but nodata. Without -m they
    are maps that geodl segment made with one model.

    \b
    geodl change 2019.tif 2024.tif -m s2-landcover -o change.tif --csv change.csv --quicklook change.png
    geodl change 2019_map.tif 2024_map.tif -o change.tif --minimum-confidence 0.5
    geodl sample-points change.tif -o points.gpkg
    geodl change 2019_map.tif 2024_map.tif -o again.tif --reference points.gpkg
    """
    from georaster_dl.changes.options import ChangeOptions, ChangeOutputs, confidence_beside
    from georaster_dl.models.package.file import find_model
    from georaster_dl.predict.options import SegmentOptions

    package = None if model is None else find_model(model).absolute()
    beside = confidence_beside(output) if confidence else None
    outputs = ChangeOutputs(output, beside, csv, quicklook)
    labels = LabelOptions(class_field=class_field)
    options = ChangeOptions(SegmentOptions(**settings), minimum_confidence, reference, labels)
    tune_allocators()

    def run(report: Report) -> Changed:
        from georaster_dl.changes.run import change as run  # heavy, so after the checks

        report = with_matching(report) if terminal.prints else report
        return run(before, after, package, outputs, options, report)

    return run_with_progress(terminal, run, _finished, _print)


def _finished(changed: Changed) -> Finished:
    from georaster_dl.changes.table import table_rows

    shift = changed.shift
    return finished(
        changed.files,
        changed.failed,
        round(changed.seconds, 1),
        pixels=changed.pixels,
        known_share=round(changed.known_share, 6),
        transitions=table_rows(changed.transitions, changed.pixels),
        hidden=list(changed.hidden),
        shift=None if shift is None else {"rows": shift.rows, "cols": shift.cols},
    )


def _print(changed: Changed) -> None:
    from georaster_dl.changes.table import table_rows

    rows = [row for row in table_rows(changed.transitions, changed.pixels) if row["changed"]]
    estimated = any(row["estimated_area_ha"] is not None for row in rows)
    if rows:
        columns = ["percent", "pixels", "area_ha", "mean_confidence"]
        head = ["change", "%", "pixels", "ha", "confidence"]
        if estimated:
            columns += ["estimated_area_ha", "estimated_area_plus_minus_95_ha"]
            head += ["estimated ha", "± 95 %"]
        lines = [
            (f"{row['from']} -> {row['to']}", *(_number(row[name]) for name in columns))
            for row in rows[:_MOST_LINES]
        ]
        print_table(tuple(head), lines)
    more = len(rows) - _MOST_LINES
    if more > 0:
        click.echo(f"and {counted(more, 'smaller change')} (--csv lists all)")
    click.echo(
        f"{100 * changed.known_share:.2f} % of the map's pixels are known at both dates; "
        f"{100 * changed.changed_share:.2f} % of these changed"
    )
    if not estimated:
        click.echo(
            "Areas are counts of pixels, with the errors of both maps; --reference estimates them with intervals."
        )
    if changed.shift is not None:
        shift = changed.shift
        click.echo(
            f"shift between the images: {shift.rows:+.2f} rows, {shift.cols:+.2f} cols "
            f"({counted(shift.windows, 'window')}, half of them within {shift.spread:.2f})"
        )
    print_outputs(changed.files)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
