"""``geodl mosaic``: maps of neighbouring scenes in, one map out, or a STAC collection of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Finished, MosaicStarted, Warned, warner
from georaster_dl.core.wording import counted

from ..options.model_run import check_suffix
from ..options.shared import OUTPUT_FILE, RenamedOption, run_options
from ..terminal.progress import end_with_parent, reporting
from ..terminal.results import finished, print_outputs, status_of

if TYPE_CHECKING:
    from georaster_dl.mosaic.build import Mosaicked

__all__ = ["mosaic"]

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("maps", nargs=-1, required=True, metavar="MAPS...", type=_FILE)
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    help="Mosaic to make: a .vrt refers to the maps, a .tif has pixels of its own.",
)
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
    help="Package of a model that made the maps, for --stac; bundled ones are found without.",
)
@click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
@run_options
def mosaic(maps: tuple[Path, ...], progress: str, quiet: bool, **given: Any) -> int:
    """Join maps that geodl segment made of neighbouring scenes.

    MAPS have the same classes, or hold the same quantity. Where the map that is taken holds no
    data, the next one is. A .vrt needs all maps on one grid; for a .tif, those on other grids and
    in other UTM zones are resampled to the grid of the first, to the nearest pixel.

    \b
    geodl mosaic west.tif east.tif -o mosaic.vrt
    geodl mosaic maps/*_landcover.tif -o mosaic.tif --order-by date --fill-class cloud,"cloud shadow"
    geodl mosaic west.tif east.tif --stac catalogue
    """
    if given["parent_pipe"]:
        end_with_parent()
    check_suffix("-o", given["output"], "a VRT or a GeoTIFF", (".vrt", ".tif", ".tiff"))
    if given["models"] and given["stac"] is None:
        raise OptionError(
            "-m links maps in a STAC collection to their model; give --stac FOLDER, too."
        )
    from georaster_dl.mosaic.build import MosaicOptions
    from georaster_dl.mosaic.build import mosaic as run
    from georaster_dl.predict.progress import Progress

    with reporting(progress, quiet, given["log"]) as report:

        def begin(total: int) -> Callable[[int], None]:
            report(MosaicStarted("cpu", len(maps), total))
            return Progress(total, report)

        models = _Models(given["models"])
        made = run(
            maps,
            given["output"],
            MosaicOptions(given["order_by"], given["crs"], given["overwrite"], given["fill_class"]),
            stac=given["stac"],
            find_model=models.item,
            warn=warner(report),
            begin=begin,
        )
        for name in models.unused():
            report(Warned(f"{name} made none of these maps; nothing links to it"))
        report(_finished(made))
    if progress == "bar" and not quiet:
        _print(made)
    return status_of(made.failed)


class _Models:
    """Models named or bundled, found by the digest of their weights."""

    def __init__(self, named: Sequence[str]) -> None:
        from georaster_dl.models.package.file import find_model

        self._named = {name: find_model(name) for name in named}
        self._used: set[Path] = set()

    def item(self, digest: str) -> Mapping[str, Any] | None:
        """STAC item of the model; None where it is unknown."""
        from georaster_dl.models.exchange.stac import stac_item
        from georaster_dl.models.package.file import builtin_models, read_card

        for package in (*self._named.values(), *builtin_models().values()):
            card = read_card(package)
            if card.weights_sha256 == digest:
                self._used.add(package)
                return stac_item(card, package)
        return None

    def unused(self) -> list[str]:
        """Names that were given in vain."""
        return [name for name, package in self._named.items() if package not in self._used]


def _finished(made: Mosaicked) -> Finished:
    maps = [str(path) for path in made.maps]
    return finished(made.files, made.failed, round(made.seconds, 3), maps=maps, shape=made.shape)


def _print(made: Mosaicked) -> None:
    if made.shape is not None:
        click.echo(f"{counted(len(made.maps), 'map')}, {made.shape[0]} x {made.shape[1]} pixels")
    print_outputs(made.files)
