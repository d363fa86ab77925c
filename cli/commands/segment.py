"""``geodl segment``: a scene in, a styled map as GeoTIFF out."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.events import Report

from ..options.map_outputs import MapCommand, asks_for_float32, map_outputs, output_options
from ..options.model_run import (
    check_suffix,
    default_output,
    model_run_options,
    run_settings,
    run_told,
)
from ..options.shared import (
    OUTPUT_FILE,
    check_resources,
    model_option,
    run_options,
    scene_argument,
    scheduler_options,
)
from ..terminal.progress import end_with_parent

if TYPE_CHECKING:
    from georaster_dl.models.package.card import Card
    from georaster_dl.predict.options import Summary

__all__ = ["segment", "subject"]


@click.command(cls=MapCommand)
@scene_argument
@model_option
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    help="Map to make; SCENE_landcover.tif (or SCENE_ and the quantity) in the working folder by default.",
)
@output_options(name_files=True)
@model_run_options
@scheduler_options
@run_options
def segment(scene: tuple[str, ...], progress: str, quiet: bool, **given: Any) -> int:
    """Map what a model predicts of a scene: classes, or the quantity of a regression model.

    SCENE is a raster, a .SAFE folder or zip, a STAC item, an address, or several files of one
    scene. The map is a cloud-optimised GeoTIFF with class names and colours, or with values as
    float32; rasters of probabilities, and polygons, are for models of classes. Without -m a
    Sentinel-2 scene is mapped by the bundled model s2-landcover.

    \b
    geodl segment scene.tif
    geodl segment B02.jp2 B03.jp2 ... -m my-model.safetensors -o map.tif --confidence
    geodl segment large.tif --scheduler local:4
    """
    if given["parent_pipe"]:
        end_with_parent()
    # Heavy imports come after the options were found right, and never for --help.
    from georaster_dl.batch.job import SceneJob
    from georaster_dl.models.package.file import find_model, read_card
    from georaster_dl.predict.options import SegmentOptions

    model = None if given["model"] is None else find_model(given["model"])
    card = None if model is None else read_card(model)
    mapped = given["output"] or default_output(scene[0], subject(card))
    check_suffix("-o", mapped, "a GeoTIFF", (".tif", ".tiff"))
    outputs = map_outputs(mapped, given)
    options = SegmentOptions(**run_settings(given), float32=asks_for_float32(given))
    check_resources(given)

    job = SceneJob("", scene, model, outputs, options)

    def run(report: Report) -> Summary:
        if given["scheduler"] is None:
            return job.run(report).whole()
        from georaster_dl.batch.pools.one_scene import run_in_parts

        return run_in_parts(job, given["scheduler"], given["resources"], report)

    return run_told(
        run,
        progress,
        quiet,
        given["log"],
        facts=_facts,
        found=_found,
    )


def subject(card: Card | None) -> str:
    """What the map is of, as part of a file's name; the model that is taken by default has classes."""
    if card is None or not card.targets:
        return "landcover"
    if len(card.targets) > 1:
        return "values"
    return re.sub(r"\W+", "_", card.targets[0].name.lower()).strip("_") or "values"


def _facts(summary: Summary) -> dict[str, Any]:
    values = summary.findings.values
    if not values:
        return {"classes": summary.findings.counts}
    return {"values": {name: asdict(of_one) for name, of_one in values.items()}}


def _found(summary: Summary) -> str:
    counts, values = summary.findings.counts, summary.findings.values
    if values:
        return "\n".join(
            f"{name}: mean {of_one.mean:.4g}, from {of_one.min:.4g} to {of_one.max:.4g}"
            for name, of_one in values.items()
        )
    total = sum(counts.values())
    return ", ".join(f"{name} {100 * n / total:.1f} %" for name, n in counts.items() if n)
