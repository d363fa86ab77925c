"""Maps of a mosaic: their description, and the check that they fit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odc.geo.geobox import GeoBox

from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.core.legend import Legend
from georaster_dl.core.wording import listed
from georaster_dl.io.labels.raster import stated_classes
from georaster_dl.io.output.provenance import fraction_bands
from georaster_dl.io.output.writer import RasterSpec
from georaster_dl.io.scenes.dataset import open_dataset

__all__ = ["MosaicMap", "check_together", "damaged", "models_of", "open_map", "spec_of"]

_MOST_NAMED = 6


@dataclass(frozen=True)
class MosaicMap:
    """A map, described without reading a pixel.

    Attributes
    ----------
    names, unit : of its bands.
    dtype, nodata : of its pixels.
    scale : value = pixel * scale, of fractions that are stored as whole numbers; None elsewhere.
    legend : its classes by value; None for a map of quantities or fractions.
    tags : what the file says of how it was made.
    """

    path: Path
    geobox: GeoBox
    names: tuple[str, ...]
    unit: str
    dtype: str
    nodata: float
    scale: float | None
    legend: Legend | None
    tags: Mapping[str, str]

    @property
    def model(self) -> str:
        """Program or model that made the map, empty where unknown."""
        return self.tags.get("GEORASTER_DL_MODEL", "")

    @property
    def model_sha256(self) -> str:
        """Digest of the model's weights, empty where it does not say."""
        return self.tags.get("GEORASTER_DL_MODEL_SHA256", "")


def open_map(path: Path) -> MosaicMap:
    """Describe a map that this library made.

    Raises
    ------
    SceneError
        When it cannot be opened.
    OptionError
        When it is no map of classes, quantities or fractions, or has no place on Earth.
    """
    with open_dataset(str(path)) as dataset:
        tags = dataset.tags()
        content = tags.get("GEORASTER_DL_CONTENT", "map")
        if content != "map":
            raise OptionError(
                f"{path} holds {content}, but a mosaic is made of maps; give the map that it belongs to."
            )
        _check_placed(dataset, path)
        nodata = dataset.nodata
        described = {
            "path": path,
            "geobox": GeoBox.from_rio(dataset),
            "names": tuple(name or "" for name in dataset.descriptions),
            "unit": dataset.units[0] or "",
            "dtype": str(dataset.dtypes[0]),
            "tags": tags,
        }
        scale = float(dataset.scales[0])
    classes = stated_classes(path)
    legend = Legend(tuple(classes)) if classes else None
    whole = bool(fraction_bands(tags)) and described["dtype"] == "uint8"
    if whole:
        kind, expected = "a map of fractions", ("uint8", 255.0)
    elif legend is None:
        kind, expected = "a map of a quantity", ("float32", float("nan"))
    else:
        kind, expected = "a map of these classes", (legend.dtype, float(legend.nodata))
    if (described["dtype"], str(nodata)) != (expected[0], str(expected[1])):
        raise OptionError(
            f"{path} is {described['dtype']} with nodata {nodata}{'' if legend else ' and names no classes'}, "
            f"but {kind} is {expected[0]} with nodata {expected[1]:g}; give maps as geodl segment writes them."
        )
    return MosaicMap(**described, nodata=expected[1], scale=scale if whole else None, legend=legend)


def _check_placed(dataset: Any, path: Path) -> None:
    if dataset.crs is None or dataset.transform.is_identity:
        raise OptionError(
            f"{path} has no CRS or no transform, so it has no place beside other maps; georeference it "
            f"(gdalwarp) and give the result."
        )


def check_together(maps: Sequence[MosaicMap]) -> None:
    """Check that all maps have the classes, or the quantities, of the first.

    Raises
    ------
    OptionError
        When they have not; it names the two maps and what differs.
    """
    first = maps[0]
    for other in maps[1:]:
        if (first.legend is None) != (other.legend is None):
            kinds = ["values" if m.legend is None else "classes" for m in (first, other)]
            raise OptionError(
                f"{first.path} is a map of {kinds[0]} but {other.path} is one of {kinds[1]}; a mosaic is "
                f"made of maps of one kind."
            )
        if first.legend is not None and other.legend is not None:
            _check_classes(first, other, first.legend, other.legend)
        elif (first.dtype, first.scale) != (other.dtype, other.scale):
            raise OptionError(
                f"{first.path} is {_stored(first)} but {other.path} is {_stored(other)}; a mosaic is made of maps that "
                f"are stored alike, so map one of the scenes again (`float32=`)."
            )
        elif (first.names, first.unit) != (other.names, other.unit):
            raise OptionError(
                f"{first.path} holds {_quantities(first)} but {other.path} holds {_quantities(other)}; "
                f"a mosaic is made of maps of the same quantities in the same unit."
            )
        if first.legend is not None and first.names == ("clusters",):
            raise OptionError(
                f"{first.path} and {other.path} are clusters, which geodl cluster numbers anew for every "
                f"scene, so the same number is not the same class; cluster a mosaic of the scenes instead."
            )


def _check_classes(first: MosaicMap, other: MosaicMap, here: Legend, there: Legend) -> None:
    ours, theirs = (dict(zip(x.names, x.values, strict=True)) for x in (here, there))
    if ours == theirs:
        return
    moved = [name for name in ours if name in theirs and ours[name] != theirs[name]]
    if moved:
        difference = f"{moved[0]!r} is {ours[moved[0]]} in {first.path} but {theirs[moved[0]]} in {other.path}"
    else:
        difference = " and ".join(
            f"only {one.path} has {_listed([name for name in names if name not in others])}"
            for one, names, others in ((first, ours, theirs), (other, theirs, ours))
            if set(names) - set(others)
        )
    raise OptionError(
        f"These maps have different classes: {difference}; a mosaic is made of maps with the same names for "
        f"the same values, as one model makes them."
    )


def _listed(names: Sequence[str]) -> str:
    return listed(map(repr, names), _MOST_NAMED)


def _quantities(one: MosaicMap) -> str:
    return _listed(one.names) + (f" in {one.unit}" if one.unit else " without a unit")


def _stored(one: MosaicMap) -> str:
    return one.dtype if one.scale is None else f"{one.dtype} with a scale of {one.scale:g}"


def models_of(maps: Sequence[MosaicMap]) -> dict[tuple[str, str], list[MosaicMap]]:
    """The maps of each model; a model is a name and the digest of its weights."""
    made: dict[tuple[str, str], list[MosaicMap]] = {}
    for one in maps:
        made.setdefault((one.model, one.model_sha256), []).append(one)
    return made


def spec_of(first: MosaicMap, tags: Mapping[str, str]) -> RasterSpec:
    """A mosaic of maps like the first: bands, type, classes and colours are its."""
    return RasterSpec(
        names=first.names,
        dtype=first.dtype,
        nodata=first.nodata if first.legend is None else first.legend.nodata,
        overview="average" if first.legend is None else "mode",
        legend=first.legend,
        unit=first.unit,
        scale=first.scale,
        tags=tags,
    )


def damaged(one: MosaicMap, error: Exception) -> SceneError:
    """The error for a map, or its confidence, whose pixels GDAL cannot read."""
    return SceneError(
        f"{one.path} cannot be read: {str(error.__cause__ or error).rstrip('.')}. The map or its confidence "
        f"is damaged; make it again."
    )
