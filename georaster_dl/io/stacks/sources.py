"""Images that the source of a stack names: of folders, patterns, lists, tables and STAC collections."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from georaster_dl.core.errors import SceneError
from georaster_dl.core.wording import listed
from georaster_dl.io.arrays import is_xarray
from georaster_dl.io.files.joined import split_joined
from georaster_dl.io.listing.find import find_scenes, table_rows
from georaster_dl.io.stacks.cubes import is_cube_path
from georaster_dl.io.stacks.dates import parse_date

if TYPE_CHECKING:
    import xarray

__all__ = ["ListedImage", "OneSource", "list_images", "source_name"]

OneSource: TypeAlias = "str | Path | Sequence[str | Path] | xarray.DataArray | xarray.Dataset"
"""Folder, pattern, list of files, table, STAC collection, cube, or several of these; or a cube in memory."""

_SENSOR = "images"  # the name of a sensor that nobody named


@dataclass(frozen=True)
class ListedImage:
    """Paths or addresses of an image or cube, with the date and mask that a table states."""

    sources: tuple[str, ...]
    day: date | None = None
    mask: str | None = None


def source_name(source: OneSource | Mapping[str, OneSource]) -> str:
    """Name a source for messages."""
    if is_xarray(source):
        return f"{type(source).__name__} in memory"
    if isinstance(source, Mapping):
        return listed(f"{name}={source_name(own)}" for name, own in source.items())
    paths = _paths(source)
    return f"{paths[0]} and {len(paths) - 1} more" if len(paths) > 1 else "".join(paths)


def _paths(source: OneSource) -> list[str]:
    if isinstance(source, str | Path):
        return [str(source)]
    many = source if isinstance(source, Sequence) else [source]
    wrong = [type(one) for one in many if not isinstance(one, str | Path)]
    if wrong:  # its text would be taken for a path
        raise SceneError(
            f"A {wrong[0].__module__}.{wrong[0].__name__} is no stack of dated scenes; give a folder, a pattern, a list of "
            f"paths, a table (.csv) of them, a STAC collection, or a cube as a file or a DataArray or Dataset of xarray."
        )
    return [str(one) for one in many]


def list_images(source: OneSource, items: Path) -> dict[str, list[ListedImage]]:
    """List the images of each sensor.

    Parameters
    ----------
    items : folder for the items of STAC collections; made only where there are any.

    Returns
    -------
    Images by the names of sensors, which only a table states; else one sensor, ``images``.

    Raises
    ------
    SceneError
        When a source cannot be read, names no image, or names one that does not exist.
    """
    found: dict[str, list[ListedImage]] = {}
    paths = _paths(source)
    if not paths:
        raise SceneError("No image was given; give a folder, a pattern or a list of dated images.")
    for path in paths:
        for sensor, image in _images(path, items):
            found.setdefault(sensor, []).append(image)
    return found


def _images(source: str, items: Path) -> Iterator[tuple[str, ListedImage]]:
    if source.lower().endswith(".csv"):
        yield from _in_table(Path(source))
    elif is_cube_path(source):
        for path in sorted(glob.glob(source)) or [source]:  # noqa: PTH207
            yield _SENSOR, ListedImage((path,))
    else:
        for scene in find_scenes([source], items):
            yield _SENSOR, ListedImage(scene.sources)


def _in_table(path: Path) -> Iterator[tuple[str, ListedImage]]:
    rows = list(table_rows(path, "path", "path,date (and where wanted sensor, mask)"))
    if not rows:
        raise SceneError(f"The table {path} names no image; write a path and a date each row.")
    for row in rows:
        texts = [text.strip() for text in row["path"].split(";") if text.strip()]
        parts = [part for text in texts for part in split_joined(text, path.parent)]
        sources = tuple(_beside(part, path) for part in parts)
        stated, mask = row.get("date", ""), row.get("mask", "")
        day = parse_date(stated, f"the date of {row['path']} in {path}") if stated else None
        for file in sources:
            if "://" not in file and not file.startswith("/vsi") and not Path(file).exists():
                raise SceneError(
                    f"The table {path} lists {file}{f' of {day}' if day else ''}, which does not exist; correct the row "
                    f"or take it out."
                )
        own = _mask_beside(mask, path) if mask else None
        yield row.get("sensor", "") or _SENSOR, ListedImage(sources, day, own)


def _beside(name: str, table: Path) -> str:
    """A path as a table states it: relative to the table's folder."""
    plain = name.strip()
    local = table.parent / plain
    return str(local.absolute()) if "://" not in plain and local.exists() else plain


def _mask_beside(mask: str, table: Path) -> str:
    name, equals, rule = mask.partition("=")
    return f"{_beside(name, table)}{equals}{rule}"
