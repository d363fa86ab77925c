"""``geodl classify``: a raster and labels in, a map of classes out, learnt from single pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Finished, Report, Warned

from ..options.model_run import check_suffix
from ..options.shared import OUTPUT_FILE, run_options, scene_settings
from ..options.training import SETTINGS, changed, learning_options
from ..terminal.progress import end_with_parent, reporting
from ..terminal.results import finished, print_outputs, status_of

if TYPE_CHECKING:
    from georaster_dl.pixels.classify import Classified, ClassifyOptions

__all__ = ["classify"]

_FILE = click.Path(path_type=Path)

_OF_LEARNING = {"method", "save", "per_polygon", *SETTINGS} - {
    "bands",
    "nodata",
    "scale",
    "offset",
    "mask",
}
_OF_PIXELS = ("width_m", "all_touched", "priority", "background", "split", "split_column", "block", "buffer", "save")  # fmt: skip


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="FEATURES... [LABELS]")
@click.option("-m", "--model", type=_FILE, help="Classifier that --save wrote; then no LABELS.")
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    required=True,
    help="Map to make (.tif), or polygons with --per-polygon (.gpkg).",
)
@click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
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
    help="LABELS are polygons, some with a class; give one to each by mean and deviation of its pixels.",
)
@click.option(
    "--split",
    type=click.Choice(["blocks", "random", "column"]),
    help="What is learnt from and tested on: blocks of ground (default), random patches (leaks), or "
    "a column of the labels.",
)
@learning_options
@run_options
def classify(inputs: tuple[str, ...], progress: str, quiet: bool, **given: Any) -> int:
    """Map classes learnt from single pixels, without a network.

    FEATURES is a scene, or a raster of features; with -m also several files of one scene. LABELS is a vector file (polygons, lines, points)
    or a raster, read as geodl train reads them. Accuracy is measured on blocks of ground that
    nothing was learnt from.

    \b
    geodl classify features.tif labels.gpkg -o map.tif --save classes.skops
    geodl classify other_features.tif -m classes.skops -o other_map.tif
    geodl classify B02.tif B03.tif B04.tif -m classes.skops -o map.tif
    geodl classify features.tif parcels.gpkg --per-polygon --class-field crop -o crops.gpkg
    """
    if given["parent_pipe"]:
        end_with_parent()
    _check(inputs, given)
    with reporting(progress, quiet, given["log"]) as report:
        classified = _run(inputs, given, report)
        accuracy = classified.accuracy
        if accuracy is not None and accuracy.caution:
            report(Warned(accuracy.caution))
        report(_finished(classified))
    if progress == "bar" and not quiet:
        _print(classified, given)
    return status_of(classified.failed)


def _check(inputs: tuple[str, ...], given: Mapping[str, Any]) -> None:
    """Refuse options that do not go together."""
    if given["per_polygon"]:
        check_suffix("-o", given["output"], "a GeoPackage", (".gpkg",))
        _refuse(given, _OF_PIXELS, "has no use with --per-polygon")
    else:
        check_suffix("-o", given["output"], "a GeoTIFF", (".tif", ".tiff"))
    check_suffix("--save", given["save"], "a classifier", (".skops",))
    if given["model"] is not None:
        _refuse(given, sorted(_OF_LEARNING), "has no use with -m, which learns nothing")
    if given["model"] is None and len(inputs) != 2:
        raise OptionError(f"Got {', '.join(inputs)}; give a raster and labels, or rasters and -m.")


def _refuse(given: Mapping[str, Any], names: Any, why: str) -> None:
    for name in names:
        if given[name] not in (None, (), False):
            raise OptionError(f"--{name.replace('_', '-')} {why}; leave it out.")


def _run(inputs: tuple[str, ...], given: Mapping[str, Any], report: Report) -> Classified:
    # Heavy imports come after the options were found right, and never for --help.
    if given["model"] is not None:
        from georaster_dl.pixels.classify import apply_classifier

        known = scene_settings(given)
        return apply_classifier(
            inputs,
            given["model"],
            given["output"],
            known,
            overwrite=given["overwrite"],
            report=report,
        )
    from georaster_dl.pixels.classify import classify as map_pixels
    from georaster_dl.pixels.polygons import classify_polygons as map_polygons

    run = map_polygons if given["per_polygon"] else map_pixels
    return run(inputs[0], Path(inputs[1]), given["output"], _options(given), report)


def _options(given: Mapping[str, Any]) -> ClassifyOptions:
    from georaster_dl.pixels.classify import ClassifyOptions
    from georaster_dl.train.settings.config import TrainConfig

    return ClassifyOptions(
        method=given["method"] or "svm",
        config=changed(TrainConfig(), given, SETTINGS),
        save=given["save"],
        overwrite=given["overwrite"],
    )


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


def _print(classified: Classified, given: Mapping[str, Any]) -> None:
    if classified.settings:
        chosen = ", ".join(
            f"{key} {value}" for key, value in classified.settings.items() if key != "trained_on"
        )
        units = "polygons" if given["per_polygon"] else "pixels"
        click.echo(
            f"{given['method'] or 'svm'}{f' ({chosen})' if chosen else ''} learnt from "
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
        click.echo("accuracy not measured: all labelled polygons lie in one block of ground")
        return
    confusion = accuracy.confusion
    click.echo(
        f"mIoU, {accuracy.part}: {confusion.mean_iou:#.4g}, OA, {accuracy.part}: "
        f"{confusion.overall_accuracy:#.4g} ({accuracy.note})"
    )
    for name, iou in zip(confusion.names, confusion.iou, strict=True):
        click.echo(f"  IoU {name:32} {'-' if math.isnan(iou) else f'{iou:.3f}'}")
