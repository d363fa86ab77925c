"""True ground area of a map's pixels, whatever its CRS."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyproj
from affine import Affine
from odc.geo.gcp import GCPGeoBox

from georaster_dl.raster import Georeference

__all__ = ["row_areas", "to_ground"]

_Floats = npt.NDArray[np.float64]

# The equal-area cylinder of the WGS 84 ellipsoid: meridians and parallels stay straight, so pixels
# in degrees are measured exactly.
_EQUAL_AREA = "EPSG:6933"
_AROUND_THE_EARTH = 2 * 17_367_530.445161372  # on that cylinder, metres


def row_areas(geobox: Georeference, rows: slice) -> _Floats | None:
    """Ground area of one pixel of each row, in square metres on the ellipsoid.

    It is that of the pixel in the row's middle: exact for geographic CRSs and Mercator, whose
    distortion changes with latitude alone, and for equal-area ones; within 0.1 % for a scene in UTM.

    Parameters
    ----------
    geobox : the map's grid.
    rows : the rows asked for.

    Returns
    -------
    (rows,) areas; None without a CRS or with ground control points only.
    """
    if isinstance(geobox, GCPGeoBox) or geobox.crs is None:
        return None
    to_plane = pyproj.Transformer.from_crs(geobox.crs.to_wkt(), _EQUAL_AREA, always_xy=True)
    middle = np.arange(rows.start, rows.stop) + 0.5
    col = np.full_like(middle, geobox.shape[1] / 2)

    def place(right: float, down: float) -> _Floats:
        at = to_ground(geobox.affine, col + right, middle + down)
        return np.array(to_plane.transform(*at))

    x1, y1 = place(0.5, 0) - place(-0.5, 0)
    x2, y2 = place(0, 0.5) - place(0, -0.5)
    areas: _Floats = np.abs(_unwrapped(x1) * y2 - _unwrapped(x2) * y1)
    return areas


def to_ground(affine: Affine, cols: _Floats, rows: _Floats) -> tuple[_Floats, _Floats]:
    """Coordinates x and y of places given as (n,) cols and rows; by the inverse, the way back."""
    x = affine.a * cols + affine.b * rows + affine.c
    y = affine.d * cols + affine.e * rows + affine.f
    return x, y


def _unwrapped(x: _Floats) -> _Floats:
    """The short way, where the date line lies between two places."""
    return (x + _AROUND_THE_EARTH / 2) % _AROUND_THE_EARTH - _AROUND_THE_EARTH / 2
