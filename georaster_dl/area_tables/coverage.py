"""Share of each pixel that polygons cover, strip by strip (exactextract)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from odc.geo.geobox import GeoBox

from georaster_dl.core.geography import pixel_areas

__all__ = ["Coverage"]

_Floats = npt.NDArray[np.float64]


class Coverage:
    """Polygons over the grid of a map.

    Parameters
    ----------
    shapes : (areas,) polygons in the CRS of the grid.
    geobox : of the map, with a CRS and a transform.

    Attributes
    ----------
    inside : (areas,) share of each polygon that lies on the grid, 0 to 1.
    """

    def __init__(self, shapes: npt.NDArray[Any], geobox: GeoBox) -> None:
        self._geobox = geobox
        inverse = ~geobox.affine
        turn = np.array([[inverse.a, -inverse.d], [inverse.b, -inverse.e]])
        # In pixels, so that any grid is one of unit cells with north up.
        self._shapes = shapely.transform(shapes, lambda xy: xy @ turn + (inverse.c, -inverse.f))
        self._tree = shapely.STRtree(self._shapes)
        rows, cols = geobox.shape
        on_grid = shapely.area(shapely.intersection(self._shapes, shapely.box(0, -rows, cols, 0)))
        self.inside: _Floats = on_grid / shapely.area(self._shapes)

    def of_strip(self, rows: slice) -> Iterator[tuple[int, npt.NDArray[np.int64], _Floats]]:
        """Cover the pixels of full-width rows.

        Yields
        ------
        Number of each polygon that reaches them, the places (pixels,) in the flattened strip that it covers,
        and the square metres (pixels,) that it covers of each.
        """
        from exactextract import exact_extract
        from exactextract.feature import JSONFeatureSource
        from exactextract.raster import NumPyRasterSource

        n_cols = self._geobox.shape[1]
        bounds = {"xmin": 0, "ymin": -rows.stop, "xmax": n_cols, "ymax": -rows.start}
        touching = np.sort(self._tree.query(shapely.box(0, -rows.stop, n_cols, -rows.start)))
        if not len(touching):
            return
        areas = pixel_areas(self._geobox, rows)
        if areas is None:
            raise ValueError("Pixels without an area were not refused.")
        raster = NumPyRasterSource(np.zeros((rows.stop - rows.start, n_cols), np.uint8), **bounds)
        for number in touching:
            shape = shapely.geometry.mapping(self._shapes[number])
            source = JSONFeatureSource([{"type": "Feature", "geometry": shape, "properties": {}}])
            (found,) = exact_extract(raster, source, ["cell_id", "coverage"])
            places = np.asarray(found["properties"]["cell_id"], np.int64)
            shares = np.asarray(found["properties"]["coverage"], np.float64)
            yield int(number), places, shares * areas[places // n_cols]
