"""``geodl mosaic``: join maps of neighbouring scenes, or describe them as a STAC collection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Finished, MosaicStarted, Report, warner
from georaster_dl.core.wording import counted

from ..options.completion import complete_models
from ..options.map_outputs import polygons_output
from ..options.polygons import polygon_options
from ..options.shared import (
    INPUT_FILE,
    OUTPUT_FILE,
    RenamedOption,
    check_suffix,
    output_option,
    overwrite_option,
    progress_options,
)
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs

if TYPE_CHECKING:
    from georaster_dl.mosaics.build import Mosaicked
    from georaster_dl.mosaics.order import Rule

__all__ = ["mosaic"]


@click.command()
@click.argument("maps", nargs=-1, required=True, metavar="MAPS...", type=INPUT_FILE)
@output_option("Mosaic to make: a .vrt refers to the maps, a .tif has pixels of its own.")
@click.option(
    "--order-by",
    cls=RenamedOption,
    formerly="--by",
    type=click.Choice(["order", "date", "confidence"]),
    default="order",
    show_default=True,
    help="Where maps overlap, take the first named, the newest, or for each pixel the most "
    "confident (*_confidence.tif beside each map; .tif only).",
)
@click.option(
    "--fill-class",
    cls=RenamedOption,
    formerly="--without",
    multiple=True,
    metavar="CLASS[,CLASS...]",
    help='Classes to fill from the next map where it holds another, as cloud,"cloud shadow"; .tif only.',
)
@polygons_output
@polygon_options
@click.option("--crs", metavar="EPSG:N", help="CRS of a .tif; that of the first map by default.")
@click.option(
    "--stac",
    type=OUTPUT_FILE,
    metavar="FOLDER",
    help="Also describe the maps as a STAC collection there.",
)
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    metavar="MODEL",
    shell_complete=complete_models,
    help="Package of a model that made the maps, for --stac; bundled ones are found without.",
)
@overwrite_option
@progress_options
def mosaic(
    *,
    maps: tuple[Path, ...],
    output: Path | None,
    order_by: Rule,
    fill_class: tuple[str, ...],
    crs: str | None,
    polygons: Path | None,
    polygon_settings: dict[str, Any],
    stac: Path | None,
    models: tuple[str, ...],
    overwrite: bool,
    terminal: Terminal,
) -> int:
    """Join maps that geodl segment made of neighbouring scenes.

    MAPS have the same classes, or hold the same quantity. Where the map that is taken holds no
    data, the next one is. A .vrt needs all maps on one grid; for a .tif, those on other grids and
    in other UTM zones are resampled to the grid of the first, to the nearest pixel.

    \b
    geodl mosaic west.tif east.tif -o mosaic.vrt
    geodl mosaic maps/*_landcover.tif -o mosaic.tif --order-by date --fill-class cloud,"cloud shadow"
    geodl mosaic west.tif east.tif -o mosaic.tif --polygons mosaic.gpkg --min-area 0.5ha
    geodl mosaic west.tif east.tif --stac catalogue
    """
    check_suffix("-o", output, "a VRT or a GeoTIFF", (".vrt", ".tif", ".tiff"))
    if polygons is not None:
        check_suffix("--polygons", polygons, "a GeoPackage", (".gpkg",))
    if models and stac is None:
        raise OptionError(
            "-m links maps in a STAC collection to their model; give --stac FOLDER, too."
        )
    from georaster_dl.models.exchange.packages import NamedPackages
    from georaster_dl.mosaics.build import MosaicOptions
    from georaster_dl.mosaics.build import mosaic as make_mosaic
    from georaster_dl.objects.options import PolygonOptions
    from georaster_dl.predict.progress import Progress

    outlines = PolygonOptions.of(polygon_settings)
    options = MosaicOptions(order_by, crs, overwrite, fill_class, polygons, outlines)
    packages = NamedPackages(models)

    def run(report: Report) -> Mosaicked:
        def begin(total: int) -> Callable[[int], None]:
            report(MosaicStarted("cpu", len(maps), total))
            return Progress(total, report)

        return make_mosaic(
            maps,
            output,
            options,
            stac=stac,
            find_model=packages.item,
            warn=warner(report),
            begin=begin,
        )

    return run_with_progress(
        terminal,
        run,
        _finished,
        _print,
        warnings=lambda _made: [
            f"{name} made none of these maps; nothing links to it" for name in packages.unused()
        ],
    )


def _finished(made: Mosaicked) -> Finished:
    maps = [str(path) for path in made.maps]
    return finished(made.files, made.failed, round(made.seconds, 3), maps=maps, shape=made.shape)


def _print(made: Mosaicked) -> None:
    if made.shape is not None:
        click.echo(f"{counted(len(made.maps), 'map')}, {made.shape[0]} x {made.shape[1]} pixels")
    print_outputs(made.files)
