"""Open stacks: folders, patterns, lists, tables and STAC collections of dated scenes."""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TypeAlias

from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.core.scene_options import SceneOptions, StackOptions
from georaster_dl.core.wording import listed
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.formats import sentinel2, stac
from georaster_dl.io.listing.find import find_scenes, table_rows
from georaster_dl.io.scenes.grid import pixel_side
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.io.stacks.dates import date_in_path, parse_date, spellings
from georaster_dl.io.stacks.images import (
    DatedScene,
    ImageSeries,
    check_overlap,
    image_series,
    join_bands,
)
from georaster_dl.io.stacks.stack import SensorSeries, TimeStack

__all__ = ["OneSource", "StackSource", "open_stack"]

OneSource: TypeAlias = str | Path | Sequence[str | Path]
"""Folder, pattern, list of files, table, STAC collection, or several of these."""
StackSource: TypeAlias = OneSource | Mapping[str, OneSource] | TimeStack
"""Images of a sensor, or of several by their names."""

_DATE = "{date}"
_SENSOR = "images"  # what a sensor is called that nobody named
_OPENING = 8  # threads


@dataclass(frozen=True)
class _Listed:
    """Sources of an image, with the date and mask that a table states."""

    sources: tuple[str, ...]
    day: date | None = None
    mask: str | None = None


def open_stack(source: StackSource, options: StackOptions | None = None) -> TimeStack:
    """Describe a stack of dated images without reading their pixels.

    Parameters
    ----------
    source : one of

        - a folder or a pattern (``*``, ``**``) of dated scenes, or a list of them;
        - a table (.csv) with the columns ``path`` and ``date``, and where wanted ``sensor`` and ``mask``;
        - a STAC item collection, or several items;
        - a mapping of the names of sensors to such sources, whose dates are their own.
    options : overrides for every scene, pattern of dates, and indices to derive.

    Returns
    -------
    The stack on the finest grid of its images; others are resampled to it.

    Raises
    ------
    SceneError
        When an image is missing, has no date, or does not fit the others.
    OptionError
        When an option does not fit the images.
    """
    if isinstance(source, TimeStack):
        return source
    options = options or StackOptions()
    with tempfile.TemporaryDirectory(prefix="geodl-items-") as items, gdal_environment():
        given = _by_sensor(source, Path(items))
        series = {name: _series(some, options) for name, some in given.items()}
        finest = min((own.geobox for own in series.values()), key=pixel_side)
        name = _named(source)
        for own in series.values():
            check_overlap(own, finest, name)
    return TimeStack(
        name=name,
        series=tuple(
            SensorSeries(sensor, own, tuple(range(len(own.bands))))
            for sensor, own in series.items()
        ),
        geobox=finest,
        mask=options.reading.mask or "",
        remarks=tuple(dict.fromkeys(remark for own in series.values() for remark in own.remarks)),
    )


def _named(source: OneSource | Mapping[str, OneSource]) -> str:
    if isinstance(source, Mapping):
        return listed(f"{name}={_named(own)}" for name, own in source.items())
    if isinstance(source, str | Path):
        return str(source)
    return f"{source[0]} and {len(source) - 1} more" if len(source) > 1 else str(source[0])


def _by_sensor(
    source: OneSource | Mapping[str, OneSource], items: Path
) -> dict[str, list[_Listed]]:
    """The images of each sensor."""
    if isinstance(source, Mapping):
        return {
            name: [image for some in _by_sensor(own, items / name).values() for image in some]
            for name, own in source.items()
        }
    found: dict[str, list[_Listed]] = {}
    given = [source] if isinstance(source, str | Path) else list(source)
    if not given:
        raise SceneError("No image was given; give a folder, a pattern or a list of dated images.")
    for one in given:
        for sensor, image in _images(str(one), items):
            found.setdefault(sensor, []).append(image)
    return found


def _images(source: str, items: Path) -> Iterator[tuple[str, _Listed]]:
    if source.lower().endswith(".csv"):
        yield from _in_table(Path(source))
        return
    for scene in find_scenes([source], items):
        yield _SENSOR, _Listed(scene.sources)


def _in_table(path: Path) -> Iterator[tuple[str, _Listed]]:
    rows = list(table_rows(path, "path", "path,date (and where wanted sensor, mask)"))
    if not rows:
        raise SceneError(f"The table {path} names no image; write a path and a date each row.")
    for row in rows:
        sources = tuple(_beside(part, path) for part in row["path"].split(";") if part.strip())
        stated, mask = row.get("date", ""), row.get("mask", "")
        day = parse_date(stated, f"the date of {row['path']} in {path}") if stated else None
        for file in sources:
            if "://" not in file and not file.startswith("/vsi") and not Path(file).exists():
                raise SceneError(
                    f"The table {path} lists {file}{f' of {day}' if day else ''}, which does not exist; correct the row "
                    f"or take it out."
                )
        yield (
            row.get("sensor", "") or _SENSOR,
            _Listed(sources, day, _mask_beside(mask, path) if mask else None),
        )


def _beside(name: str, table: Path) -> str:
    """A path as a table states it: relative to the table's folder."""
    plain = name.strip()
    local = table.parent / plain
    return str(local.absolute()) if "://" not in plain and local.exists() else plain


def _mask_beside(mask: str, table: Path) -> str:
    name, equals, rule = mask.partition("=")
    return f"{_beside(name, table)}{equals}{rule}"


def _series(images: Sequence[_Listed], options: StackOptions) -> ImageSeries:
    """Open the images of a sensor and put them in order."""

    def opened(image: _Listed) -> DatedScene:
        with gdal_environment():
            day = image.day or _date_of(image.sources[0], options.date_pattern)
            scene = open_scene(image.sources if len(image.sources) > 1 else image.sources[0])
            return DatedScene(scene, day, image.sources[0], image.mask)

    with ThreadPoolExecutor(_OPENING) as pool:
        dated = join_bands(list(pool.map(opened, images)))
    return image_series(
        replace(one, scene=open_scene(one.scene, _reading(one, options.reading))) for one in dated
    )


def _reading(one: DatedScene, reading: SceneOptions) -> SceneOptions:
    """The options of one image, whose mask may be a file of its date."""
    stated = one.mask or reading.mask
    if stated is None or _DATE not in stated:
        return replace(reading, mask=stated)
    name, equals, rule = stated.partition("=")
    tried = [name.replace(_DATE, spelt) for spelt in spellings(one.day)]
    found = [path for pattern in tried for path in sorted(glob.glob(pattern))]  # noqa: PTH207
    if not found:
        raise OptionError(
            f"`mask='{stated}'` finds no file for {one.day} (looked for {listed(tried)}); add it, or leave {one.path} "
            f"out."
        )
    return replace(reading, mask=f"{found[0]}{equals}{rule}")


def _date_of(source: str, pattern: str | None) -> date:
    """Find the date of an image: of the pattern, the STAC item, the product, or else the path.

    The date on which a file was written says nothing of when the image was taken, so it is not asked.
    """
    if pattern is not None:
        found: date | None = date_in_path(source, pattern)
    elif stac.is_item(source):
        found = stac.item_date(source)
    else:
        found = date_in_path(source) or sentinel2.sensing_date(Path(source))
    if found is None:
        raise SceneError(
            f"{source} names no date (like 2023-05-14, 20230514, 2023_05_14 or 2023134); say where it is with "
            f"`date_pattern=`, or give a table (.csv) with the columns path and date."
        )
    return found
