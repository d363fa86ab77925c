"""Features of points: height, returns, the shape of their nearest neighbours, and the cells around them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox
from rasterio.windows import Window
from scipy import ndimage
from scipy.spatial import KDTree

from georaster_dl.io.scenes.dataset import open_dataset
from georaster_dl.lidar.raster.cells import BANDS
from georaster_dl.lidar.raster.grid import cells_of
from georaster_dl.lidar.tiles import UNITS_PER_METRE

__all__ = ["CELL_M", "FEATURES", "RADIUS_M", "CellsAround", "point_features"]

CELL_M = 2.0
"""Side of the cells whose bands around a point are features."""
RADIUS_M = 10.0
"""Distance up to which neighbours count, so a point's features need no points farther away."""
_NEIGHBOURS = 12
_CHUNK = 50_000
_WINDOWS = (3, 9)
_BANDS_AROUND = ("ndsm", "return_ratio", "multi_share", "roughness", "above_2m")

FEATURES = (
    "height",
    "relative_intensity",
    "return_number",
    "number_of_returns",
    "above_lowest",
    "below_highest",
    "z_deviation",
    "linearity",
    "planarity",
    "scattering",
    "verticality",
    "farthest_neighbour",
    *(f"{band}_{size * CELL_M:g}m" for band in _BANDS_AROUND for size in _WINDOWS),
)

_Floats = npt.NDArray[np.float64]
_Values = npt.NDArray[np.float32]


class CellsAround:
    """Terrain and windowed means of the bands of a raster of points.

    Parameters
    ----------
    path : raster of ``lidar_raster`` with cells of ``CELL_M``.
    grid : its grid.
    """

    def __init__(self, path: Any, grid: GeoBox) -> None:
        self._path, self._grid = path, grid

    def at(self, x: _Floats, y: _Floats) -> tuple[_Floats, _Values]:
        """Read terrain (points,) in metres and means (points, windows of bands) at points near each other."""
        margin = max(_WINDOWS) // 2
        rows, cols = cells_of(self._grid, x, y)
        top, left = int(rows.min()) - margin, int(cols.min()) - margin
        shape = int(rows.max()) + margin + 1 - top, int(cols.max()) + margin + 1 - left
        here = self._read(top, left, shape)
        rows, cols = rows - top, cols - left
        dtm = here[BANDS.index("dtm"), rows, cols].astype(np.float64)
        means = [
            _mean_around(here[BANDS.index(band)], size)[rows, cols]
            for band in _BANDS_AROUND
            for size in _WINDOWS
        ]
        return dtm, np.stack(means, axis=1).astype(np.float32)

    def _read(self, top: int, left: int, shape: tuple[int, int]) -> _Values:
        """Read (bands, rows, cols), NaN beyond the raster."""
        values = np.full((len(BANDS), *shape), np.nan, np.float32)
        rows, cols = (
            (max(first, 0), min(first + n, int(whole)))
            for first, n, whole in zip((top, left), shape, self._grid.shape, strict=True)
        )
        with open_dataset(str(self._path)) as dataset:
            window = Window(cols[0], rows[0], cols[1] - cols[0], rows[1] - rows[0])
            inside = dataset.read(window=window)
        values[:, rows[0] - top : rows[1] - top, cols[0] - left : cols[1] - left] = inside
        return values


def point_features(
    points: npt.NDArray[Any],
    asked: npt.NDArray[np.intp],
    around: CellsAround,
    unit_m: float,
    intensity: float,
) -> _Values:
    """Compute the features of some of the points of a square.

    Parameters
    ----------
    points : records of ``Squares``, with all points within ``RADIUS_M`` of those asked for.
    asked : indexes of the points whose features are wanted.
    unit_m : length of a unit of x and y.
    intensity : median of the file, which features are relative to: sensors scale theirs as they like.

    Returns
    -------
    (asked, features) in the order of ``FEATURES``; finite.
    """
    x, y, z = points["x"], points["y"], points["z"] / UNITS_PER_METRE
    xyz = np.stack([(x - x.min()) * unit_m, (y - y.min()) * unit_m, z], axis=1)
    own = points[asked]
    dtm, means = around.at(own["x"], own["y"])
    tree = KDTree(xyz)
    shapes = [_shapes(tree, xyz, asked[i : i + _CHUNK]) for i in range(0, len(asked), _CHUNK)]
    first = np.stack(
        [z[asked] - dtm, own["intensity"] / max(intensity, 1.0), own["number"], own["returns"]],
        axis=1,
    )
    return np.nan_to_num(
        np.concatenate([first, np.concatenate(shapes), means], axis=1).astype(np.float32)
    )


def _shapes(tree: KDTree, xyz: _Floats, asked: npt.NDArray[np.intp]) -> _Floats:
    """Describe the nearest neighbours of points by their heights and covariance (Weinmann et al. 2015)."""
    here = xyz[asked]
    distance, index = tree.query(here, k=_NEIGHBOURS, distance_upper_bound=RADIUS_M)
    known = np.isfinite(distance)
    index[~known] = 0
    n = known.sum(axis=1)
    near = np.where(known[..., None], xyz[index] - here[:, None], 0.0)
    mean = near.sum(axis=1) / n[:, None]
    from_mean = np.where(known[..., None], near - mean[:, None], 0.0)
    covariance = np.einsum("nki,nkj->nij", from_mean, from_mean) / n[:, None, None]
    values, vectors = np.linalg.eigh(covariance)
    large, middle, small = np.sqrt(np.maximum(values[:, ::-1], 0.0)).T
    scale = np.maximum(large, 1e-6)
    shape: _Floats = np.stack(
        [
            -near[..., 2].min(axis=1),
            near[..., 2].max(axis=1),
            np.sqrt(covariance[:, 2, 2]),
            (large - middle) / scale,
            (middle - small) / scale,
            small / scale,
            1.0 - np.abs(vectors[:, 2, 0]),
            np.where(known, distance, 0.0).max(axis=1),
        ],
        axis=1,
    )
    return shape


def _mean_around(values: _Values, size: int) -> _Floats:
    known = np.isfinite(values)
    total = ndimage.uniform_filter(
        np.where(known, values, 0.0).astype(np.float64), size, mode="constant"
    )
    weight = ndimage.uniform_filter(known.astype(np.float64), size, mode="constant")
    mean: _Floats = total / np.maximum(weight, 1e-9)
    return mean
