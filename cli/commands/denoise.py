"""``geodl denoise``: a scene in, what an autoencoder makes of it out."""

from __future__ import annotations

from typing import Any

import click

from georaster_dl.core.wording import counted

from ..options.model_run import (
    check_suffix,
    default_output,
    model_run_options,
    run_settings,
    run_told,
)
from ..options.shared import OUTPUT_FILE, needed_model_option, run_options, scene_argument
from ..terminal.progress import end_with_parent

__all__ = ["denoise"]


@click.command()
@scene_argument
@needed_model_option
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    help="Raster to make, with the scene's bands; SCENE_denoised.tif in the working folder by default.",
)
@model_run_options
@run_options
def denoise(scene: tuple[str, ...], progress: str, quiet: bool, **given: Any) -> int:
    """Write the scene as an autoencoder gives it back, without the noise.

    SCENE is whatever geodl segment reads, MODEL one of geodl train --task autoencoder. The raster is
    a cloud-optimised GeoTIFF of physical values (float32, NaN for nodata) with the scene's band
    names and wavelengths, so that every other command reads it like the scene.

    \b
    geodl denoise scene.tif -m autoencoder.safetensors
    """
    if given["parent_pipe"]:
        end_with_parent()
    from georaster_dl.models.package.file import find_model
    from georaster_dl.predict.denoise import denoise as run
    from georaster_dl.predict.options import RunOptions

    model = find_model(given["model"])
    output = given["output"] or default_output(scene[0], "denoised")
    check_suffix("-o", output, "a GeoTIFF", (".tif", ".tiff"))
    options = RunOptions(**run_settings(given))
    return run_told(
        lambda report: run(scene, model, output, options, report),
        progress,
        quiet,
        given["log"],
        facts=lambda summary: {"valid": summary.findings.pixels, "bands": summary.findings.bands},
        found=lambda summary: (
            f"{counted(summary.findings.bands, 'band')} of {counted(summary.findings.pixels, 'pixel')}"
        ),
    )
