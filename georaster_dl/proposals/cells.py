"""Candidates for labelling in a scene: square cells, or parcels that exist already."""

from __future__ import annotations

from typing import Protocol

import geopandas
import numpy as np
import numpy.typing as npt
import shapely
from odc.geo.gcp import GCPGeoBox
from odc.geo.geobox import GeoBox

from georaster_dl.core.errors import SceneError
from georaster_dl.io.labels.zones import RasterizedZones
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.io.vectors.placing import in_coordinates_of

__all__ = ["Cells", "Parcels", "Zones", "grid_of"]

_Floats = npt.NDArray[np.float64]
_Numbers = npt.NDArray[np.intp]


class Zones(Protocol):
    """Candidates of a scene, numbered from 0.

    Attributes
    ----------
    count : number of them.
    """

    count: int

    def read(self, rows: slice, cols: slice) -> npt.NDArray[np.int32]:
        """(rows, cols) number of the candidate that a pixel belongs to, -1 where none."""

    def outlines(self, numbers: _Numbers) -> npt.NDArray[np.object_]:
        """(n,) polygons of candidates, in cols and rows of the scene."""

    def sizes(self, numbers: _Numbers) -> _Floats:
        """(n,) pixels of candidates, valid or not."""


class Cells:
    """Square cells of a scene from its upper left corner; the edge cuts off the last.

    Parameters
    ----------
    side : of a cell in pixels.
    """

    def __init__(self, shape: tuple[int, int], side: int) -> None:
        self._shape = shape
        self._side = side
        self._across = -(-shape[1] // side)
        self.count = -(-shape[0] // side) * self._across

    def read(self, rows: slice, cols: slice) -> npt.NDArray[np.int32]:
        """(rows, cols) number of the cell of each pixel."""
        down = np.arange(rows.start, rows.stop, dtype=np.int32) // self._side
        across = np.arange(cols.start, cols.stop, dtype=np.int32) // self._side
        numbers: npt.NDArray[np.int32] = down[:, None] * np.int32(self._across) + across
        return numbers

    def outlines(self, numbers: _Numbers) -> npt.NDArray[np.object_]:
        """(n,) squares in cols and rows."""
        row, col = np.divmod(numbers, self._across)
        low = np.stack([col, row]) * self._side
        high = np.minimum(low + self._side, np.array(self._shape[::-1])[:, None])
        squares: npt.NDArray[np.object_] = shapely.box(*low, *high)
        return squares

    def sizes(self, numbers: _Numbers) -> _Floats:
        """(n,) pixels of a whole cell, so that one cut off by the edge counts as partly empty."""
        return np.full(len(numbers), float(self._side**2))


class Parcels:
    """Polygons over a scene.

    Parameters
    ----------
    frame : polygons with a CRS.
    title : what a message calls their file.

    Raises
    ------
    OptionError
        When none touches the scene.
    """

    def __init__(self, frame: geopandas.GeoDataFrame, geobox: GeoBox, title: str) -> None:
        self._frame, self._geobox, self._title = frame, geobox, title
        self._zones = RasterizedZones(frame, geobox, title)
        self.count = len(frame)

    def read(self, rows: slice, cols: slice) -> npt.NDArray[np.int32]:
        """(rows, cols) number of the parcel that covers a pixel's centre, -1 where none does."""
        return self._zones.read(rows, cols)

    def outlines(self, numbers: _Numbers) -> npt.NDArray[np.object_]:
        """(n,) parcels in cols and rows."""
        placed = in_coordinates_of(self._frame.iloc[numbers], self._geobox, title=self._title)
        to_pixels = (~self._geobox.affine).to_shapely()
        parcels: npt.NDArray[np.object_] = placed.geometry.affine_transform(to_pixels).to_numpy()
        return parcels

    def sizes(self, numbers: _Numbers) -> _Floats:
        """(n,) area in pixels."""
        areas: _Floats = shapely.area(self.outlines(numbers))
        return areas


def grid_of(scene: Scene) -> GeoBox:
    """Return the grid of a scene that has a place on Earth.

    Raises
    ------
    SceneError
        When it has none, or ground control points only.
    """
    if isinstance(scene.geobox, GCPGeoBox) or scene.geobox.crs is None:
        raise SceneError(
            f"{scene.name} has no CRS and transform, so areas of it cannot be labelled as polygons; georeference "
            f"it first (gdalwarp)."
        )
    return scene.geobox
