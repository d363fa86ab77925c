"""Maps as a static STAC collection: one item per map, linked to the model that made it."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import shapely
from rasterio.errors import RasterioError

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import Footprint, footprint
from georaster_dl.core.legend import MapClass, color_hex
from georaster_dl.io.scenes.dataset import open_dataset
from georaster_dl.mosaics.maps import MosaicMap, damaged
from georaster_dl.mosaics.order import acquired, confidence_beside

if TYPE_CHECKING:
    import pystac

__all__ = ["Catalogue"]

_CLASSIFICATION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"
_COLLECTION = "collection"
_DIGITS = 7  # of a degree: a centimetre

FindModel = Callable[[str], Mapping[str, Any] | None]
"""From the digest of weights to the STAC item of the model; None where there is no such model."""


class Catalogue:
    """A collection of maps that can be written.

    Parameters
    ----------
    folder : where ``collection.json`` and all items will be, side by side.
    maps : in any order.
    find_model : the item of a model, with which maps are linked.

    Raises
    ------
    OptionError
        When the CRS of a map does not say where on Earth it lies.
    """

    def __init__(self, folder: Path, maps: Sequence[MosaicMap], find_model: FindModel) -> None:
        self._folder = folder
        self._maps = list(maps)
        self._footprints = [_footprint(one) for one in maps]
        taken = {_COLLECTION}
        self._ids = [_unique(one.path.stem, taken) for one in maps]
        self._models: dict[str, Mapping[str, Any]] = {}
        self._model_ids: dict[str, str] = {}
        for digest in dict.fromkeys(one.model_sha256 for one in maps):
            item = find_model(digest) if digest else None
            if item is not None:
                self._models[digest] = item
                self._model_ids[digest] = _unique(str(item["id"]), taken)

    @property
    def files(self) -> list[Path]:
        """All that it will make, the collection last."""
        names = [*self._ids, *self._model_ids.values(), _COLLECTION]
        return [self._folder / f"{name}.json" for name in names]

    def write(self, place: Callable[[Path], Path]) -> None:
        """Write everything.

        Parameters
        ----------
        place : where to write a file of ``files`` for now.

        Raises
        ------
        SceneError
            When a map cannot be read.
        """
        import pystac
        from pystac.layout import CustomLayoutStrategy

        folder = self._folder.resolve()
        items = [
            self._item(*of_one)
            for of_one in zip(self._maps, self._ids, self._footprints, strict=True)
        ]
        collection = pystac.Collection(
            id=_identifier(folder.name) or "maps",
            title=folder.name,
            description=f"Maps made by {', '.join(self._made_by()) or 'georaster_dl'}",
            extent=pystac.Extent(
                pystac.SpatialExtent([_around([one.bbox for one in self._footprints])]),
                pystac.Extent.from_items(items).temporal,
            ),
            license="other",
            catalog_type=pystac.CatalogType.SELF_CONTAINED,
        )
        collection.set_self_href(str(folder / f"{_COLLECTION}.json"))
        beside = CustomLayoutStrategy(item_func=lambda item, _: str(folder / f"{item.id}.json"))
        collection.add_items(items, strategy=beside)
        for item in items:
            item.make_asset_hrefs_relative()
        for digest in self._models:
            collection.add_link(self._model_link(digest))
        for name, thing in zip(self._ids, items, strict=True):
            self._save(place, name, thing.to_dict(include_self_link=False))
        for digest, name in self._model_ids.items():
            self._save(place, name, dict(self._models[digest]) | {"id": name})
        self._save(place, _COLLECTION, collection.to_dict(include_self_link=False))

    def _made_by(self) -> list[str]:
        return list(dict.fromkeys(one.model for one in self._maps if one.model))

    def _save(self, place: Callable[[Path], Path], name: str, content: dict[str, Any]) -> None:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        place(self._folder / f"{name}.json").write_text(text, encoding="utf-8")

    def _item(self, one: MosaicMap, name: str, place: Footprint) -> pystac.Item:
        taken = acquired(one)
        properties = {
            "title": one.path.name,
            "georaster_dl:model": one.model,
            "georaster_dl:model_sha256": one.model_sha256,
            "georaster_dl:input": one.tags.get("GEORASTER_DL_INPUT", ""),
            "created": f"{_made(one):%Y-%m-%dT%H:%M:%SZ}",
        }
        if taken is None:
            properties["description"] = (
                "The date of the scene is unknown; datetime is when the map was made."
            )
        item = _measured(
            one, id=name, input_datetime=taken or _made(one), properties=_filled(properties)
        )
        item.geometry = shapely.geometry.mapping(shapely.transform(place.geometry, _rounded))
        item.bbox = _rounded(np.array(place.bbox)).tolist()
        for band in item.assets["map"].extra_fields["raster:bands"]:
            if one.legend is not None:
                _state_classes(band, one.legend.classes)
            if one.legend is not None or not band["statistics"]["valid_percent"]:
                _forget_statistics(band)
        confidence = confidence_beside(one)
        if confidence is not None:
            item.add_asset("confidence", _confidence_asset(confidence))
        if one.legend is not None:
            item.stac_extensions.append(_CLASSIFICATION)
        if one.model_sha256 in self._models:
            item.add_link(self._model_link(one.model_sha256))
        return item

    def _model_link(self, digest: str) -> pystac.Link:
        import pystac

        name = self._model_ids[digest]
        return pystac.Link("mlm:model", f"./{name}.json", "application/geo+json", title=name)


def _footprint(one: MosaicMap) -> Footprint:
    found = footprint(one.geobox)
    if found is None:
        crs: Any = one.geobox.crs
        raise OptionError(
            f"{one.path} has the CRS {crs.proj.name!r}, which does not say where on Earth the map "
            f"lies, but a STAC item must; leave `stac=` out, or georeference the map (gdalwarp)."
        )
    return found


def _around(boxes: Sequence[tuple[float, float, float, float]]) -> list[float]:
    """The smallest bbox of several; west is greater than east where it crosses the 180th meridian."""
    west, south, east, north = np.array(boxes).T
    wide = east - west + 360 * (east < west)
    starts = [first + np.mod(west - first, 360) for first in (-180, 0)]  # where longitudes begin
    left, right = min(
        ((start.min(), (start + wide).max()) for start in starts),
        key=lambda ends: ends[1] - ends[0],
    )
    if right - left >= 360:
        left, right = -180, 180
    ends = [left - 360 * (left >= 180), south.min(), right - 360 * (right > 180), north.max()]
    found: list[float] = _rounded(np.array(ends)).tolist()
    return found


def _rounded(degrees: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    rounded: npt.NDArray[np.float64] = np.round(degrees, _DIGITS)
    return rounded


def _filled(properties: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in properties.items() if value}


def _measured(one: MosaicMap, **stated: Any) -> pystac.Item:
    """Make the item with rio-stac: projection, type and statistics of the file."""
    from rio_stac import create_stac_item

    with open_dataset(str(one.path)) as dataset, warnings.catch_warnings():
        # It tells of TIFF's way to write dates, and of histograms with fewer bins.
        warnings.simplefilter("ignore", UserWarning)
        try:
            item: pystac.Item = create_stac_item(
                dataset,
                **stated,
                asset_name="map",
                asset_roles=["data"],
                asset_href=str(one.path.resolve()),
                with_proj=True,
                with_raster=True,
            )
        except RasterioError as error:
            raise damaged(one, error) from error
    return item


def _confidence_asset(path: Path) -> pystac.Asset:
    import pystac
    from rio_stac.stac import get_media_type

    with open_dataset(str(path)) as dataset:
        band = {
            "data_type": str(dataset.dtypes[0]),
            "scale": float(dataset.scales[0]),
            "nodata": dataset.nodata,
        }
        media_type = get_media_type(dataset)
    return pystac.Asset(
        str(path.resolve()),
        title="Probability of the mapped class",
        media_type=media_type,
        roles=["data"],
        extra_fields={"raster:bands": [band]},
    )


def _unique(name: str, taken: set[str]) -> str:
    """The name as an identifier that is not taken, which it then is."""
    wanted = found = _identifier(name) or "map"
    number = 1
    while found.casefold() in taken:
        number += 1
        found = f"{wanted}_{number}"
    taken.add(found.casefold())
    return found


def _identifier(name: str) -> str:
    return re.sub(r"[^\w.+-]+", "_", name).strip("_")


def _made(one: MosaicMap) -> datetime:
    try:
        stated = datetime.strptime(one.tags["TIFFTAG_DATETIME"], "%Y:%m:%d %H:%M:%S")
        return stated.replace(tzinfo=UTC)
    except (KeyError, ValueError):
        return datetime.fromtimestamp(int(one.path.stat().st_mtime), UTC)


def _state_classes(band: dict[str, Any], classes: Sequence[MapClass]) -> None:
    band["classification:classes"] = [
        {
            "value": entry.value,
            # The extension has identifiers here and free text in the description.
            "name": re.sub(r"[^0-9A-Za-z_-]+", "_", entry.name).strip("_")
            or f"class_{entry.value}",
            "description": entry.name,
            "color_hint": color_hex(entry.color)[1:].upper(),
        }
        for entry in classes
    ]


def _forget_statistics(band: dict[str, Any]) -> None:
    """Take away all but the share of valid pixels: a mean of class numbers, or of none, says nothing."""
    band["statistics"] = {"valid_percent": band["statistics"]["valid_percent"]}
    band.pop("histogram", None)
