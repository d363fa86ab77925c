"""``geodl denoise``: write a scene as an autoencoder reconstructs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from georaster_dl.core.wording import counted

from ..options.model_run import model_run_options, run_model
from ..options.shared import (
    check_suffix,
    default_output,
    model_option,
    output_option,
    progress_options,
    scene_argument,
)
from ..terminal.progress import Terminal

__all__ = ["denoise"]


@click.command()
@scene_argument
@model_option(required=True)
@output_option(
    "Raster to make, with the scene's bands; SCENE_denoised.tif in the working folder by default."
)
@model_run_options
@progress_options
def denoise(
    *,
    scene: tuple[str, ...],
    model: str,
    output: Path | None,
    settings: dict[str, Any],
    terminal: Terminal,
) -> int:
    """Write the scene as an autoencoder reconstructs it, without the noise.

    SCENE is a scene as geodl segment reads it, MODEL one of geodl train --task autoencoder. The raster is
    a cloud-optimised GeoTIFF of physical values (float32, NaN for nodata) with the scene's band
    names and wavelengths, so that every other command reads it like the scene.

    \b
    geodl denoise scene.tif -m autoencoder.safetensors
    """
    from georaster_dl.models.package.file import find_model
    from georaster_dl.predict.denoise import denoise as run
    from georaster_dl.predict.options import RunOptions

    package = find_model(model)
    output = output or default_output(scene[0], "denoised")
    check_suffix("-o", output, "a GeoTIFF", (".tif", ".tiff"))
    options = RunOptions(**settings)
    return run_model(
        terminal,
        lambda report: run(scene, package, output, options, report),
        lambda summary: {"valid": summary.findings.pixels, "bands": summary.findings.bands},
        lambda summary: (
            f"{counted(summary.findings.bands, 'band')} of {counted(summary.findings.pixels, 'pixel')}"
        ),
    )
