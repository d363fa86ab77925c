"""``geodl check-labels``: find labels that are probably wrong."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from georaster_dl.core.events import Finished, Report
from georaster_dl.core.wording import counted

from ..options.completion import complete_files
from ..options.course import minutes_option
from ..options.labels import checked_label_options
from ..options.shared import (
    OUTPUT_FILE,
    check_suffix,
    html_option,
    output_option,
    overwrite_option,
    progress_options,
)
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs
from .train import pairs_of

if TYPE_CHECKING:
    from georaster_dl.label_check.run import Checked

__all__ = ["check_labels"]

_MOST_PAIRS = 10  # that are printed


@click.command("check-labels")
@click.argument(
    "inputs",
    nargs=-1,
    required=True,
    metavar="SCENE... LABELS | LIST.csv",
    shell_complete=complete_files,
)
@output_option(
    "GeoPackage to make of all labels, the most suspect first; a picture of these goes beside it (.png).",
    required=True,
)
@click.option(
    "--method",
    type=click.Choice(["rf", "svm", "network"]),
    default="rf",
    show_default=True,
    help="Compare labels with a random forest or a support vector machine of pixels, or with up to five networks, "
    "which see shapes and surroundings, and take much longer.",
)
@minutes_option
@click.option(
    "--clean",
    type=OUTPUT_FILE,
    metavar="FILE",
    help="Also write the labels without the suspects, to train on (.gpkg).",
)
@html_option
@checked_label_options
@overwrite_option
@progress_options
def check_labels(
    *,
    inputs: tuple[str, ...],
    output: Path,
    method: Literal["rf", "svm", "network"],
    minutes: float | None,
    clean: Path | None,
    html: Path | None,
    changes: dict[str, Any],
    overwrite: bool,
    terminal: Terminal,
) -> int:
    """Find labels that are probably wrong.

    Classifiers of single pixels, or networks, each trained on the polygons of other places, are asked about all polygons
    (confident learning). What they contradict is written with a rank, the suggested class, and the share of its pixels that are
    suspect; --html shows it. LABELS is as for geodl train: polygons, lines or points, a raster, whose areas become polygons, or a folder.

    \b
    geodl check-labels scene.tif labels.gpkg -o suspects.gpkg --html suspects.html
    geodl check-labels ortho.tif houses.gpkg -o suspects.gpkg --method network --minutes 6
    geodl check-labels 'scenes/*.tif' masks/ -o suspects.gpkg --clean labels_clean.gpkg
    """
    check_suffix("-o", output, "a GeoPackage", (".gpkg",))
    check_suffix("--clean", clean, "a GeoPackage", (".gpkg",))
    check_suffix("--html", html, "HTML", (".html", ".htm"))
    from georaster_dl.training.settings.config import TrainConfig

    config = TrainConfig().updated(changes | {"training.minutes": minutes})
    pairs = pairs_of(inputs, config)

    def run(report: Report) -> Checked:
        from georaster_dl.label_check.run import CheckOptions, check_labels  # heavy

        options = CheckOptions(config, method, clean, overwrite, html)
        return check_labels(pairs, output, options, report)

    return run_with_progress(terminal, run, _finished, _print)


def _finished(checked: Checked) -> Finished:
    return finished(
        checked.files,
        checked.failed,
        round(checked.seconds, 1),
        labels=checked.judged,
        suspects=checked.suspects,
        pairs=[
            {"label": own, "suggested": suggested, "suspects": n}
            for (own, suggested), n in checked.pairs.items()
        ],
    )


def _print(checked: Checked) -> None:
    share = 100 * checked.suspects / max(checked.judged, 1)
    click.echo(
        f"{checked.suspects:,} of {counted(checked.judged, 'label')} suspect ({share:.1f} %) in {checked.seconds:.0f} s"
    )
    for (own, suggested), n in islice(checked.pairs.items(), _MOST_PAIRS):
        click.echo(f"  {own} -> {suggested:32} {n:,}")
    print_outputs(checked.files)
