"""``geodl segment``: a scene in, a styled map as GeoTIFF out."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.events import Report

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
    from georaster_dl.predict.options import Outputs, Summary

__all__ = ["segment", "subject"]

_STORED = ("uint8", "float32")


class _Command(click.Command):
    """``--probabilities`` may stand alone, also right before the scene."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for i, arg in enumerate(args):
            if arg == "--probabilities" and (i + 1 == len(args) or args[i + 1] not in _STORED):
                args[i] = "--probabilities=uint8"
        return super().parse_args(ctx, args)


@click.command(cls=_Command)
@scene_argument
@model_option
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    help="Map to make; SCENE_landcover.tif (or SCENE_ and the quantity) in the working folder by default.",
)
@click.option(
    "--probabilities",
    type=click.Choice(_STORED),
    help="Also write *_probabilities.tif, one band per class, as scaled uint8 (default) or float32.",
)
@click.option(
    "--confidence",
    is_flag=True,
    help="Also write *_confidence.tif, the probability of the mapped class.",
)
@click.option(
    "--uncertainty",
    is_flag=True,
    help="Also write *_uncertainty.tif, the entropy of the classes' probabilities: 0 where one class "
    "is certain, 1 where all are equally probable.",
)
@click.option("--polygons", type=OUTPUT_FILE, help="Also write a GeoPackage.")
@click.option("--quicklook", type=OUTPUT_FILE, help="Also write a PNG to look at.")
@model_run_options
@scheduler_options
@run_options
def segment(scene: tuple[str, ...], progress: str, quiet: bool, **given: Any) -> int:
    """Map what a model predicts of a scene: classes, or the quantity of a regression model.

    SCENE is a raster, a .SAFE folder or zip, a STAC item, an address, or several files of one
    scene. The map is a cloud-optimised GeoTIFF with class names and colours, or with values as
    float32; --probabilities, --confidence, --uncertainty and --polygons are for classes. Without -m
    a Sentinel-2 scene is mapped by the bundled model s2-landcover.

    \b
    geodl segment scene.tif
    geodl segment B02.jp2 B03.jp2 ... -m my-model.safetensors -o map.tif --confidence
    geodl segment large.tif --scheduler local:4
    """
    if given["parent_pipe"]:
        end_with_parent()
    # Heavy imports come after the options were found right, and never for --help.
    from georaster_dl.models.package.file import find_model, read_card
    from georaster_dl.predict.options import SegmentOptions
    from georaster_dl.predict.segment import SegmentRun

    model = None if given["model"] is None else find_model(given["model"])
    card = None if model is None else read_card(model)
    outputs = _outputs(scene, card, given)
    options = SegmentOptions(**run_settings(given), float32=given["probabilities"] == "float32")
    check_resources(given)

    def checked(report: Report) -> SegmentRun:
        return SegmentRun(scene, model, outputs, options, report)

    def run(report: Report) -> Summary:
        if given["scheduler"] is None:
            return checked(report).whole()
        from georaster_dl.batch.pools.one_scene_on_dask import run_on_cluster

        return run_on_cluster(
            checked, scene, outputs, options, given["scheduler"], given["resources"], report
        )

    return run_told(
        run,
        progress,
        quiet,
        given["log"],
        facts=_facts,
        found=_found,
    )


def _outputs(scene: tuple[str, ...], card: Card | None, given: dict[str, Any]) -> Outputs:
    from georaster_dl.predict.options import Outputs

    mapped = given["output"] or default_output(scene[0], subject(card))
    check_suffix("-o", mapped, "a GeoTIFF", (".tif", ".tiff"))
    check_suffix("--polygons", given["polygons"], "a GeoPackage", (".gpkg",))
    check_suffix("--quicklook", given["quicklook"], "a PNG", (".png",))

    def beside(kind: str) -> Path | None:
        return mapped.with_name(f"{mapped.stem}_{kind}.tif") if given[kind] else None

    return Outputs(
        map=mapped,
        probabilities=beside("probabilities"),
        confidence=beside("confidence"),
        uncertainty=beside("uncertainty"),
        polygons=given["polygons"],
        quicklook=given["quicklook"],
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
