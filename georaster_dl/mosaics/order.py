"""Which of several maps is taken where they overlap."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from georaster_dl.core.errors import OptionError
from georaster_dl.io.scenes.dataset import open_dataset
from georaster_dl.io.scenes.grid import is_same_grid
from georaster_dl.mosaics.maps import MosaicMap

__all__ = ["Rule", "acquired", "confidence_beside", "confidence_of", "in_order"]

Rule = Literal["order", "date", "confidence"]

# Products before December 2016 begin with the time of their making; V stands before that of sensing.
_TIMES = (re.compile(r"_V(\d{8}T\d{6})"), re.compile(r"(?<!\d)(\d{8}T\d{6})(?!\d)"))
# Neither letters nor digits around it, but for the T of a time.
_DAYS = tuple(
    re.compile(rf"(?<![^\W_])({day})(?=T\d|[\W_]|$)")
    for day in (r"\d{8}", r"\d{4}-\d{2}-\d{2}", r"\d{4}_\d{2}_\d{2}")
)
_YEARS = range(1972, 2101)  # since the first Landsat
# Tags that all rasters of one run share, and what they say.
_OF_A_RUN = {
    "GEORASTER_DL_MODEL_SHA256": "another model",
    "GEORASTER_DL_INPUT": "another scene",
    "GEORASTER_DL_INPUT_FILES": "other files",
    "GEORASTER_DL_PARAMETERS": "other parameters",
    "TIFFTAG_DATETIME": "another run",
}


def in_order(maps: Sequence[MosaicMap], rule: Rule) -> list[MosaicMap]:
    """Order the maps by priority, highest first.

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
            f"No date is known for {one.path}{f' (made of {source})' if source else ''}: `order_by='date'` takes it from "
            f"YYYYMMDDTHHMMSS, YYYYMMDD or YYYY-MM-DD in the name of the scene or of the map; rename the map "
            f"so, or name the maps in their order and leave `order_by=` out."
        )
    return found


def acquired(one: MosaicMap) -> datetime | None:
    """Return the acquisition time of a map's scene in UTC, by its names; None where unknown.

    Of a day without a time it is the beginning.
    """
    keys = "GEORASTER_DL_INPUT", "GEORASTER_DL_INPUT_FILES"
    names = *(one.tags.get(key, "") for key in keys), one.path.name
    return next(filter(None, map(_stated, names)), None)


def _stated(name: str) -> datetime | None:
    for patterns, form in ((_TIMES, "%Y%m%dT%H%M%S"), (_DAYS, "%Y%m%d")):
        for match in (match for pattern in patterns for match in pattern.finditer(name)):
            digits = match[1].replace("-", "").replace("_", "")
            try:
                found = datetime.strptime(digits, form).replace(tzinfo=UTC)
            except ValueError:
                continue  # digits that are no date
            if found.year in _YEARS:
                return found
    return None


def confidence_of(one: MosaicMap) -> Path:
    """The raster of a map's confidence beside it, as ``geodl segment --confidence`` names it.

    Raises
    ------
    OptionError
        When the map has no classes, or there is no such raster of the same run on its grid.
    """
    if one.legend is None:
        raise OptionError(
            f"{one.path} is a map of a quantity, which has no confidence; use `order_by='order'` or `order_by='date'`."
        )
    path = _confidence_path(one)
    if not path.is_file():
        raise OptionError(
            f"`order_by='confidence'` needs {path.name} beside {one.path}, but there is none; map that scene again "
            f"with its confidence (`segment(confidence=...)`)."
        )
    wrong = _mismatch(one, path)
    if wrong:
        raise OptionError(
            f"{path} {wrong}, so it belongs to another map; map that scene again with its "
            f"confidence (`segment(confidence=...)`)."
        )
    return path


def confidence_beside(one: MosaicMap) -> Path | None:
    """Return the confidence raster of a map; None where it has no usable one."""
    path = _confidence_path(one)
    belongs = one.legend is not None and path.is_file() and not _mismatch(one, path)
    return path if belongs else None


def _confidence_path(one: MosaicMap) -> Path:
    return one.path.with_name(f"{one.path.stem}_confidence.tif")


def _mismatch(one: MosaicMap, confidence: Path) -> str:
    """Explain why a raster is not the confidence of a map; empty where it may be."""
    with open_dataset(str(confidence)) as dataset:
        tags = dataset.tags()
        if dataset.count != 1 or not is_same_grid(dataset, one.geobox):
            return f"is not on the grid of {one.path.name}"
    for key, what in _OF_A_RUN.items():
        ours, its = one.tags.get(key), tags.get(key)
        # Programs that edit maps often drop their tags.
        if ours is not None and its is not None and ours != its:
            return f"is of {what} than {one.path.name} ({its}, not {ours})"
    return ""
