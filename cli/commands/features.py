"""``geodl features``: a scene in, what a network sees in every pixel out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.events import Report
from georaster_dl.core.wording import counted

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
    needed_model_option,
    run_options,
    scene_argument,
    scheduler_options,
)
from ..terminal.progress import end_with_parent

if TYPE_CHECKING:
    from georaster_dl.predict.options import Summary

__all__ = ["features"]

_PACKED = "int16"


@click.command()
@scene_argument
@needed_model_option
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    help="Raster to make, one band per feature; SCENE_features.tif in the working folder by default.",
)
@click.option(
    "--layer",
    metavar="NAME",
    help="Layer of the network whose output is taken, by its dotted name; by default an "
    "autoencoder's code, or what the last layer before the classes sees.",
)
@click.option(
    "--error",
    type=OUTPUT_FILE,
    help="Also write how badly an autoencoder gives each pixel back, in standard deviations of the "
    "bands: a map of anomalies.",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", _PACKED]),
    default="float32",
    help="int16 takes half the room; every band gets a scale and an offset.",
)
@model_run_options
@scheduler_options
@run_options
def features(scene: tuple[str, ...], progress: str, quiet: bool, **given: Any) -> int:
    """Write the features that a model has of every pixel, one band each.

    SCENE is whatever geodl segment reads. MODEL may be of any task: an autoencoder
    (geodl train --task autoencoder) or a map's model. The raster is a cloud-optimised GeoTIFF of
    float32 with NaN for nodata; geodl cluster and geodl classify go on from it.

    \b
    geodl features scene.tif -m autoencoder.safetensors
    geodl features scene.tif -m s2-landcover -o features.tif --dtype int16
    """
    if given["parent_pipe"]:
        end_with_parent()
    from georaster_dl.batch.job import SceneJob
    from georaster_dl.models.package.file import find_model
    from georaster_dl.predict.options import FeatureOptions, FeatureOutputs

    model = find_model(given["model"])
    output = given["output"] or default_output(scene[0], "features")
    check_suffix("-o", output, "a GeoTIFF", (".tif", ".tiff"))
    check_suffix("--error", given["error"], "a GeoTIFF", (".tif", ".tiff"))
    options = FeatureOptions(
        **run_settings(given), layer=given["layer"], packed=given["dtype"] == _PACKED
    )
    outputs = FeatureOutputs(output, given["error"])
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
        facts=lambda summary: {
            "valid": summary.findings.pixels,
            "features": summary.findings.bands,
        },
        found=_found,
    )


def _found(summary: Summary) -> str:
    found = summary.findings
    made = f"{counted(found.bands, 'feature')} of {counted(found.pixels, 'pixel')}"
    for name, values in found.values.items():
        made += f"; {name}: mean {values.mean:.3g}, at most {values.max:.3g}"
    return made
