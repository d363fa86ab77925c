"""Vector files: reading them, and laying their features over a scene's grid."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine
from odc.geo.gcp import GCPGeoBox

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import Georeference
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.vectors.layers import choose_layer
from georaster_dl.io.vectors.placing import in_coordinates_of, surroundings

__all__ = [
    "Features",
    "WindowIndex",
    "check_geometries",
    "corners",
    "covers_centre",
    "near_scene",
    "parts_at",
    "read_layer",
]

_SURFACES = "Unknown WKB type"  # TIN and PolyhedralSurface, of which shapely knows nothing
_MOST_CENTRES = 64  # in a shape's bounds; beyond, it covers one


@dataclass(frozen=True, eq=False)
class Features:
    """Description of a layer.

    Attributes
    ----------
    frame : the features, by feature id.
    info : how pyogrio describes the layer: ``fields``, ``dtypes``, ``ogr_subtypes``.
    layer : its name; None where there is none.
    """

    frame: geopandas.GeoDataFrame
    info: Mapping[str, Any]
    layer: str | None = None


def read_layer(path: Path, *, title: str, kind: str, **choice: Any) -> Features:
    """Features of a layer; none where there is no layer.

    Parameters
    ----------
    path : file, or ``file|layername=NAME``.
    title, kind : what a message calls the file, and what it should hold (``polygons``).
    choice : which layer, as ``vector_source.choose_layer`` takes it.

    Raises
    ------
    OptionError
        When the file cannot be read, or does not tell which layer is meant.
    """
    try:
        with choose_layer(path, title=title, **choice) as layer, warnings.catch_warnings():
            if layer is None:
                return Features(geopandas.GeoDataFrame(geometry=[]), {"fields": (), "dtypes": ()})
            # Columns of text and numbers mixed stay text; who needs one of them checks it.
            warnings.filterwarnings("ignore", "Could not parse column", UserWarning)
            frame = geopandas.read_file(layer.dataset, layer=layer.name, fid_as_index=True)
            return Features(frame, layer.info, layer.name)
    except OptionError:
        raise
    except Exception as error:  # pyogrio raises many kinds; all mean the same here
        reason = " ".join(str(error).split("; It might help")[0].split()).rstrip(".")
        cure = "give a GeoPackage, GeoJSON or Shapefile"
        if _SURFACES in reason:
            reason = "it holds surfaces of triangles or patches"
            cure = "make polygons of them (in QGIS: 'Convert geometry type')"
        raise OptionError(f"{title} cannot be read as {kind} ({reason}); {cure}.") from error


def check_geometries(geometry: geopandas.GeoSeries, *, title: str) -> None:
    """Check that every feature has a valid geometry.

    Raises
    ------
    OptionError
        With the ids of the first such features, the reason, and what to do.
    """
    missing, broken = geometry.isna() | geometry.is_empty, ~geometry.is_valid
    if not (missing.any() or broken.any()):
        return
    bad = geometry[missing] if missing.any() else geometry[broken]
    what, cure = "no geometry", "delete them"
    if not missing.any():
        what = f"an invalid geometry ({shapely.is_valid_reason(bad.iloc[0])})"
        cure = "repair them (in QGIS: 'Fix geometries')"
    raise OptionError(
        f"{title} has {what} in {len(bad)} of {counted(len(geometry), 'feature')} (fid {listed(bad.index)}); "
        f"{cure} and run again."
    )


def near_scene(
    frame: geopandas.GeoDataFrame, geobox: Georeference, *, title: str, kind: str
) -> tuple[geopandas.GeoDataFrame, Affine]:
    """Features at and around a scene.

    Parameters
    ----------
    frame : features with a CRS.
    title, kind : what a message calls the file and its features.

    Returns
    -------
    The single parts of the features in the scene's CRS and the file's order, and the scene's
    transform.

    Raises
    ------
    OptionError
        When the scene has no place on Earth or no feature touches it.
    """
    at = parts_at(frame, geobox, title=title)
    if at is not None:
        return at
    found = surroundings(frame, geobox)
    if found is None:
        in_coordinates_of(frame[:0], geobox, title=title)  # says why, where there is a reason
    bounds = geobox.extent.geom.bounds if found is None else found[1]
    raise OptionError(
        f"{title} does not touch the scene: its {kind} span {corners(frame.total_bounds)} and the "
        f"scene {corners(bounds)} in the {kind}' CRS; check the {kind}' CRS and place."
    )


def parts_at(
    frame: geopandas.GeoDataFrame, geobox: Georeference, *, title: str
) -> tuple[geopandas.GeoDataFrame, Affine] | None:
    """Find the features at and around a scene, as ``near_scene``; None where none touches it.

    Raises
    ------
    OptionError
        When the scene has no place on Earth.
    """
    if isinstance(geobox, GCPGeoBox) or geobox.crs is None:
        raise OptionError(
            f"{title} cannot be laid over a scene without a CRS and transform; georeference "
            f"the scene first (gdalwarp)."
        )
    found = surroundings(frame, geobox)
    if found is None:
        return None
    near = in_coordinates_of(found[0].explode(ignore_index=True), geobox, title=title)
    return (near, geobox.affine) if near.intersects(geobox.extent.geom).any() else None


def corners(bounds: tuple[float, float, float, float]) -> str:
    """The two corners of a box as messages show them."""
    return "({:.6g}, {:.6g}) to ({:.6g}, {:.6g})".format(*bounds)


def covers_centre(shapes: npt.NDArray[np.object_], affine: Affine) -> npt.NDArray[np.bool_]:
    """Whether each shape covers the centre of a pixel; lines and points always label one.

    Parameters
    ----------
    shapes : (n,) geometries in the grid's CRS.
    affine : of the grid.
    """
    inverse = ~affine
    turn = np.array([[inverse.a, inverse.d], [inverse.b, inverse.e]])
    places = shapely.transform(shapes, lambda xy: xy @ turn + (inverse.c, inverse.f))
    bounds = shapely.bounds(places)
    first, last = np.ceil(bounds[:, :2] - 0.5), np.floor(bounds[:, 2:] - 0.5)
    centres = np.maximum(last - first + 1, 0).prod(axis=1)
    covered: npt.NDArray[np.bool_] = (centres > _MOST_CENTRES) | (
        shapely.get_dimensions(shapes) < 2
    )
    for i in np.flatnonzero(~covered & (centres > 0)):
        axes = (np.arange(first[i, k], last[i, k] + 1) + 0.5 for k in (0, 1))
        x, y = np.meshgrid(*axes)
        covered[i] = shapely.contains_xy(places[i], x, y).any()
    return covered


class WindowIndex:
    """Finds the shapes that matter for a window of a grid.

    Parameters
    ----------
    shapes : geometries in the grid's CRS.
    """

    def __init__(self, shapes: npt.NDArray[np.object_], affine: Affine) -> None:
        self._tree = shapely.STRtree(shapes)
        self._affine = affine

    def window(
        self, rows: slice, cols: slice
    ) -> tuple[tuple[int, int], Affine, npt.NDArray[np.int64]]:
        """(rows, cols), transform, and positions of the shapes, in order, of a window."""
        shape = (rows.stop - rows.start, cols.stop - cols.start)
        affine = self._affine * Affine.translation(cols.start, rows.start)
        ends = [affine * (x, y) for x in (0, shape[1]) for y in (0, shape[0])]
        xs, ys = zip(*ends, strict=True)
        hit = self._tree.query(shapely.box(min(xs), min(ys), max(xs), max(ys)))
        return shape, affine, np.sort(hit)
