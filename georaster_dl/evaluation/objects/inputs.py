"""Objects of a file: polygons, or the connected areas of a raster's classes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyproj
import shapely
from odc.geo.geobox import GeoBox

from georaster_dl.core.errors import OptionError
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.connected import connected_areas
from georaster_dl.io.labels.class_list import read_class_list
from georaster_dl.io.labels.fields import check_one_class, class_field_of, class_labels
from georaster_dl.io.labels.raster import stated_classes
from georaster_dl.io.labels.read import existing, is_vector
from georaster_dl.io.labels.vector import read_label_layer
from georaster_dl.io.vectors.polygons import map_footprint

__all__ = ["ObjectFile", "class_key", "polygon_parts", "read_objects"]

_OWN = "class_name", "class_id"  # fields of geodl's own polygons
_CONFIDENCE = "confidence"
_NUMBERED = re.compile(r"(?:class )?([0-9]+)")  # what a class without a name is called

_Shapes = npt.NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class ObjectFile:
    """Objects of a file, in its own CRS.

    Attributes
    ----------
    shapes : (n,) valid polygons; what does not hang together is several objects.
    names : (n,) of their classes; None where the file does not name classes.
    values : (n,) of their classes; None where it does not number them.
    stated : classes that the file names, those without an object included.
    confidence : (n,) of each object; None where the file has none.
    crs : None where it has none.
    footprint : outline of a raster, or of the map that polygons were made of, of which the file tells all objects; None
        where that is not known.
    grid : of a raster; None of polygons.
    nodata : (m,) polygons of a raster where it says nothing.
    repaired : how many polygons were invalid.
    """

    path: Path
    shapes: _Shapes
    names: npt.NDArray[np.object_] | None
    values: npt.NDArray[np.int64] | None
    crs: pyproj.CRS | None
    stated: tuple[str, ...] = ()
    confidence: npt.NDArray[np.float64] | None = None
    footprint: shapely.Geometry | None = None
    grid: GeoBox | None = None
    nodata: _Shapes | None = None
    repaired: int = 0

    def of_class(self, name: str) -> npt.NDArray[np.bool_]:
        """(n,) True for the objects of a class; of a file without names for all whose value is not 0.

        A class without a name is meant by ``class 255`` and by ``255``.

        Raises
        ------
        OptionError
            When the file names its classes, and none so.
        """
        if self.names is None:
            return np.ones(len(self.shapes), bool) if self.values is None else self.values != 0
        wanted = class_key(name)
        known = dict.fromkeys([*self.stated, *self.names])
        if len(self.names) and wanted not in set(map(class_key, known)):
            raise OptionError(
                f"`class_name={name!r}` is none of the classes of {self.path} ({listed(known, 12)}); name one of them."
            )
        return np.array([class_key(each) == wanted for each in self.names], bool)


def class_key(name: str) -> str:
    """Reduce the name of a class to its key: without capitals, and of ``class 255`` the number."""
    key = name.casefold()
    numbered = _NUMBERED.fullmatch(key)
    return key if numbered is None else numbered[1]


def read_objects(path: Path, options: LabelOptions, *, reference: bool) -> ObjectFile:
    """Read the objects of a map or of a reference.

    Parameters
    ----------
    path : raster of classes, or polygons.
    options : with a ``class_name``, all polygons of a reference are of that class. ``class_field`` is the
        reference's; of both, ``class_name`` and ``class_id`` are known, else a field ``class``, or the only one.

    Raises
    ------
    GeoRasterError
        When the file cannot be read, or holds no polygons or classes.
    """
    what = "labels" if reference else "map"
    if is_vector(path):
        return _of_vector(existing(path, what), options, reference=reference)
    return _of_raster(existing(path, what), options)


def _of_raster(path: Path, options: LabelOptions) -> ObjectFile:
    areas = connected_areas(path)
    stated = {entry.value: entry.name for entry in stated_classes(path)}
    if options.classes is not None:
        stated = dict(read_class_list(options.classes).names)
    ignored = [*options.ignore, *([] if areas.nodata is None else [areas.nodata])]
    left_out = np.isin(areas.values, ignored)
    values = areas.values[~left_out]
    names = None
    if stated:
        names = np.array([stated.get(int(v), str(v)) for v in values], object)
    # A mask often declares its 0 nodata, though all that is 0 was looked at.
    nothing = left_out & (areas.values != 0)
    return ObjectFile(
        path,
        areas.shapes[~left_out],
        names,
        values,
        None if areas.geobox.crs is None else areas.geobox.crs.proj,
        stated=tuple(stated.values()),
        footprint=areas.geobox.extent.geom,
        grid=areas.geobox,
        nodata=areas.shapes[nothing],
    )


def _of_vector(path: Path, options: LabelOptions, *, reference: bool) -> ObjectFile:
    features = read_label_layer(path, options)
    frame = features.frame
    frame = frame[~(frame.geometry.isna() | frame.geometry.is_empty)]
    shapes, owner, repaired = polygon_parts(frame.geometry.to_numpy())
    if len(frame) and not len(shapes):
        raise OptionError(
            f"{path} holds {frame.geom_type.iloc[0]}, but objects are polygons; give polygons (in QGIS 'Buffer' makes "
            f"them of points and lines)."
        )
    names, values = _classes(frame, path, options, features.info, reference=reference)
    known = np.ones(len(owner), bool)
    if names is not None:
        known = pd.notna(names[owner])
    elif values is not None:
        known = values[owner] >= 0
    owner = owner[known]
    return ObjectFile(
        path,
        shapes[known],
        None if names is None else names[owner],
        None if values is None else values[owner],
        None if frame.crs is None else pyproj.CRS(frame.crs),
        stated=() if names is None else tuple(dict.fromkeys(names[pd.notna(names)])),
        footprint=_footprint(features.info, shapes),
        confidence=_confidence(frame, path)[owner] if _has_confidence(frame, reference) else None,
        repaired=repaired,
    )


def _footprint(info: Mapping[str, Any], shapes: _Shapes) -> shapely.Geometry | None:
    """Outline of the map that polygons were made of; None where others were added or all were moved since."""
    footprint = map_footprint(info)
    if footprint is None:
        return None
    shapely.prepare(footprint)
    return footprint if shapely.intersects(footprint, shapes).all() else None


def polygon_parts(shapes: _Shapes) -> tuple[_Shapes, npt.NDArray[np.intp], int]:
    """Take shapes apart into valid polygons.

    Returns
    -------
    The polygons, the place of the shape that each is of, and how many shapes were repaired.
    """
    broken = ~shapely.is_valid(shapes)
    if broken.any():
        shapes = shapes.copy()
        shapes[broken] = shapely.make_valid(
            shapes[broken], method="structure", keep_collapsed=False
        )
    parts, owner = shapely.get_parts(shapes, return_index=True)
    inner, within = shapely.get_parts(parts, return_index=True)  # collections hold several
    flat = (shapely.get_type_id(inner) == shapely.GeometryType.POLYGON) & ~shapely.is_empty(inner)
    return inner[flat], owner[within][flat], int(broken.sum())


def _classes(
    frame: geopandas.GeoDataFrame,
    path: Path,
    options: LabelOptions,
    info: Any,
    *,
    reference: bool,
) -> tuple[npt.NDArray[np.object_] | None, npt.NDArray[np.int64] | None]:
    """(features,) names and values of the classes of polygons, None where there are none."""
    if reference and options.class_name is not None:
        check_one_class(frame, path, options.class_name)
        return None, None
    own = [name for name in _OWN if name in frame]
    field = (options.class_field if reference else None) or (own[0] if own else None)
    if field is None and not reference:
        field = next((name for name in frame.columns if str(name).casefold() == "class"), None)
        if field is None:
            return None, None
    if frame.empty:
        return np.empty(0, object), None
    field = class_field_of(frame, path, field)
    labels = class_labels(frame[field], path, info)
    if pd.api.types.is_integer_dtype(labels):
        labels = labels.mask(labels.isin(options.ignore))
        values = labels.fillna(-1).to_numpy(np.int64)
        if options.classes is None:
            return None, values
        listed_names = read_class_list(options.classes).names
        return np.array([listed_names.get(int(v)) for v in values], object), values
    values = None
    if field == _OWN[0] and _OWN[1] in frame:
        values = frame[_OWN[1]].fillna(-1).to_numpy(np.int64)
    names = labels.to_numpy(object, copy=True)
    names[labels.isna()] = None
    return names, values


def _has_confidence(frame: geopandas.GeoDataFrame, reference: bool) -> bool:
    return not reference and _CONFIDENCE in frame and len(frame) > 0


def _confidence(frame: geopandas.GeoDataFrame, path: Path) -> npt.NDArray[np.float64]:
    """(features,) confidence, below all others where it is unknown."""
    column = frame[_CONFIDENCE]
    if not pd.api.types.is_numeric_dtype(column):
        raise OptionError(
            f"{path} has a field {_CONFIDENCE!r} that holds no numbers in {counted(len(frame), 'feature')}; rename it, or "
            f"give numbers."
        )
    numbers = column.astype("float64").fillna(-np.inf)
    return np.asarray(numbers, np.float64)
