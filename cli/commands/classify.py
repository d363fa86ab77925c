"""``geodl classify``: map classes with a classifier of single pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Finished, Report
from georaster_dl.training.settings.keywords import SETTINGS

from ..options.completion import complete_files
from ..options.labels import training_options
from ..options.shared import (
    INPUT_FILE,
    OUTPUT_FILE,
    check_suffix,
    output_option,
    overwrite_option,
    progress_options,
)
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs

if TYPE_CHECKING:
    from georaster_dl.pixels.classify import Classified

__all__ = ["classify"]

_OF_PIXELS = ("width_m", "all_touched", "priority", "background", "split", "split_column", "block", "buffer", "save")  # fmt: skip


@click.command()
@click.argument(
    "inputs", nargs=-1, required=True, metavar="FEATURES... [LABELS]", shell_complete=complete_files
)
@click.option(
    "-m", "--model", type=INPUT_FILE, help="Classifier written by --save, in place of LABELS."
)
@output_option("Map to make (.tif), or polygons with --per-polygon (.gpkg).", required=True)
@overwrite_option
@click.option(
    "--method",
    type=click.Choice(["svm", "rf"]),
    help="Support vector machine (default), or random forest.",
)
@click.option("--save", type=OUTPUT_FILE, help="Also write the classifier (.skops), for -m.")
@click.option(
    "--per-polygon",
    is_flag=True,
    default=None,
    help="Classify polygons, by mean and standard deviation of their pixels: LABELS are polygons, some of "
    "them with a class.",
)
@training_options(
    click.option(
        "--split",
        type=click.Choice(["blocks", "random", "column"]),
        help="How training and test data are split: by spatial blocks (default), by random patches (test "
        "accuracy is then too high), or by a column of the labels.",
    )
)
@progress_options
def classify(
    *,
    inputs: tuple[str, ...],
    model: Path | None,
    output: Path,
    overwrite: bool,
    method: Literal["svm", "rf"] | None,
    save: Path | None,
    per_polygon: bool | None,
    changes: dict[str, Any],
    terminal: Terminal,
) -> int:
    """Map classes with a classifier of single pixels, without a network.

    FEATURES is a scene, or a raster of features; with -m also several files of one scene. LABELS is a
    vector file (polygons, lines, points) or a raster, read as geodl train reads them. Accuracy is
    measured on blocks that the classifier was not trained on.

    \b
    geodl classify features.tif labels.gpkg -o map.tif --save classes.skops
    geodl classify other_features.tif -m classes.skops -o other_map.tif
    geodl classify B02.tif B03.tif B04.tif -m classes.skops -o map.tif
    geodl classify features.tif parcels.gpkg --per-polygon --class-field crop -o crops.gpkg
    """
    _check_output(output, save, per_polygon=bool(per_polygon))
    training = {
        "method": method,
        "save": save,
        "per_polygon": per_polygon,
        **{
            name: changes.get(key) for name, key in SETTINGS.items() if not key.startswith("scene.")
        },
    }
    if per_polygon:
        _refuse({name: training[name] for name in _OF_PIXELS}, "has no use with --per-polygon")
    if model is not None:
        _refuse(training, "has no use with -m, which learns nothing")
    elif len(inputs) != 2:
        raise OptionError(f"Got {', '.join(inputs)}; give a raster and labels, or rasters and -m.")

    def run(report: Report) -> Classified:
        # Heavy imports come after the options were checked, and never for --help.
        from georaster_dl.pixels.classify import ClassifyOptions, apply_classifier, classify
        from georaster_dl.pixels.polygons import classify_polygons
        from georaster_dl.training.settings.config import TrainConfig

        config = TrainConfig().updated(changes)
        if model is not None:
            return apply_classifier(
                inputs, model, output, config.scene, overwrite=overwrite, report=report
            )
        options = ClassifyOptions(method or "svm", config, save, overwrite)
        train_and_map = classify_polygons if per_polygon else classify
        return train_and_map(inputs[0], Path(inputs[1]), output, options, report)

    return run_with_progress(
        terminal,
        run,
        _finished,
        lambda classified: _print(
            classified, method or "svm", "polygons" if per_polygon else "pixels"
        ),
        warnings=_cautions,
    )


def _check_output(output: Path, save: Path | None, *, per_polygon: bool) -> None:
    if per_polygon:
        check_suffix("-o", output, "a GeoPackage", (".gpkg",))
    else:
        check_suffix("-o", output, "a GeoTIFF", (".tif", ".tiff"))
    check_suffix("--save", save, "a classifier", (".skops",))


def _refuse(options: Mapping[str, Any], why: str) -> None:
    """Refuse options that have a value."""
    for name, value in sorted(options.items()):
        if value not in (None, (), False):
            raise OptionError(f"--{name.replace('_', '-')} {why}; leave it out.")


def _cautions(classified: Classified) -> list[str]:
    accuracy = classified.accuracy
    return [accuracy.caution] if accuracy is not None and accuracy.caution else []


def _finished(classified: Classified) -> Finished:
    accuracy = classified.accuracy
    measured = None
    if accuracy is not None:
        confusion = accuracy.confusion
        measured = {
            "part": accuracy.part,
            "split": accuracy.note,
            "OA": round(confusion.overall_accuracy, 4),
            "mIoU": round(confusion.mean_iou, 4),
            "IoU": {
                name: round(float(iou), 4) if math.isfinite(iou) else None
                for name, iou in zip(confusion.names, confusion.iou, strict=True)
            },
        }
    return finished(
        classified.files,
        classified.failed,
        round(classified.seconds, 3),
        pixels=classified.pixels,
        settings=dict(classified.settings),
        classes=classified.counts,
        accuracy=measured,
    )


def _print(classified: Classified, method: str, units: str) -> None:
    if classified.settings:
        chosen = ", ".join(
            f"{key} {value}" for key, value in classified.settings.items() if key != "trained_on"
        )
        click.echo(
            f"{method}{f' ({chosen})' if chosen else ''} trained on "
            f"{classified.settings['trained_on']:,} {units}"
        )
        _print_accuracy(classified)
    total = sum(classified.counts.values())
    shares = (f"{name} {100 * n / total:.1f} %" for name, n in classified.counts.items() if n)
    click.echo("map: " + ", ".join(shares))
    click.echo(f"{classified.pixels / 1e6:.3g} Mpx in {classified.seconds:.1f} s")
    print_outputs(classified.files)


def _print_accuracy(classified: Classified) -> None:
    accuracy = classified.accuracy
    if accuracy is None:
        click.echo("accuracy not measured: all labelled polygons are in one block")
        return
    confusion = accuracy.confusion
    click.echo(
        f"mIoU, {accuracy.part}: {confusion.mean_iou:#.4g}, OA, {accuracy.part}: "
        f"{confusion.overall_accuracy:#.4g} ({accuracy.note})"
    )
    for name, iou in zip(confusion.names, confusion.iou, strict=True):
        click.echo(f"  IoU {name:32} {'-' if math.isnan(iou) else f'{iou:.3f}'}")
