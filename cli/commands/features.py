"""``geodl features``: write the features that a network computes of every pixel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.events import Report
from georaster_dl.core.wording import counted

from ..options.model_run import model_run_options, run_model
from ..options.shared import (
    OUTPUT_FILE,
    Cluster,
    check_suffix,
    default_output,
    model_option,
    output_option,
    progress_options,
    scene_argument,
    scheduler_options,
)
from ..terminal.progress import Terminal

if TYPE_CHECKING:
    from georaster_dl.predict.options import Summary

__all__ = ["features"]

_PACKED = "int16"


@click.command()
@scene_argument
@model_option(required=True)
@output_option(
    "Raster to make, one band per feature; SCENE_features.tif in the working folder by default."
)
@click.option(
    "--layer",
    metavar="NAME",
    help="Layer of the network whose output is written, by its dotted name; by default an "
    "autoencoder's code, or the input of the layer that predicts the classes.",
)
@click.option(
    "--error",
    type=OUTPUT_FILE,
    help="Also write the reconstruction error of an autoencoder, in standard deviations of the bands: "
    "a map of anomalies.",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", _PACKED]),
    default="float32",
    help="float32 (default), or int16 with a scale and offset per band, in half the space.",
)
@model_run_options
@scheduler_options
@progress_options
def features(
    *,
    scene: tuple[str, ...],
    model: str,
    output: Path | None,
    layer: str | None,
    error: Path | None,
    dtype: str,
    settings: dict[str, Any],
    cluster: Cluster | None,
    terminal: Terminal,
) -> int:
    """Write the features that a model computes of every pixel, one band each.

    SCENE is a scene as geodl segment reads it. MODEL may be of any task: an autoencoder
    (geodl train --task autoencoder) or a map's model. The raster is a cloud-optimised GeoTIFF of
    float32 with NaN for nodata; geodl cluster and geodl classify go on from it.

    \b
    geodl features scene.tif -m autoencoder.safetensors
    geodl features scene.tif -m s2-landcover -o features.tif --dtype int16
    """
    from georaster_dl.batches.job import SceneJob
    from georaster_dl.models.package.file import find_model
    from georaster_dl.predict.options import FeatureOptions, FeatureOutputs

    package = find_model(model)
    output = output or default_output(scene[0], "features")
    check_suffix("-o", output, "a GeoTIFF", (".tif", ".tiff"))
    check_suffix("--error", error, "a GeoTIFF", (".tif", ".tiff"))
    options = FeatureOptions(**settings, layer=layer, packed=dtype == _PACKED)
    outputs = FeatureOutputs(output, error)

    job = SceneJob("", scene, package, outputs, options)

    def run(report: Report) -> Summary:
        if cluster is None:
            return job.run(report).whole()
        from georaster_dl.batches.pools.one_scene import run_in_parts

        return run_in_parts(job, cluster.scheduler, cluster.resources, report)

    return run_model(
        terminal,
        run,
        lambda summary: {"valid": summary.findings.pixels, "features": summary.findings.bands},
        _contents,
    )


def _contents(summary: Summary) -> str:
    findings = summary.findings
    text = f"{counted(findings.bands, 'feature')} of {counted(findings.pixels, 'pixel')}"
    for name, values in findings.values.items():
        text += f"; {name}: mean {values.mean:.3g}, at most {values.max:.3g}"
    return text
