"""Bundles: maps with all that belongs to them in one zip archive."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from georaster_dl.bundles.contents import Item, check_added, found_beside, safe_copy
from georaster_dl.bundles.legend import write_color_bar, write_swatches
from georaster_dl.bundles.map_file import BundleMap, open_bundle_map
from georaster_dl.bundles.project import Layer, raster_layer, vector_layers, write_project
from georaster_dl.bundles.readme import readme_text
from georaster_dl.core.disk import require_space, writing
from georaster_dl.core.errors import OptionError
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.files.temporary import working_folder
from georaster_dl.io.labels.styles import stored_style
from georaster_dl.io.output.staging import Extras, FailedOutput, Staging

__all__ = ["Bundled", "bundle"]

_RASTERS = ".tif", ".tiff"
_VECTORS = ".gpkg", ".shp"
_PACKED = (
    ".tif",
    ".tiff",
    ".png",
    ".qgz",
    ".zip",
)  # compressed already; stored so that GDAL reads them in the archive


@dataclass(frozen=True)
class Bundled:
    """Result of a run.

    Attributes
    ----------
    files : that it made: the archive.
    contents : names of the files in the archive.
    left_out : outputs beside the map that are large and were not asked for.
    seconds : that it took.
    failed : what was to be in the archive and could not be made.
    """

    files: tuple[Path, ...]
    contents: tuple[str, ...]
    left_out: tuple[Path, ...]
    seconds: float
    failed: tuple[FailedOutput, ...] = ()


def bundle(
    map_path: Path,
    out: Path,
    add: Sequence[Path] = (),
    *,
    overwrite: bool = False,
    warn: Callable[[str], None] = lambda _message: None,
) -> Bundled:
    """Write one zip archive of a map and all that belongs to it.

    It holds the map as a Cloud Optimized GeoTIFF with names and colours, its style, a legend picture, the
    outputs that were made with it (confidence, polygons and others, by their names), a project for QGIS, and
    a text that says what each file is. The map itself is only read.

    Parameters
    ----------
    map_path : map of classes, or one of quantities or fractions that geodl made.
    out : archive to make (.zip).
    add : further files, as reports and GeoPackages of other names.
    warn : called with every warning.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the map, the files or the output; nothing is left behind.
    """
    begun = time.monotonic()
    if out.suffix.lower() != ".zip":
        raise OptionError(f"The output {out} is no zip archive; end its name in .zip.")
    added = check_added(add)
    found, large = found_beside(map_path)
    asked = {item.source.resolve() for item in added}
    beside = [*(item for item in found if item.source.resolve() not in asked), *added]
    left_out = tuple(path for path in large if path.resolve() not in asked)
    extras = Extras(warn)
    with (
        gdal_environment(),
        Staging(out, overwrite=overwrite, protect=[map_path, *add], warn=warn) as stage,
        working_folder(out.parent) as folder,
    ):
        items = _Contents(open_bundle_map(map_path), folder, extras).collect(beside)
        _check_names(items, folder)
        _zip(stage.path(out), out.stem, items)
    names = tuple(item.name for item in items)
    return Bundled((out,), names, left_out, time.monotonic() - begun, extras.failed)


class _Contents:
    """Files of a bundle, made in a folder where they are not there yet."""

    def __init__(self, mapped: BundleMap, folder: Path, extras: Extras) -> None:
        self._mapped, self._folder, self._extras = mapped, folder, extras

    def collect(self, beside: Sequence[Item]) -> list[Item]:
        """Make the map and its style, legend, project and text; list them with the files beside the map."""
        mapped, folder, stem = self._mapped, self._folder, self._mapped.path.stem
        pixels = mapped.write(folder)
        within = "" if mapped.classes is None else ", names and colours within"
        what = f"the map: Cloud Optimized GeoTIFF{within}"
        main = Item(mapped.name, folder / mapped.name, what)
        items = [Item(main.name, pixels, what, given=mapped.path), *main.with_sidecars()[1:]]
        legend = Item(f"{stem}_legend.png", folder / f"{stem}_legend.png", "legend as a picture")
        with self._extras.making(Path(legend.name)):
            if self._draw_legend(legend.source):
                items.append(legend)
        layers: list[Layer] = []  # the map below the others, or it would hide them
        for item in beside:
            with self._extras.making(item.source):
                kept = safe_copy(item, folder) if item.source.suffix.lower() == ".gpkg" else item
                layers += _layers_of(kept)
                items += kept.with_sidecars()
        layers.append(
            raster_layer(pixels, name=main.name, title=stem, style=folder / main.name, shown=True)
        )
        project = Item(f"{stem}.qgz", folder / f"{stem}.qgz", "project for QGIS: opens all layers")
        with writing(project.source):
            write_project(project.source, layers, mapped.scene.geobox, stem)
        text = Item("README.txt", folder / "README.txt", "this text")
        # A file that is added, and goes along with another, goes once.
        unique: dict[Path, Item] = {}
        for item in (text, project, *items):
            unique.setdefault((item.given or item.source).resolve(), item)
        items = list(unique.values())
        with writing(text.source):
            content = readme_text(mapped, items, project.name)
            text.source.write_text(content, encoding="utf-8", newline="")
        return items

    def _draw_legend(self, path: Path) -> bool:
        """Draw the legend of the map's style; whether it has one."""
        style = stored_style(self._folder / self._mapped.name)
        entries = [] if style is None else _entries(style, "paletteEntry")
        if entries:
            write_swatches(path, [(label, color) for _value, label, color in entries])
            return True
        steps = [] if style is None else _entries(style, "item")
        if len(steps) > 1 and style is not None:
            renderer = style.find(".//rasterrenderer")
            band = 1 if renderer is None else int(renderer.get("band", "1"))
            write_color_bar(
                path,
                [(value, color) for value, _label, color in steps],
                self._mapped.scene.planes[band - 1].band.name,
            )
        return len(steps) > 1


def _entries(style: ET.Element, tag: str) -> list[tuple[float, str, str]]:
    return [
        (float(entry.get("value", "nan")), entry.get("label", ""), entry.get("color", "")[:7])
        for entry in style.iter(tag)
    ]


def _layers_of(item: Item) -> list[Layer]:
    """Describe a file beside the map as layers; none where it is no raster, GeoPackage or shapefile."""
    suffix = item.source.suffix.lower()
    if suffix in _VECTORS:
        return vector_layers(item.source, name=item.name, title=item.title)
    if suffix in _RASTERS:
        title = item.title or item.source.stem
        return [raster_layer(item.source, name=item.name, title=title, style=item.source)]
    return []


def _check_names(items: Sequence[Item], made: Path) -> None:
    """Check that no two files have one name; ``made`` is the folder of the bundle's own files."""
    seen: dict[str, Item] = {}
    for item in items:
        other = seen.setdefault(item.name.casefold(), item)
        if other is not item:
            one, two = (
                "one that the bundle makes"
                if each.given is None and each.source.parent == made
                else each.given or each.source
                for each in (other, item)
            )
            raise OptionError(
                f"Two files of the bundle have the name {item.name}: {one} and {two}; rename one of them."
            )


def _zip(path: Path, folder: str, items: Sequence[Item]) -> None:
    require_space(path, sum(item.source.stat().st_size for item in items))
    with writing(path), zipfile.ZipFile(path, "w", strict_timestamps=False) as archive:
        for item in items:
            packed = item.source.suffix.lower() in _PACKED
            kind = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
            archive.write(item.source, f"{folder}/{item.name}", kind)
