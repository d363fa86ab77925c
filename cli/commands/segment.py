"""``geodl segment``: map a scene with a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.events import Report

from ..options.cleaning import cleaning_options
from ..options.map_outputs import MapCommand, extra_outputs, map_outputs
from ..options.model_run import model_run_options, run_model
from ..options.polygons import polygon_options
from ..options.predictor import map_settings, models_of, predictor_options
from ..options.shared import (
    Cluster,
    check_suffix,
    default_output,
    model_option,
    output_option,
    progress_options,
    scene_argument,
    scheduler_options,
)
from ..terminal.maps import map_contents, map_results
from ..terminal.progress import Terminal

if TYPE_CHECKING:
    from georaster_dl.cleaning.options import CleaningOptions
    from georaster_dl.predict.options import Summary

__all__ = ["segment"]


@click.command(cls=MapCommand)
@scene_argument
@model_option(ensemble=True)
@output_option(
    "Map to make; SCENE_landcover.tif (or SCENE_ and the quantity) in the working folder by default."
)
@extra_outputs(name_files=True)
@predictor_options
@cleaning_options
@polygon_options
@model_run_options
@scheduler_options
@progress_options
def segment(
    *,
    scene: tuple[str, ...],
    model: tuple[str, ...],
    output: Path | None,
    extras: dict[str, Any],
    predicting: dict[str, Any],
    cleaning: CleaningOptions,
    polygon_settings: dict[str, Any],
    settings: dict[str, Any],
    cluster: Cluster | None,
    terminal: Terminal,
) -> int:
    """Map a scene with a model: its classes, quantities, or the fractions of each pixel.

    SCENE is a raster, a .SAFE folder or zip, a STAC item, an address, or several files of one
    scene of any resolutions, also as A.tif+B.tif. The map is a cloud-optimised GeoTIFF with class names and colours, with values as
    float32, or with a band for each fraction (0 to 1, in steps of 0.004); rasters of probabilities, and polygons, are for models of classes. Without -m a
    Sentinel-2 scene is mapped by the bundled model s2-landcover.

    \b
    geodl segment scene.tif
    geodl segment B02.jp2 B03.jp2 ... -m my-model.safetensors -o map.tif --confidence
    geodl segment large.tif --scheduler local:4
    geodl segment scene.tif -m my-model.safetensors --uncertainty mc-dropout --passes 30
    """
    # Heavy imports come after the options were parsed, and never for --help.
    from georaster_dl.batches.job import SceneJob
    from georaster_dl.models.package.file import read_card
    from georaster_dl.objects.options import PolygonOptions
    from georaster_dl.predict.options import SegmentOptions
    from georaster_dl.predict.outputs.kinds import map_subject

    package, members = models_of(model)
    card = None if package is None else read_card(package)
    output = output or default_output(scene[0], map_subject(card))
    check_suffix("-o", output, "a GeoTIFF", (".tif", ".tiff"))
    outputs = map_outputs(output, extras)
    of_map = map_settings(extras, predicting, members)
    options = SegmentOptions(
        **settings,
        **of_map,
        cleaning=cleaning,
        polygon_options=PolygonOptions.of(polygon_settings),
    )

    job = SceneJob("", scene, package, outputs, options)

    def run(report: Report) -> Summary:
        if cluster is None:
            return job.run(report).whole()
        from georaster_dl.batches.pools.one_scene import run_in_parts

        return run_in_parts(job, cluster.scheduler, cluster.resources, report)

    return run_model(terminal, run, map_results, map_contents)
