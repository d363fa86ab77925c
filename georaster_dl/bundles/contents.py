"""Files of a bundle: outputs beside a map, and files that a user adds."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from georaster_dl.core.errors import OptionError
from georaster_dl.io.output.staging import sidecars_of
from georaster_dl.predict.outputs.kinds import EXTRA_OUTPUTS, DerivedFile

__all__ = ["Item", "check_added", "found_beside", "safe_copy"]

_LARGE = "probabilities", "sets"  # a band for each class, of use to whoever computes on with them
_ADDED = {
    ".html": "report page; any browser opens it",
    ".htm": "report page; any browser opens it",
    ".gpkg": "vector layers (GeoPackage)",
    ".csv": "table",
    ".shp": "vector layer (shapefile)",
    ".png": "picture",
}
_SIDECARS = {
    ".xml": "names and statistics for GDAL and ArcGIS; keep it beside {}",
    ".qml": "style for QGIS; keep it beside {}",
}
_NEEDED = ".shx", ".dbf"  # files of a shapefile without which GDAL opens none
_PARTS = *_NEEDED, ".prj", ".cpg", ".qpj", ".qix", ".sbn", ".sbx", ".qml"


@dataclass(frozen=True)
class Item:
    """File of a bundle.

    Attributes
    ----------
    name : in the archive.
    source : path of its content.
    about : its use, in one line.
    title : name of its layer in a project; the file's own name without ending where empty.
    given : file that the user knows, of which ``source`` is a copy.
    """

    name: str
    source: Path
    about: str
    title: str = ""
    given: Path | None = None

    def with_sidecars(self) -> list[Item]:
        """List the file and its sidecars: statistics, overviews, style; of a shapefile its other files, too."""
        sidecars = [
            Item(path.name, path, _SIDECARS.get(path.suffix, "belongs to {}").format(self.name))
            for path in dict.fromkeys([*sidecars_of(self.source), *_parts_of(self.source)])
        ]
        return [self, *sidecars]


def found_beside(mapped: Path) -> tuple[list[Item], list[Path]]:
    """Find the outputs that were made with a map, by their names.

    Returns
    -------
    Files for the bundle, and those that are left out because they are large and few need them.
    """
    possible: list[Item] = []
    large: list[Item] = []
    for kind in EXTRA_OUTPUTS.values():
        own = [mapped.with_suffix(kind.suffix)] if isinstance(kind, DerivedFile) else []
        items = [
            Item(path.name, path, kind.help, kind.title) for path in (kind.beside(mapped), *own)
        ]
        (large if kind.name in _LARGE else possible).extend(items)
    page = mapped.with_suffix(".html")
    possible.append(Item(page.name, page, _ADDED[page.suffix]))
    return (
        [item for item in possible if item.source.is_file()],
        [item.source for item in large if item.source.is_file()],
    )


def check_added(files: Sequence[Path]) -> list[Item]:
    """Describe the files that a user adds.

    Raises
    ------
    OptionError
        When one of them is not there, no file, or a part of a shapefile alone.
    """
    for path in files:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "does not exist"
            raise OptionError(
                f"{path} is to be added to the bundle but {what}; give files (`add=`), as report.html or map.gpkg."
            )
        parts = {part.suffix.lower() for part in _parts_of(path)}
        missing = [ending for ending in _NEEDED if ending not in parts]
        if path.suffix.lower() == ".shp" and missing:
            raise OptionError(
                f"{path} is to be added to the bundle but has no {' and no '.join(missing)} beside it, without which no "
                f"program opens it; give a whole shapefile, or a GeoPackage."
            )
    return [Item(path.name, path, _ADDED.get(path.suffix.lower(), "added")) for path in files]


def _parts_of(path: Path) -> list[Path]:
    """List the other files of a shapefile; of any other file none."""
    if path.suffix.lower() != ".shp":
        return []
    stem = path.stem.casefold()
    names = {stem + ending for ending in _PARTS} | {f"{path.name}.xml".casefold()}
    return sorted(other for other in path.parent.iterdir() if other.name.casefold() in names)


def safe_copy(item: Item, folder: Path) -> Item:
    """Copy a GeoPackage with the changes that a program which has it open keeps beside it."""
    made = folder / item.name
    with (
        closing(sqlite3.connect(f"{item.source.resolve().as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(made)) as copy,
    ):
        source.backup(copy)
    return replace(item, source=made, given=item.source)
