"""Which layer of which vector file is meant, and under which name GDAL opens it.

A path is a path: ``!``, ``;`` and ``?``, which pyogrio takes for signs of its own, are characters like
others. A zip archive is read as the vector files in it.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyogrio

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.files.layer_path import LayerPath, file_of
from georaster_dl.io.scenes.dataset import check_openable

__all__ = ["VectorLayer", "choose_layer", "is_special", "is_vector"]

_SUFFIXES = {
    ".gpkg", ".geojson", ".json", ".geojsonl", ".geojsons", ".shp", ".shz", ".fgb", ".gml", ".kml", ".kmz",
    ".sqlite", ".gdb", ".tab", ".mif", ".gpx",
}  # fmt: skip
_SPECIAL = re.compile(r"^//|[!;?\x00-\x1f]")  # what pyogrio does not take for a part of a name
_DRIVE = re.compile(r"[A-Za-z]:")
_BRACES = re.compile(r"[{}]")
_SIDES = {".dbf", ".shx", ".prj", ".cpg", ".qix", ".sbn", ".sbx", ".xsd", ".gfs", ".dat", ".map", ".id", ".mid"}  # fmt: skip


@dataclass(frozen=True)
class VectorLayer:
    """A layer that is open to be read while the block lasts.

    Attributes
    ----------
    dataset, name : what pyogrio reads.
    info : pyogrio's description: ``fields``, ``dtypes``, ``ogr_subtypes``, ``geometry_type``, ``features``.
    """

    dataset: str
    name: str
    info: Mapping[str, Any]


def is_vector(path: Path) -> bool:
    """Whether the file's name, or that of a file in a zip archive, says that it holds vector features."""
    file = file_of(path)
    suffix = file.suffix.lower()
    return suffix in _SUFFIXES or (suffix == ".zip" and bool(_members(file)))


@contextmanager
def choose_layer(
    path: Path,
    *,
    layer: str | None = None,
    title: str,
    how: str = "`layer=`",
    fits: Callable[[Mapping[str, Any]], bool] = lambda _info: True,
) -> Iterator[VectorLayer | None]:
    """Find the layer that is meant; None where the file has none with geometry.

    Without a name it is the only one with geometry, else the only one that has features, else the only
    one of these that fits.

    Parameters
    ----------
    path : file, or ``file|layername=NAME``.
    layer : its name, where the path does not tell it.
    title, how : what a message calls the file, and how it says that a layer is named.
    fits : whether a layer, by its description, may be meant.

    Raises
    ------
    OptionError
        When there is no layer of that name, or several may be meant.
    """
    asked = LayerPath.of(path)
    check_openable(str(asked.file))
    with _datasets(asked.file) as datasets:
        found = _layers(datasets)
        yield _chosen(found, asked.layer or layer, asked.number, title, how, fits)


def _chosen(
    found: Sequence[VectorLayer],
    name: str | None,
    number: int | None,
    title: str,
    how: str,
    fits: Callable[[Mapping[str, Any]], bool],
) -> VectorLayer | None:
    names = [layer.name for layer in found]
    if len(set(names)) < len(names):  # of several files in an archive
        names = [_member(layer.dataset) for layer in found]
    if number is not None and number < len(found):
        return found[number]
    if name is not None or number is not None:
        same = [layer for layer in found if name in (layer.name, _member(layer.dataset))]
        if len(same) != 1:
            what = counted(len(same), "layer") if same else "no layer"
            raise OptionError(
                f"{title} has {what} {name if name is not None else number!r}; it has "
                f"{listed(names) or 'none with geometry'}. Name one of them with {how}."
            )
        return same[0]
    filled = [layer for layer in found if layer.info["features"]]
    for likely in (found, filled, [layer for layer in filled if fits(layer.info)]):
        if len(likely) == 1:
            return likely[0]
    if len(found) > 1:
        raise OptionError(
            f"{title} has {len(found)} layers ({listed(names)}), of which several or none may be meant; "
            f"name one with {how}."
        )
    return None


def _layers(datasets: Sequence[str]) -> list[VectorLayer]:
    # A GeoPackage may hold tables without geometry too, its styles for example.
    return [
        VectorLayer(dataset, name, pyogrio.read_info(dataset, layer=name))
        for dataset in datasets
        for name, geometry in pyogrio.list_layers(dataset)
        if geometry is not None
    ]


@contextmanager
def _datasets(file: Path) -> Iterator[list[str]]:
    """List the names under which GDAL opens the datasets of a file."""
    archive, plain = file.suffix.lower() == ".zip", str(file.absolute())
    with ExitStack() as stack:
        if _BRACES.search(plain) if archive else is_special(plain):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="geodl-"))
            plain = str(_linked(file, Path(folder)))
        yield [f"/vsizip/{{{plain}}}/{name}" for name in _members(file)] if archive else [plain]


def _linked(file: Path, folder: Path) -> Path:
    """Link to a file, and to those that belong to it, of a name that pyogrio takes as it is."""
    stem = re.sub(r"[^\w.-]", "_", file.stem)
    sides = [p for p in file.parent.iterdir() if p.stem == file.stem and p.suffix.lower() in _SIDES]
    for each in {file, *sides}:
        (folder / f"{stem}{each.suffix}").symlink_to(each.absolute())
    return folder / f"{stem}{file.suffix}"


def is_special(plain: str) -> bool:
    """Return whether pyogrio would take a part of a path for signs of its own."""
    # Paths with a drive are taken as they are.
    return not _DRIVE.match(plain) and bool(_SPECIAL.search(plain))


def _members(archive: Path) -> list[str]:
    """Vector files in a zip archive."""
    try:
        with zipfile.ZipFile(archive) as opened:
            names = opened.namelist()
    except (OSError, zipfile.BadZipFile):
        return []
    files = dict.fromkeys(_up_to_gdb(name) for name in names)
    return [
        name
        for name in files
        if PurePosixPath(name).suffix.lower() in _SUFFIXES - {".json"}
        and not PurePosixPath(name).name.startswith("._")  # what macOS adds
    ]


def _up_to_gdb(name: str) -> str:
    """A file geodatabase is a folder of many files."""
    head, found, _ = name.partition(".gdb/")
    return f"{head}.gdb" if found else name.rstrip("/")


def _member(dataset: str) -> str:
    return PurePosixPath(dataset).name
