"""Repeated and overlapping scenes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import shapely
from odc.geo.geobox import GeoBox

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import footprint
from georaster_dl.core.wording import listed
from georaster_dl.io.scenes.reader import Sources

__all__ = ["overlapping", "refuse_repeated", "scene_title"]

_LEAST_COMMON = 0.01  # share of the smaller footprint: neighbours' edges may meet in a sliver


def scene_title(sources: Sources) -> str:
    """Name a scene that is not open yet."""
    if not isinstance(sources, str | Path | Sequence):
        return sources.name
    return ", ".join(Path(file).name for file in _files(sources))


def refuse_repeated(scenes: Sequence[Sources]) -> None:
    """Refuse a scene that is named twice.

    Raises
    ------
    OptionError
        When one is.
    """
    seen = set()
    for sources in scenes:
        if not isinstance(sources, str | Path | Sequence):
            continue
        files = tuple(Path(file).resolve() for file in _files(sources))
        if files in seen:
            raise OptionError(
                f"The scene {scene_title(sources)} is given twice; name it once, so that no area of it is "
                f"proposed twice."
            )
        seen.add(files)


def overlapping(names: Sequence[str], geoboxes: Sequence[GeoBox]) -> str:
    """List the scenes whose footprints overlap that of another; empty where there are none."""
    outlines = [footprint(geobox) for geobox in geoboxes]
    shapes = [shapely.Polygon() if each is None else each.geometry for each in outlines]
    found = set()
    for a, b in shapely.STRtree(shapes).query(shapes, predicate="intersects").T.tolist():
        least = _LEAST_COMMON * min(shapes[a].area, shapes[b].area)
        if a < b and shapes[a].intersection(shapes[b]).area > least:
            found |= {a, b}
    return listed(names[index] for index in sorted(found))


def _files(sources: str | Path | Sequence[str | Path]) -> Sequence[str | Path]:
    return [sources] if isinstance(sources, str | Path) else sources
