"""Scenes by files, patterns, folders, lists and item collections, with unique names where they are wanted.

No raster is opened here: ten thousand scenes are listed in a second.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from georaster_dl.core.errors import GeoRasterError, SceneError
from georaster_dl.io.files.joined import expand_joined, is_pattern, split_joined
from georaster_dl.io.files.scene_names import distinct_names
from georaster_dl.io.files.text_file import read_text
from georaster_dl.io.formats import sentinel2, stac
from georaster_dl.io.formats.envi import envi_data
from georaster_dl.io.listing.items import scene_items

__all__ = ["FoundScene", "ListedScene", "find_scenes", "list_scenes", "table_rows"]

_RASTERS = {".tif", ".tiff", ".jp2", ".img", ".nc", ".vrt"}
_SIDECARS = (".aux.xml", ".ovr", ".msk", ".tfw", ".jgw", ".prj", ".qml", ".qmd", ".sld")
"""Endings of files that GDAL and QGIS leave beside rasters, which no pattern means."""
_FILE_SEPARATOR = ";"
_CELL_SEPARATORS = ",;\t"


@dataclass(frozen=True)
class ListedScene:
    """One scene of a batch.

    Attributes
    ----------
    name : by which its outputs are called; no other scene of the batch has it.
    sources : path or address of the scene, or of its several files; paths are absolute.
    """

    name: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class FoundScene:
    """Sources of a scene, and its name where a list states one."""

    sources: tuple[str, ...]
    name: str = ""


def list_scenes(given: Sequence[str], items: Path) -> list[ListedScene]:
    """Every scene that is meant, once, in the order given.

    Parameters
    ----------
    given : rasters, products, STAC items and addresses, several of one scene joined by ``+``; patterns (``*``, ``?``, ``[``, ``**``);
        folders of scenes; lists of scenes (.txt, .csv); STAC item collections.
    items : folder for the items of collections; made only where there are any.

    Raises
    ------
    SceneError
        When a pattern, folder, list or collection cannot be read or holds no scene.
    OptionError
        When two scenes would have the same name.
    """
    scenes = find_scenes(given, items)
    names = distinct_names([s.sources[0] for s in scenes], [s.name for s in scenes])
    return [ListedScene(name, s.sources) for name, s in zip(names, scenes, strict=True)]


def find_scenes(given: Sequence[str], items: Path) -> list[FoundScene]:
    """Find every scene that is meant, as ``list_scenes`` does, without making names for them."""
    found: dict[tuple[str, ...], FoundScene] = {}
    for text in given:
        for scene in _readable(text, items):
            found.setdefault(tuple(_same(source) for source in scene.sources), scene)
    return list(found.values())


def _readable(text: str, items: Path) -> list[FoundScene]:
    try:
        return list(_meant(text, items))
    except GeoRasterError:
        raise
    except (OSError, ValueError) as error:  # the latter of a name with a zero byte
        reason = getattr(error, "strerror", None) or error
        raise SceneError(
            f"{text} cannot be looked through: {reason}; check its permissions, and the names in it."
        ) from error


def _meant(text: str, items: Path) -> Iterator[FoundScene]:
    if not is_pattern(text) or "://" in text:
        yield from _at(text, items)
        return
    matches = expand_joined(text)
    matches = [match for match in matches if not match.lower().endswith(_SIDECARS)]
    if not matches:
        raise SceneError(f"No file matches {text}; check the pattern (now in {Path.cwd()}).")
    for match in matches:
        yield from _at(match, items)


def _at(text: str, items: Path) -> Iterator[FoundScene]:
    """The scenes at a path or address, or several joined, without a pattern."""
    parts = split_joined(text)
    if len(parts) > 1:
        yield FoundScene(tuple(_absolute(envi_data(Path(part)) or part) for part in parts))
        return
    path = Path(text)
    suffix = path.suffix.lower()
    if path.is_dir() and not _is_product(path):
        yield from _in_folder(path)
    elif suffix == ".txt":
        yield from _in_text(path)
    elif suffix == ".csv":
        yield from _in_table(path)
    elif stac.is_item(text) and (path.exists() or "://" in text):
        for source in scene_items(text, items):
            yield FoundScene((_absolute(source),))
    else:
        yield FoundScene((_absolute(envi_data(path) or text),))


def _in_folder(folder: Path) -> list[FoundScene]:
    scenes = {
        data if (data := envi_data(path)) else str(path.absolute()): None
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".") and _is_scene(path)
    }
    if not scenes:
        raise SceneError(
            f"The folder {folder} holds no scene: no raster (.tif, .tiff, .jp2, .img, .nc, .vrt, or .hdr "
            f"of ENVI), no .SAFE folder and no zip of one; give a pattern such as "
            f"'{folder}/**/*.tif' for what lies deeper."
        )
    return [FoundScene((scene,)) for scene in scenes]


def _is_scene(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix == ".hdr":
        return envi_data(path) is not None
    if suffix == ".zip":
        return _may_be_product(path)
    return suffix in _RASTERS or (path.is_dir() and _is_product(path))


def _may_be_product(archive: Path) -> bool:
    """Check for a Sentinel-2 product; damaged archives count, as opening them explains the error."""
    try:
        return not zipfile.is_zipfile(archive) or _is_product(archive)
    except zipfile.BadZipFile:
        return True


def _is_product(path: Path) -> bool:
    """Check for a Sentinel-2 product, by name or else by content."""
    return path.name.lower().endswith((".safe", ".safe.zip")) or sentinel2.is_product(path)


def _in_text(path: Path) -> list[FoundScene]:
    """Read a list with a scene per line; files of the same scene are joined by ``+`` or separated by ``;``."""
    lines = [line.strip() for line in _text(path).splitlines()]
    scenes = [
        FoundScene(_sources(line, path.parent))
        for line in lines
        if line and not line.startswith("#")
    ]
    if not scenes:
        raise SceneError(f"The list {path} names no scene; write one path or address a line.")
    return scenes


def _in_table(path: Path) -> list[FoundScene]:
    """One scene a row."""
    scenes = [
        FoundScene(_sources(row["scene"], path.parent), row.get("name", ""))
        for row in table_rows(path, "scene", "scene, or scene,name")
    ]
    if not scenes:
        raise SceneError(f"The list {path} names no scene; write one path or address a row.")
    return scenes


def table_rows(path: Path, column: str, header: str) -> Iterator[dict[str, str]]:
    """Read the rows of a CSV file whose cell of a column is not empty, each by the names of its columns.

    Parameters
    ----------
    column : name of the column that must be there.
    header : what a message says the first line must be.

    Raises
    ------
    SceneError
        When the file cannot be read, has no such column, or a row has more cells than the first line.
    """
    lines = _text(path).splitlines()
    separator = _cell_separator(lines[0] if lines else "", column)
    rows = csv.DictReader(lines, delimiter=separator, restval="")
    columns = list(rows.fieldnames or [])
    if column not in columns:
        raise SceneError(
            f"The list {path} has the columns {', '.join(columns) or '(none)'}, but none called {column}; "
            f"its first line must be {header}."
        )
    for row in rows:
        if any(row.get(None) or ()):
            raise SceneError(
                f"Line {rows.line_num} of the list {path} has more cells than its first line; put a path that holds "
                f"the separator, and several files of one scene, in quotes."
            )
        cells = {name: (row[name] or "").strip() for name in columns}
        if cells[column]:
            yield cells


def _cell_separator(header: str, column: str) -> str:
    """Find the separator of a table's cells, which depends on the language of its author.

    Only the first line counts: semicolons below it may stand between files of one scene.
    """
    columns = {mark: next(csv.reader([header], delimiter=mark), []) for mark in _CELL_SEPARATORS}
    return next((mark for mark, names in columns.items() if column in names), ",")


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SceneError(f"The list {path} cannot be read: {reason}.") from error


def _sources(cell: str, folder: Path) -> tuple[str, ...]:
    texts = [text.strip() for text in cell.split(_FILE_SEPARATOR)]
    parts = (part.strip() for text in texts for part in split_joined(text, folder))
    return tuple(_absolute(part, folder) for part in parts if part)


def _absolute(source: str, folder: Path | None = None) -> str:
    """Paths from the root, as workers may have another working folder; addresses as they are."""
    path = Path(source) if folder is None else folder / source
    return str(path.absolute()) if _is_path(source) or path.exists() else source


def _same(source: str) -> str:
    """The same for two ways of writing a path."""
    return str(Path(source).resolve()) if _is_path(source) else source


def _is_path(source: str) -> bool:
    """Whether this is no address and no name that only GDAL knows; a drive's colon counts as none."""
    return ":" not in source[2:] and not source.startswith("/vsi")
