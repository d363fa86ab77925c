"""``geodl timeseries classify``: classes or values of pixels and parcels, by a model of time series."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report
from georaster_dl.core.process import tune_allocators
from georaster_dl.core.wording import counted

from ..options.map_outputs import MapCommand, extra_outputs, map_outputs
from ..options.model_run import run_model, stack_run_options
from ..options.predictor import map_settings, reject_option
from ..options.shared import (
    INPUT_FILE,
    Cluster,
    check_suffix,
    default_output,
    model_option,
    output_option,
    progress_options,
    scheduler_options,
)
from ..options.stacks import StackArguments, stack_options
from ..terminal.maps import map_contents, map_results
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs
from .sources import table_options
from .tables import classify_table

if TYPE_CHECKING:
    from georaster_dl.io.stacks.scene import StackInput
    from georaster_dl.predict.options import Summary
    from georaster_dl.timeseries.parcels.classify import ClassifiedParcels, ParcelOptions

__all__ = ["classify"]


@click.command(cls=MapCommand)
@stack_options
@model_option(required=True)
@click.option(
    "--parcels",
    type=INPUT_FILE,
    metavar="FILE",
    help="Classify these polygons as wholes, from all their pixels, instead of single pixels.",
)
@click.option("--layer", metavar="NAME", help="Layer of the parcels' file, where it has several.")
@click.option(
    "--minimum-dates",
    type=click.IntRange(min=1),
    help="Clear dates below which a parcel, or a row of a table, is flagged; by default the fewest of the training.",
)
@output_option(
    "Map to make, of parcels a GeoPackage, of a table a .csv; STACK_landcover.tif, STACK_parcels.gpkg or "
    "TABLE_predicted.csv in the working folder by default."
)
@table_options
@extra_outputs(name_files=True)
@reject_option
@stack_run_options
@scheduler_options
@progress_options
def classify(
    *,
    stack: StackArguments,
    model: str,
    parcels: Path | None,
    layer: str | None,
    minimum_dates: int | None,
    output: Path | None,
    columns: dict[str, Any],
    extras: dict[str, Any],
    predicting: dict[str, Any],
    settings: dict[str, Any],
    cluster: Cluster | None,
    terminal: Terminal,
) -> int:
    """Map the pixels of a stack of dated scenes, or its parcels, with a model of time series.

    STACK is a folder or pattern of dated scenes, a table of them (path, date), a STAC item collection, or a
    cube of NetCDF or Zarr. Each pixel is classified from its clear dates; one that is clear at no date is nodata.
    Parcels keep their attributes and get class, probabilities, uncertainty and number of clear dates; so do
    the rows of a table of point series in place of STACK.

    \b
    geodl timeseries classify scenes/ --mask SCL -m crops.safetensors -o map.tif --confidence
    geodl timeseries classify scenes/ --mask SCL --until 2024-06-15 -m crops.safetensors -o june.tif
    geodl timeseries classify scenes/ --mask SCL --parcels fields.gpkg -m crops.safetensors -o fields_crops.gpkg
    geodl timeseries classify points.csv -m crops.safetensors -o points_crops.csv
    """
    from georaster_dl.models.package.file import find_model

    package = find_model(model).absolute()
    if layer is not None and parcels is None:
        raise OptionError("--layer names a layer of the file of --parcels; give that, too.")
    for_maps = bool(extras or predicting) or cluster is not None or settings["aoi"] is not None
    if stack.tables:
        if for_maps or parcels is not None:
            raise OptionError(
                f"{stack.tables[0]} is a table, whose rows get columns of classes and probabilities; leave out "
                f"--parcels and the options of maps."
            )
        own = {name: settings[name] for name in ("device", "overwrite")}
        return classify_table(
            terminal, stack, package, output, columns, minimum_dates=minimum_dates, **own
        )
    source = stack.input()
    if parcels is None:
        options = {**settings, **map_settings(extras, predicting, ())}
        return _of_pixels(terminal, source, package, output, extras, options, cluster)
    if for_maps:
        raise OptionError(
            "--parcels makes one file of polygons, with probabilities and uncertainty in it; leave out the options "
            "of maps."
        )
    from georaster_dl.timeseries.parcels.classify import ParcelOptions

    asked = ParcelOptions(minimum_dates, settings["device"], settings["overwrite"], layer)
    return _of_parcels(terminal, source, parcels, package, output, asked)


def _of_pixels(
    terminal: Terminal,
    source: StackInput,
    model: Path,
    output: Path | None,
    extras: dict[str, Any],
    settings: dict[str, Any],
    cluster: Cluster | None,
) -> int:
    """Map pixels, here or on workers, and print the result."""
    from georaster_dl.batches.job import SceneJob
    from georaster_dl.predict.options import SegmentOptions

    output = output or default_output(source.name, "landcover")
    check_suffix("-o", output, "a GeoTIFF", (".tif", ".tiff"))
    job = SceneJob("", source, model, map_outputs(output, extras), SegmentOptions(**settings))

    def run(report: Report) -> Summary:
        if cluster is None:
            return job.run(report).whole()
        from georaster_dl.batches.pools.one_scene import run_in_parts

        return run_in_parts(job, cluster.scheduler, cluster.resources, report)

    return run_model(terminal, run, map_results, map_contents)


def _of_parcels(
    terminal: Terminal,
    source: StackInput,
    parcels: Path,
    model: Path,
    output: Path | None,
    options: ParcelOptions,
) -> int:
    """Classify polygons, and print the result."""
    from georaster_dl.timeseries.parcels.classify import classify_parcels

    out = output or default_output(source.name, "parcels").with_suffix(".gpkg")
    check_suffix("-o", out, "a GeoPackage", (".gpkg",))
    tune_allocators()

    def show(done: ClassifiedParcels) -> None:
        shares = ", ".join(f"{name} {n:,}" for name, n in done.counts.items() if n)
        click.echo(f"{counted(done.parcels, 'parcel')}{f': {shares}' if shares else ''}")
        if done.unclassified:
            click.echo(f"{done.unclassified:,} beside the stack or without a clear date: no class")
        if done.few_dates:
            click.echo(f"{done.few_dates:,} with few clear dates: field few_dates")
        click.echo(f"{done.pixels / 1e6:.3g} Mpx in {done.seconds:.1f} s")
        print_outputs(done.files)

    return run_with_progress(
        terminal,
        lambda report: classify_parcels(source.open(), parcels, model, out, options, report),
        lambda done: finished(
            done.files,
            (),
            round(done.seconds, 3),
            pixels=done.pixels,
            parcels=done.parcels,
            classes=done.counts,
            unclassified=done.unclassified,
            few_dates=done.few_dates,
        ),
        show,
    )
