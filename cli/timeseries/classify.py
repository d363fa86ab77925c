"""``geodl timeseries classify``: map a stack of dated scenes with a model of time series."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.events import Report

from ..commands.segment import map_contents, map_results
from ..options.map_outputs import MapCommand, extra_outputs, map_outputs
from ..options.model_run import run_model, stack_run_options
from ..options.predictor import map_settings, models_of, reject_option
from ..options.shared import (
    Cluster,
    check_suffix,
    default_output,
    model_option,
    output_option,
    progress_options,
    scheduler_options,
)
from ..options.stacks import StackArguments, stack_options
from ..terminal.progress import Terminal

if TYPE_CHECKING:
    from georaster_dl.predict.options import Summary

__all__ = ["classify"]


@click.command(cls=MapCommand)
@stack_options
@model_option(required=True)
@output_option("Map to make; STACK_landcover.tif in the working folder by default.")
@extra_outputs(name_files=True)
@reject_option
@stack_run_options
@scheduler_options
@progress_options
def classify(
    *,
    stack: StackArguments,
    model: str,
    output: Path | None,
    extras: dict[str, Any],
    predicting: dict[str, Any],
    settings: dict[str, Any],
    cluster: Cluster | None,
    terminal: Terminal,
) -> int:
    """Map the pixels of a stack of dated scenes with a model of time series.

    STACK is a folder or pattern of dated scenes, a table of them (path, date), a STAC item collection, or a
    cube of NetCDF or Zarr. Each pixel is classified from its clear dates; one that is clear at no date is nodata.

    \b
    geodl timeseries classify scenes/ --mask SCL -m crops.safetensors -o map.tif --confidence
    geodl timeseries classify scenes/ --mask SCL --until 2024-06-15 -m crops.safetensors -o june.tif
    """
    from georaster_dl.batches.job import SceneJob
    from georaster_dl.predict.options import SegmentOptions

    source = stack.input()
    package, _ = models_of([model])
    output = output or default_output(source.name, "landcover")
    check_suffix("-o", output, "a GeoTIFF", (".tif", ".tiff"))
    options = SegmentOptions(**settings, **map_settings(extras, predicting, ()))
    job = SceneJob("", source, package, map_outputs(output, extras), options)

    def run(report: Report) -> Summary:
        if cluster is None:
            return job.run(report).whole()
        from georaster_dl.batches.pools.one_scene import run_in_parts

        return run_in_parts(job, cluster.scheduler, cluster.resources, report)

    return run_model(terminal, run, map_results, map_contents)
