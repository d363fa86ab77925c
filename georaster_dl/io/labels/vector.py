"""Labels in a vector file: checked, and burnt onto a scene's grid window by window."""

from __future__ import annotations

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
from georaster_dl.core.geography import Georeference, full_turn, metres_per_unit
from georaster_dl.core.legend import Legend
from georaster_dl.core.scene_options import FractionOptions, LabelOptions
from georaster_dl.core.wording import counted
from georaster_dl.io.files.layer_path import file_of
from georaster_dl.io.labels.fields import (
    check_one_class,
    class_field_of,
    class_labels,
    codes_as_names,
    is_other,
    number_labels,
    stated_fractions,
)
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

__all__ = ["BurntFeatures", "VectorLabels", "features_of", "found_in_vector", "read_label_layer"]


def read_label_layer(path: Path, options: LabelOptions) -> Features:
    """All features of the layer that holds the labels.

    Raises
    ------
    OptionError
        When the file cannot be read, or does not tell which layer is meant.
    """
    wanted = set(_fraction_fields(options) or filter(None, [options.class_field]))

    def holds_classes(info: Mapping[str, Any]) -> bool:
        if wanted:
            return wanted.issubset(info["fields"])
        return any(name.casefold() == "class" for name in info["fields"])

    return read_layer(path, title=str(path), kind="labels", layer=options.layer, fits=holds_classes)


def _fraction_fields(options: LabelOptions) -> tuple[str, ...]:
    return options.fraction_fields if isinstance(options, FractionOptions) else ()


def features_of(
    path: Path, options: LabelOptions, *, numbers: bool
) -> tuple[geopandas.GeoDataFrame, str, str | None]:
    """Checked features with their labels in the column ``label``, their field, and the layer's name.

    The label of fields of fractions is a tuple of the numbers as stored.

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
    if fields := _fraction_fields(options):
        label = stated_fractions(frame, path, fields, options.ignore)
        return frame.assign(label=label), "", features.layer
    if options.class_name is not None:
        if numbers:
            raise OptionError(
                f"`class_name={options.class_name!r}` names a class, but numbers are read; leave it out, or learn "
                f"classes with `task='segmentation'`."
            )
        check_one_class(frame, path, options.class_name)
        return frame.assign(label=options.class_name), "", features.layer
    field = class_field_of(frame, path, options.class_field)
    column = frame[field]
    label = number_labels(column, path) if numbers else class_labels(column, path, features.info)
    if pd.api.types.is_numeric_dtype(label):
        label = label.mask(label.isin(options.ignore))
    if not numbers:
        label = codes_as_names(label)
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


class BurntFeatures:
    """Numbers of features burnt onto a scene's grid.

    Parameters
    ----------
    frame : features with a CRS, their ``number``, NaN where a feature is none, and, of those that overlap, the
        ``rank``: the highest lies on top.
    geobox : the scene's grid.
    options : how wide features are, and which pixels they cover.
    title : what a message calls the file.

    Raises
    ------
    OptionError
        When the features lie beside the scene.
    """

    def __init__(
        self,
        frame: geopandas.GeoDataFrame,
        geobox: Georeference,
        options: LabelOptions,
        title: str,
    ) -> None:
        frame = frame[["geometry", "number", "rank"]].assign(feature=frame.index)
        frame, affine = near_scene(frame, geobox, title=title, kind="features")
        frame = frame.sort_values("rank", kind="stable")
        shapes = _widened(frame.geometry, options.width_m, geobox)
        self._shapes = shapes.to_numpy()
        self._numbers = frame["number"].to_numpy(np.float32)
        self._index = WindowIndex(self._shapes, affine)
        self._features = frame["feature"].to_numpy()
        self._affine, self._extent = affine, geobox.extent.geom
        self._all_touched = options.all_touched

    def burnt(self, rows: slice, cols: slice) -> npt.NDArray[np.float32]:
        """(rows, cols) numbers of the features, NaN where there is none."""
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

    def features(self, rows: slice, cols: slice) -> npt.NDArray[np.int64]:
        """(rows, cols) number of the labelled feature on top, from 0; -1 where there is none."""
        numbers = np.unique(self._features, return_inverse=True)[1].astype(np.float32)
        numbers[np.isnan(self._numbers)] = np.nan
        return self._burnt(rows, cols, numbers, -1).astype(np.int64)

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


class VectorLabels(BurntFeatures):
    """Classes or numbers of features burnt onto a scene's grid.

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
        number = number.mask(is_other(frame, path, where)).astype("float64")
        rank = 0 if legend is None else _ranks(number, legend, options.priority)
        super().__init__(frame.assign(number=number, rank=rank), geobox, options, str(path))

    def read(self, rows: slice, cols: slice) -> npt.NDArray[np.float32]:
        """(rows, cols) class values or numbers, NaN where unlabelled."""
        return self.burnt(rows, cols)


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
