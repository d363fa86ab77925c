"""STAC items: one scene described by a JSON file, its bands spread over assets.

Reads eo v1 (``eo:bands``), raster v1 (``raster:bands``) and STAC 1.1 (``bands``). Wavelengths in
STAC are micrometres; value = number * scale + offset.
"""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from georaster_dl.bands import SENTINEL2, Band, find_band
from georaster_dl.errors import SceneError

__all__ = ["AssetBand", "absolute_href", "is_item", "item_layers", "load_json", "read_item"]

_NOT_DATA = {"thumbnail", "overview", "visual", "metadata"}


@dataclass(frozen=True)
class AssetBand:
    """One band of a STAC item: where it is and what the item says about its numbers.

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
    return urllib.parse.urlparse(source).path.lower().endswith((".json", ".geojson"))


def read_item(source: str) -> tuple[AssetBand, ...]:
    """Bands of a STAC item, in the order of its assets, each band once.

    Raises
    ------
    SceneError
        When the file is not a STAC item or none of its assets names bands.
    """
    item = load_json(source)
    if item.get("type") != "Feature" or not isinstance(item.get("assets"), dict):
        raise SceneError(
            f"{source} is JSON but not a STAC item (a GeoJSON Feature with assets); give the address "
            f"of one item, not of a catalogue, collection or search."
        )
    # Earth Search subtracts the Sentinel-2 offset itself on most items and still lists it.
    subtracted = item.get("properties", {}).get("earthsearch:boa_offset_applied") is True
    sentinel2 = _is_sentinel2(item.get("properties", {}))
    found: dict[str, AssetBand] = {}
    for asset in item["assets"].values():
        for band in _asset_bands(asset, source, offset_applied=subtracted):
            meant = _sentinel2_name(band.band) if sentinel2 else band.band
            found.setdefault(meant.name, replace(band, band=meant))
    if not found:
        raise SceneError(
            f"No asset of the STAC item {source} lists bands (eo:bands or bands), so it cannot be told "
            f"what they are; give the band files themselves and --bands."
        )
    return tuple(found.values())


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


def _is_sentinel2(properties: Mapping[str, Any]) -> bool:
    """Whether the item is of that mission; ``platform`` is one satellite, ``constellation`` all."""
    stated = (properties.get("constellation"), properties.get("platform"))
    return any(str(name).lower().startswith("sentinel-2") for name in stated)


def _sentinel2_name(band: Band) -> Band:
    """The band by the mission's own name: catalogues call B8A ``nir08``, but mean the same."""
    place = find_band(band, SENTINEL2)
    return band if place is None else replace(band, name=SENTINEL2[place].name)


def load_json(source: str) -> dict[str, Any]:
    """Read a JSON object from a file or an http(s) address; raises SceneError where there is none."""
    try:
        if source.startswith(("http://", "https://")):
            with urllib.request.urlopen(source, timeout=30) as response:
                item = json.load(response)
        else:
            item = json.loads(Path(source).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SceneError(f"{source} cannot be read as a STAC item: {error}.") from error
    return item if isinstance(item, dict) else {}


def _asset_bands(
    asset: Mapping[str, Any], source: str, *, offset_applied: bool
) -> Iterator[AssetBand]:
    if _NOT_DATA.intersection(asset.get("roles", [])):
        return
    bands = asset.get("eo:bands") or asset.get("bands") or []
    rasters = asset.get("raster:bands") or bands
    for index, facts in enumerate(bands):
        raster = {**asset, **(rasters[index] if index < len(rasters) else {})}
        offset = raster.get("raster:offset", raster.get("offset"))
        yield AssetBand(
            band=_band(facts, index),
            href=absolute_href(str(asset["href"]), source),
            index=index + 1,
            scale=raster.get("raster:scale", raster.get("scale")),
            offset=0.0 if offset_applied and offset is not None else offset,
            nodata=_nodata(raster.get("nodata")),
        )


def _band(facts: Mapping[str, Any], index: int) -> Band:
    def nanometres(*keys: str) -> float | None:
        value = next((facts[key] for key in keys if facts.get(key) is not None), None)
        return None if value is None else float(value) * 1000.0

    name = facts.get("name") or facts.get("eo:common_name") or f"band_{index + 1}"
    return Band(
        str(name),
        nanometres("center_wavelength", "eo:center_wavelength"),
        nanometres("full_width_half_max", "eo:full_width_half_max"),
    )


def _nodata(value: Any) -> float | None:
    return None if value is None else float(value)  # STAC writes NaN as the string "nan"


def absolute_href(href: str, source: str) -> str:
    """Address that an item at ``source`` means by ``href``, which may be relative to it."""
    if urllib.parse.urlparse(href).scheme or href.startswith("/"):
        return href
    if source.startswith(("http://", "https://")):
        return urllib.parse.urljoin(source, href)
    return str(Path(source).resolve().parent / href)
