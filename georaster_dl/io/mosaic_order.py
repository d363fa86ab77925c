"""Which of several maps is taken where they overlap."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from georaster_dl.errors import OptionError
from georaster_dl.io.mosaic_maps import MosaicMap
from georaster_dl.io.scene import open_dataset

__all__ = ["Rule", "acquired", "confidence_of", "in_order"]

Rule = Literal["order", "date", "confidence"]

# Products before December 2016 begin with the time of their making; V stands before that of sensing.
_TIMES = (re.compile(r"_V(\d{8}T\d{6})"), re.compile(r"(?<!\d)(\d{8}T\d{6})(?!\d)"))


def in_order(maps: Sequence[MosaicMap], rule: Rule) -> list[MosaicMap]:
    """The maps, those first that are taken where others lie below them.

    ``date`` puts the newest first, maps of one time as they were named. By ``confidence`` every
    pixel is decided by itself, ties as the maps were named.

    Raises
    ------
    OptionError
        When a map has no date, or no confidence, that the rule needs.
    """
    if rule == "confidence":
        for one in maps:
            confidence_of(one)
    if rule != "date":
        return list(maps)
    return sorted(maps, key=_date, reverse=True)  # stable, also in reverse


def _date(one: MosaicMap) -> datetime:
    found = acquired(one)
    if found is None:
        source = one.tags.get("GEORASTER_DL_INPUT")
        raise OptionError(
            f"No date is known for {one.path}{f' (made of {source})' if source else ''}: --by date takes it from "
            f"YYYYMMDDTHHMMSS in the name of the scene or of the map, as Sentinel-2's names have it; "
            f"rename the map so, or name the maps in their order and leave --by date out."
        )
    return found


def acquired(one: MosaicMap) -> datetime | None:
    """When the scene behind a map was taken, in UTC, as far as names tell; None where they do not."""
    keys = "GEORASTER_DL_INPUT", "GEORASTER_DL_INPUT_FILES"
    for text in (*(one.tags.get(key, "") for key in keys), one.path.name):
        for pattern in _TIMES:
            for match in pattern.finditer(text):
                try:
                    return datetime.strptime(match[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
                except ValueError:
                    continue  # digits that are no date
    return None


def confidence_of(one: MosaicMap) -> Path:
    """The raster of a map's confidence beside it, as ``geodl segment --confidence`` names it.

    Raises
    ------
    OptionError
        When the map has no classes, or there is no such raster on its grid.
    """
    if one.legend is None:
        raise OptionError(
            f"{one.path} is a map of a quantity, which has no confidence; use --by order or --by date."
        )
    path = one.path.with_name(f"{one.path.stem}_confidence.tif")
    if not path.is_file():
        raise OptionError(
            f"--by confidence needs {path.name} beside {one.path}, but there is none; map that scene again "
            f"with geodl segment --confidence."
        )
    with open_dataset(str(path)) as dataset:
        same = dataset.shape == tuple(one.geobox.shape) and dataset.count == 1
        if not same or not dataset.transform.almost_equals(one.geobox.affine, precision=1e-6):
            raise OptionError(
                f"{path} is not on the grid of {one.path.name}, so it belongs to another map; map that scene "
                f"again with geodl segment --confidence."
            )
    return path
