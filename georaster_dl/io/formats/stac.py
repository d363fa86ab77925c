"""STAC items: one scene described by a JSON file, its bands spread over assets.

Reads eo v1 (``eo:bands``), raster v1 (``raster:bands``) and STAC 1.1 (``bands``). Wavelengths in
STAC are micrometres; value = number * scale + offset.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from georaster_dl.core.bands import SENTINEL2, Band, find_band
from georaster_dl.core.errors import SceneError
from georaster_dl.io.files.json_files import is_address, read_json
from georaster_dl.io.formats.missions import band_of_mission, mission_of

__all__ = [
    "AssetBand",
    "absolute_href",
    "is_item",
    "item_date",
    "item_layers",
    "load_json",
    "read_item",
]

_NOT_DATA = {"thumbnail", "overview", "visual", "metadata"}
_MICROMETRES = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]
_FINITE = Annotated[float, Field(allow_inf_nan=False)]


class _Part(BaseModel):
    """Part of an item; other fields than those read here are ignored."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        """Take null for not stated."""
        if not isinstance(given, Mapping):
            return given
        return {key: value for key, value in given.items() if value is not None}


class _BandFacts(_Part):
    name: str = ""
    common_name: str = Field("", alias="eo:common_name")
    centre: _MICROMETRES | None = Field(
        None, validation_alias=AliasChoices("center_wavelength", "eo:center_wavelength")
    )
    width: _MICROMETRES | None = Field(
        None, validation_alias=AliasChoices("full_width_half_max", "eo:full_width_half_max")
    )


class _RasterFacts(_Part):
    # A scale of 0 would leave nothing of the numbers: it states none.
    scale: Annotated[_FINITE | None, AfterValidator(lambda scale: scale or None)] = Field(
        None, validation_alias=AliasChoices("raster:scale", "scale")
    )
    offset: _FINITE | None = Field(None, validation_alias=AliasChoices("raster:offset", "offset"))
    nodata: float | None = None  # STAC writes NaN as the string "nan"


class _Asset(_RasterFacts):
    href: Annotated[str, Field(min_length=1)]
    eo_bands: tuple[_BandFacts, ...] = Field((), alias="eo:bands")
    bands: tuple[_BandFacts, ...] = ()
    rasters: tuple[_RasterFacts, ...] = Field(
        (), validation_alias=AliasChoices("raster:bands", "bands")
    )


@dataclass(frozen=True)
class AssetBand:
    """Band of a STAC item: its file and the meaning of its stored values.

    ``scale``, ``offset`` and ``nodata`` are None where the item does not say.
    """

    band: Band
    href: str
    index: int
    scale: float | None
    offset: float | None
    nodata: float | None


def is_item(source: str) -> bool:
    """Whether the path or address names a JSON file."""
    path = source.partition("?")[0].partition("#")[0] if is_address(source) else source
    return path.lower().endswith((".json", ".geojson"))


def read_item(source: str) -> tuple[AssetBand, ...]:
    """Bands of a STAC item, in the order of its assets, each band once.

    Raises
    ------
    SceneError
        When the file is not a STAC item, a field of it is of another kind than STAC says, or none of
        its assets names bands.
    """
    item = load_json(source)
    if item.get("type") != "Feature" or not isinstance(item.get("assets"), dict):
        raise SceneError(
            f"{source} is JSON but not a STAC item (a GeoJSON Feature with assets); give the address "
            f"of one item, not of a catalogue, collection or search."
        )
    # Earth Search subtracts the Sentinel-2 offset itself on most items and still lists it.
    stated = item.get("properties")
    properties = stated if isinstance(stated, dict) else {}
    subtracted = properties.get("earthsearch:boa_offset_applied") is True
    mission = _mission(item.get("id"), properties)
    found: dict[str, AssetBand] = {}
    for key, facts in item["assets"].items():
        if _is_other_than_data(facts):
            continue
        asset = _read_asset(facts, key, source)
        for band in _asset_bands(asset, source, offset_applied=subtracted):
            meant = _named(band.band, mission)
            found.setdefault(meant.name, replace(band, band=meant))
    if not found:
        raise SceneError(
            f"No asset of the STAC item {source} lists bands (eo:bands or bands), so it cannot be told "
            f"what they are; give the band files themselves and `bands=`."
        )
    return tuple(found.values())


def item_date(source: str) -> date | None:
    """Day (UTC) on which a STAC item was taken, or from which on; None where it states none."""
    properties = load_json(source).get("properties")
    stated = properties if isinstance(properties, dict) else {}
    for key in ("datetime", "start_datetime"):
        try:
            taken = datetime.fromisoformat(str(stated.get(key)))
        except ValueError:
            continue
        return (taken if taken.tzinfo is None else taken.astimezone(UTC)).date()
    return None


def item_layers(source: str) -> dict[str, str]:
    """Address of every asset of a STAC item that is a raster, by its key; quality bands among them."""
    assets = load_json(source).get("assets")
    found = {}
    for key, asset in assets.items() if isinstance(assets, dict) else ():
        roles = asset.get("roles") if isinstance(asset, dict) else None
        if not isinstance(asset, dict) or not isinstance(asset.get("href"), str):
            continue
        if not _NOT_DATA.intersection(roles if isinstance(roles, list) else []):
            found[str(key)] = absolute_href(asset["href"], source)
    return found


def _mission(identifier: Any, properties: Mapping[str, Any]) -> str | None:
    """The mission of an item; ``platform`` is one satellite, ``constellation`` all."""
    stated = [properties.get("constellation"), properties.get("platform")]
    if any(str(name).lower().startswith("sentinel-2") for name in stated):
        return "sentinel-2"
    return mission_of(" ".join(str(text) for text in (*stated, identifier) if text))


def _named(band: Band, mission: str | None) -> Band:
    """The band as its mission means it: catalogues call Sentinel-2's B8A ``nir08``; Landsat's B05 is another."""
    if mission == "sentinel-2":
        place = find_band(band, SENTINEL2)
        return band if place is None else replace(band, name=SENTINEL2[place].name)
    if mission is None or band.wavelength_nm is not None:
        return band
    return band_of_mission(band.name, mission) or band


def load_json(source: str) -> dict[str, Any]:
    """Read a JSON object from a file or an http(s) address; raises SceneError where there is none."""
    try:
        item = read_json(source)
    except (OSError, ValueError) as error:
        raise SceneError(f"{source} cannot be read as a STAC item: {error}.") from error
    return item if isinstance(item, dict) else {}


def _is_other_than_data(asset: Any) -> bool:
    roles = asset.get("roles") if isinstance(asset, dict) else None
    return isinstance(roles, list) and any(role in _NOT_DATA for role in roles)


def _read_asset(facts: Any, key: str, source: str) -> _Asset:
    try:
        return _Asset.model_validate(facts)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in ("assets", key, *first["loc"]))
        raise SceneError(
            f"The STAC item {source} is wrong at {place}: {first['msg']}; correct it, or give the band "
            f"files themselves and `bands=`."
        ) from error


def _asset_bands(asset: _Asset, source: str, *, offset_applied: bool) -> Iterator[AssetBand]:
    for index, facts in enumerate(asset.eo_bands or asset.bands):
        raster = asset.rasters[index] if index < len(asset.rasters) else asset
        offset = asset.offset if raster.offset is None else raster.offset
        yield AssetBand(
            band=_band(facts, index),
            href=absolute_href(asset.href, source),
            index=index + 1,
            scale=asset.scale if raster.scale is None else raster.scale,
            offset=0.0 if offset_applied and offset is not None else offset,
            nodata=asset.nodata if raster.nodata is None else raster.nodata,
        )


def _band(facts: _BandFacts, index: int) -> Band:
    def nanometres(micrometres: float | None) -> float | None:
        return None if micrometres is None else micrometres * 1000.0

    name = facts.name or facts.common_name or f"band_{index + 1}"
    return Band(name, nanometres(facts.centre), nanometres(facts.width))


def absolute_href(href: str, source: str) -> str:
    """Address that an item at ``source`` means by ``href``, which may be relative to it.

    Raises
    ------
    SceneError
        When ``href`` is no address.
    """
    try:
        if urllib.parse.urlparse(href).scheme or href.startswith("/vsi"):
            return href
        if is_address(source):
            return urllib.parse.urljoin(source, href)
    except ValueError as error:
        raise SceneError(
            f"{source} refers to {href}, which is no address ({error}); correct it."
        ) from error
    return str(Path(source).resolve().parent / href)
