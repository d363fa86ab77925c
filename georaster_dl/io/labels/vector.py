"""Labels in a vector file: checked, and burnt onto a scene's grid window by window."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from rasterio.features import rasterize

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import full_turn, metres_per_unit
from georaster_dl.core.legend import Legend
from georaster_dl.core.raster import Georeference
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.core.text import visible
from georaster_dl.core.wording import counted
from georaster_dl.io.files.layer_path import file_of
from georaster_dl.io.labels.class_list import LARGEST_CLASS
from georaster_dl.io.labels.legend_from_labels import FoundClasses
from georaster_dl.io.labels.styles import vector_style
from georaster_dl.io.vectors.files import (
    Features,
    WindowIndex,
    check_geometries,
    covers_centre,
    near_scene,
    read_layer,
)
from georaster_dl.io.vectors.placing import in_coordinates_of

__all__ = ["VectorLabels", "features_of", "found_in_vector", "read_label_layer"]

_IDS = {"fid", "gml_id"}  # fields that GDAL makes up, which hold no class
_EXACT = 2**53  # whole numbers beyond are rounded where pandas must take them for floats


def read_label_layer(path: Path, options: LabelOptions) -> Features:
    """All features of the layer that holds the labels.

    Raises
    ------
    OptionError
        When the file cannot be read, or does not tell which layer is meant.
    """
    field = options.class_field

    def holds_classes(info: Mapping[str, Any]) -> bool:
        if field is not None:
            return field in info["fields"]
        return any(name.casefold() == "class" for name in info["fields"])

    return read_layer(path, title=str(path), kind="labels", layer=options.layer, fits=holds_classes)


def features_of(
    path: Path, options: LabelOptions, *, numbers: bool
) -> tuple[geopandas.GeoDataFrame, str, str | None]:
    """Checked features with their labels in the column ``label``, their field, and the layer's name.

    Parameters
    ----------
    numbers : whether the labels are the numbers of a regression.

    Raises
    ------
    OptionError
        When the file, its field or its geometries cannot be used, or no feature has a label.
    """
    features = read_label_layer(path, options)
    frame = features.frame
    if frame.empty or frame.crs is None:
        what = "no CRS" if len(frame) else "no features"
        raise OptionError(f"{path} has {what}; give labels with a geometry and a CRS.")
    check_geometries(frame.geometry, title=str(path))
    field = _class_field(frame, path, options.class_field)
    column = frame[field]
    label = _numbers(column, path) if numbers else _classes(column, path, features.info)
    if pd.api.types.is_numeric_dtype(label):
        label = label.mask(label.isin(options.ignore))
    if not numbers:
        label = _codes_as_names(label)
    if label.isna().all():
        raise OptionError(
            f"{path} has no label: the field {field!r} is empty or ignored in all "
            f"{counted(len(frame), 'feature')}; fill it in, or choose another with `class_field=`."
        )
    return frame.assign(label=label), field, features.layer


def found_in_vector(path: Path, options: LabelOptions) -> FoundClasses:
    """The classes of a vector file."""
    frame, field, layer = features_of(path, options, numbers=False)
    label = frame["label"].dropna().unique()
    colors = vector_style(file_of(path), layer, field)
    if isinstance(label[0], str):
        return FoundClasses(path, texts=frozenset(label), text_colors=colors)
    values = frozenset(int(value) for value in label)
    by_number = {value: colors[str(value)] for value in values if str(value) in colors}
    return FoundClasses(path, values=values, colors=by_number, text_colors=colors)


class VectorLabels:
    """Features burnt onto a scene's grid.

    Parameters
    ----------
    path : the vector file.
    geobox : the scene's grid.
    legend : the classes; None where the labels are numbers.
    where : column and value (as text); only features of that value are labels.

    Raises
    ------
    OptionError
        When the file cannot be used, or lies beside the scene.
    """

    def __init__(
        self,
        path: Path,
        geobox: Georeference,
        legend: Legend | None,
        options: LabelOptions,
        where: tuple[str, str] | None = None,
    ) -> None:
        frame, self.name, _ = features_of(path, options, numbers=legend is None)
        number = frame["label"].map(_values(legend)) if legend else frame["label"]
        if where is not None:
            number = number.mask(_column(frame, path, where[0]).astype(str) != where[1])
        frame = frame[["geometry"]].assign(number=number.astype("float64"), feature=frame.index)
        frame, affine = near_scene(frame, geobox, title=str(path), kind="features")
        frame["rank"] = 0 if legend is None else _ranks(frame["number"], legend, options.priority)
        frame = frame.sort_values("rank", kind="stable")
        shapes = _widened(frame.geometry, options.width_m, geobox)
        self._shapes = shapes.to_numpy()
        self._numbers = frame["number"].to_numpy(np.float32)
        self._index = WindowIndex(self._shapes, affine)
        self._features = frame["feature"].to_numpy()
        self._affine, self._extent = affine, geobox.extent.geom
        self._all_touched = options.all_touched

    def read(self, rows: slice, cols: slice) -> npt.NDArray[np.float32]:
        """(rows, cols) class values or numbers, NaN where unlabelled."""
        return self._burnt(rows, cols, self._numbers, np.nan)

    def covers(self, rows: slice, cols: slice) -> npt.NDArray[np.bool_]:
        """Mark background pixels: True, (rows, cols), except under features without a usable label."""
        unused = np.where(np.isnan(self._numbers), np.float32(1), np.float32(np.nan))
        free: npt.NDArray[np.bool_] = self._burnt(rows, cols, unused, 0) == 0
        return free

    def missed(self) -> tuple[int, int]:
        """How many labelled features at the scene cover no pixel's centre, and of how many."""
        here = ~np.isnan(self._numbers) & shapely.intersects(self._extent, self._shapes)
        features = np.unique(self._features[here])
        if self._all_touched:
            return 0, len(features)
        covering = here & covers_centre(self._shapes, self._affine)
        return len(features) - len(np.unique(self._features[covering])), len(features)

    def close(self) -> None:
        """Nothing is open."""

    def _burnt(
        self, rows: slice, cols: slice, numbers: npt.NDArray[np.float32], fill: float
    ) -> npt.NDArray[np.float32]:
        """Burn the features with any of these numbers into a window full of ``fill``."""
        shape, affine, hit = self._index.window(rows, cols)
        hit = hit[~np.isnan(numbers[hit])]
        out = np.full(shape, fill, np.float32)
        if len(hit):
            pairs = zip(self._shapes[hit], numbers[hit], strict=True)
            rasterize(pairs, out=out, transform=affine, all_touched=self._all_touched)
        return out


def _class_field(frame: geopandas.GeoDataFrame, path: Path, field: str | None) -> str:
    if field is not None:
        _column(frame, path, field)
        return field
    fields = _fields(frame)
    if not fields:
        raise OptionError(f"{path} has no attributes, so its features have no class; add a field.")
    likely = fields if len(fields) == 1 else [f for f in fields if f.casefold() == "class"]
    if len(likely) != 1:
        raise OptionError(
            f"{path} has several fields ({', '.join(fields)}); say with `class_field=` which holds the "
            f"labels; where none does, add a field 'class'."
        )
    return likely[0]


def _fields(frame: geopandas.GeoDataFrame) -> list[str]:
    return [str(name) for name in frame.columns if name not in {frame.geometry.name, *_IDS}]


def _column(frame: geopandas.GeoDataFrame, path: Path, field: str) -> pd.Series[Any]:
    fields = _fields(frame)
    if field not in {*fields, *_IDS.intersection(frame.columns)}:
        near = difflib.get_close_matches(field, fields, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "; choose one of them."
        raise OptionError(
            f"{path} has no field {field!r}; it has {', '.join(fields) or 'none'}{hint}"
        )
    return frame[field]


def _numbers(column: pd.Series[Any], path: Path) -> pd.Series[Any]:
    if not pd.api.types.is_numeric_dtype(column):
        example = next(iter(column.dropna()), None)
        raise OptionError(
            f"{path} has no numbers in the field {column.name!r} but, for example, {example!r}; choose a "
            f"numeric one with `class_field=`, or use `task='segmentation'` for classes."
        )
    numbers = column.astype("float64")
    return numbers.where(np.isfinite(numbers))


def _classes(column: pd.Series[Any], path: Path, info: Mapping[str, Any]) -> pd.Series[Any]:
    known = column.dropna()
    if known.map(lambda value: isinstance(value, bool | np.bool_)).all():
        column = column.astype("boolean").astype("Int64")  # an empty column, too
    if pd.api.types.is_integer_dtype(column):
        return column.astype("Int64")
    if pd.api.types.is_numeric_dtype(column):
        return _whole(column.astype("float64"), path)
    if not known.map(lambda value: isinstance(value, str)).all():
        raise OptionError(
            f"{path} holds neither text nor whole numbers in the field {column.name!r} but, for example, "
            f"{known.iloc[0]!r}; choose another with `class_field=`."
        )
    _check_mixed(known, path, info)
    stripped = column.str.strip().map(visible, na_action="ignore")
    return stripped.where(stripped != "").astype(object)


def _whole(numbers: pd.Series[Any], path: Path) -> pd.Series[Any]:
    broken = numbers[numbers % 1 != 0].dropna()
    if len(broken):
        raise OptionError(
            f"{path} holds {broken.iloc[0]:g} (fid {broken.index[0]}) in the field {numbers.name!r}, but "
            f"classes are text or whole numbers; use `task='regression'` for numbers."
        )
    if (numbers.abs() > _EXACT).any():
        raise OptionError(
            f"{path} holds codes of more than 15 digits in the field {numbers.name!r}, which are rounded; make "
            f"it a text field."
        )
    return numbers.astype("Int64")


def _codes_as_names(label: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers that no map can hold are names: EuroCrops' 3301010101, for example."""
    if not pd.api.types.is_integer_dtype(label):
        return label
    if not (label > LARGEST_CLASS).any() or (label < 0).any():  # what is below 0 means unlabelled
        return label
    return label.astype("string").astype(object).where(label.notna())


def _check_mixed(text: pd.Series[Any], path: Path, info: Mapping[str, Any]) -> None:
    """GeoJSON may hold text and numbers in one field; OGR makes text of all, but marks the field."""
    subtypes = dict(zip(info["fields"], info.get("ogr_subtypes", []), strict=False))
    if subtypes.get(text.name) != "OFSTJSON":
        return
    number = pd.to_numeric(text, errors="coerce").notna()
    if number.any() and not number.all():
        raise OptionError(
            f"{path} mixes text ({text[~number].iloc[0]!r}, fid {text[~number].index[0]}) and numbers "
            f"({text[number].iloc[0]}, fid {text[number].index[0]}) in the field {text.name!r}; make them "
            f"all text or all whole numbers."
        )


def _values(legend: Legend) -> dict[Any, int]:
    """Class value of a label, be it text or the value itself."""
    return {c.name: c.value for c in legend.classes} | {v: v for v in legend.values}


def _ranks(
    number: pd.Series[Any], legend: Legend, priority: tuple[str, ...]
) -> npt.NDArray[np.int64]:
    """Rank the features for drawing, (features,); the highest is on top."""
    values = _values(legend)
    rank = {float(values[name]): len(priority) - i for i, name in enumerate(priority)}
    ranks: npt.NDArray[np.int64] = number.map(rank).fillna(0).to_numpy(np.int64)
    return ranks


def _widened(
    shapes: geopandas.GeoSeries, width_m: float | None, geobox: Georeference
) -> geopandas.GeoSeries:
    """Lines and points as areas of that width."""
    thin = ~shapes.geom_type.isin(["Polygon", "MultiPolygon"])
    if width_m is None or not thin.any():
        return shapes
    unit = metres_per_unit(shapes.crs)
    if unit is not None:
        wide = shapes[thin].buffer(width_m / 2 / unit)
    elif shapes.crs.is_geographic:
        wide = _widened_degrees(shapes[thin], width_m, geobox)
    else:
        raise OptionError(
            f"`width_m={width_m:g}` cannot be drawn: nobody knows how long a unit of the scene's CRS "
            f"{shapes.crs.name!r} is; leave it out, or give the scene a CRS in metres (gdal_edit -a_srs)."
        )
    shapes = shapes.copy()
    shapes[thin] = wide
    return shapes


def _widened_degrees(
    shapes: geopandas.GeoSeries, width_m: float, geobox: Georeference
) -> geopandas.GeoSeries:
    """The same for longitudes and latitudes, in a plane around the scene's centre."""
    centre = geobox.extent.geom.centroid
    to_degrees = 360 / full_turn(shapes.crs)
    plane = f"+proj=aeqd +lon_0={centre.x * to_degrees} +lat_0={centre.y * to_degrees} +datum=WGS84"
    wide = shapes.to_crs(plane).buffer(width_m / 2)
    return in_coordinates_of(wide.to_frame("geometry"), geobox, title="`width_m=`").geometry
