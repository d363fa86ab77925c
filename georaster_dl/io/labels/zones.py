"""Polygons as zones: rasterized by number onto a grid, and written with further columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from affine import Affine
from rasterio.features import rasterize

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import Georeference
from georaster_dl.core.legend import Legend
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.io.labels.vector import read_label_layer
from georaster_dl.io.vectors.files import WindowIndex, near_scene
from georaster_dl.io.vectors.geopackage import store_style, write_geopackage

__all__ = ["RasterizedZones", "read_zones", "write_zones"]

_KINDS = {"Polygon", "MultiPolygon"}


def read_zones(path: Path, options: LabelOptions | None = None) -> geopandas.GeoDataFrame:
    """Polygons with all their attributes, in the file's order and CRS, by feature id.

    Whole numbers and truth values stay such where some are null.

    Parameters
    ----------
    path, options : as :func:`georaster_dl.io.labels.read.read_features` takes them.

    Raises
    ------
    OptionError
        When the file cannot be read or holds anything but polygons.
    """
    features = read_label_layer(path, options or LabelOptions())
    frame, info = features.frame, features.info
    other = sorted(set(frame.geom_type.dropna()) - _KINDS)
    if other:
        raise OptionError(
            f"{path} holds {other[0]}, but each feature must be a polygon, whose pixels are taken together; give "
            f"polygons (in QGIS 'Buffer' makes them of points and lines), or use single pixels."
        )
    for name, dtype in zip(info["fields"], info["dtypes"], strict=True):
        if dtype.startswith(("int", "bool")) and str(frame[name].dtype) != dtype:
            frame[name] = frame[name].astype(dtype.replace("int", "Int").replace("bool", "boolean"))
    return frame


class RasterizedZones:
    """Polygons on a scene's grid, window by window; each is called by its place in the file.

    Parameters
    ----------
    frame : polygons with a CRS.
    title : what a message calls the file.

    Raises
    ------
    OptionError
        When the scene has no place on Earth or no polygon touches it.
    """

    def __init__(self, frame: geopandas.GeoDataFrame, geobox: Georeference, title: str) -> None:
        numbered = frame[["geometry"]].assign(number=np.arange(len(frame)))
        parts, affine = near_scene(numbered, geobox, title=title, kind="polygons")
        self._shapes = parts.geometry.to_numpy()
        self._numbers = parts["number"].to_numpy(np.int32)
        self._index = WindowIndex(self._shapes, affine)

    def read(self, rows: slice, cols: slice) -> npt.NDArray[np.int32]:
        """(rows, cols) number of the polygon that covers a pixel's centre, the last one; else -1."""
        shape, affine, hit = self._index.window(rows, cols)
        out = np.full(shape, -1, np.int32)
        if len(hit):
            pairs = zip(self._shapes[hit], self._numbers[hit].tolist(), strict=True)
            rasterize(pairs, out=out, transform=affine)
        return out

    def touched(
        self, rows: slice, cols: slice, wanted: npt.NDArray[np.bool_]
    ) -> Iterator[tuple[int, npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
        """Pixels of a window that single polygons touch.

        Parameters
        ----------
        wanted : (polygons,) True for those that are asked for.

        Yields
        ------
        Number of a polygon, and rows and cols of the window that a part of it touches.
        """
        shape, affine, hit = self._index.window(rows, cols)
        for part in hit[wanted[self._numbers[hit]]]:
            down, across = _around(self._shapes[part], affine, shape)
            if down.start < down.stop and across.start < across.stop:
                found = rasterize(
                    [self._shapes[part]],
                    out_shape=(down.stop - down.start, across.stop - across.start),
                    transform=affine * Affine.translation(across.start, down.start),
                    all_touched=True,
                )
                touched_rows, touched_cols = np.nonzero(found)
                yield (
                    int(self._numbers[part]),
                    touched_rows + down.start,
                    touched_cols + across.start,
                )


def _around(
    polygon: shapely.Geometry, affine: Affine, shape: tuple[int, int]
) -> tuple[slice, slice]:
    """Rows and cols of a window around a polygon, a pixel wider on all sides."""
    west, south, east, north = polygon.bounds
    ends = [~affine * (x, y) for x in (west, east) for y in (south, north)]
    cols, rows = (np.array(axis) for axis in zip(*ends, strict=True))
    return tuple(
        slice(max(int(axis.min()) - 1, 0), min(int(axis.max()) + 2, length))
        for axis, length in ((rows, shape[0]), (cols, shape[1]))
    )  # type: ignore[return-value]


def write_zones(
    out: Path,
    frame: geopandas.GeoDataFrame,
    columns: Mapping[str, npt.NDArray[Any]],
    legend: Legend | None,
) -> None:
    """Write polygons with further columns, of which the first holds classes and gives the colours, if any.

    Attributes, feature ids and CRS are kept. Columns of the same names are replaced.

    Parameters
    ----------
    out : the GeoPackage, replaced if it exists; its layer is named after it.
    columns : (polygons,) text or numbers by name; None and NaN become null.
    legend : of the classes in the first; None for values, which have no style.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    taken = {name.casefold() for name in columns}  # SQLite knows no upper and lower case
    kept = frame.drop(columns=[name for name in frame.columns if str(name).casefold() in taken])
    made = kept.assign(**columns)
    if "fid" not in {str(name).casefold() for name in made.columns}:
        made.insert(0, "fid", pd.Series(frame.index, frame.index, "int64"))
    several = made.geom_type.nunique() > 1
    write_geopackage(out, made, promote_to_multi=several or None)
    if legend is not None:
        store_style(out, legend, field=next(iter(columns)))
