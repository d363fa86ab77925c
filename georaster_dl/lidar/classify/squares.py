"""Points sorted into squares with an overlap on the disk, so that neighbours are found in little memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.disk import writing
from georaster_dl.io.files.temporary import working_folder
from georaster_dl.lidar.classify.features import CELL_M, RADIUS_M, CellsAround, point_features
from georaster_dl.lidar.options import RasterOptions
from georaster_dl.lidar.raster.grid import grid_of
from georaster_dl.lidar.raster.run import lidar_raster
from georaster_dl.lidar.tiles import Tile, TileSet, read_points

__all__ = ["Squares", "features_of_tile"]

_RECORD = np.dtype(
    [
        ("index", np.int64),
        ("x", np.float64),
        ("y", np.float64),
        ("z", np.int32),
        ("intensity", np.uint16),
        ("number", np.uint8),
        ("returns", np.uint8),
        ("klass", np.uint8),
        ("asked", np.bool_),
    ]
)
_POINTS = 250_000


class Squares:
    """Points of a file by square, each square with the points around it.

    Parameters
    ----------
    tiles : set of a single file.
    folder : empty one, for a file for each square.
    overlap : distance around a square whose points it holds, too, in units of the CRS.
    share : part of the points whose features are wanted, drawn at random by the seed.
    points : number of points that a square holds about.

    Attributes
    ----------
    intensity : median of the points.
    """

    def __init__(
        self,
        tiles: TileSet,
        folder: Path,
        overlap: float,
        share: float = 1.0,
        seed: int = 0,
        points: int = _POINTS,
    ) -> None:
        self._folder, self._overlap = folder, overlap
        left, bottom, right, top = tiles.box
        self._origin = np.array([left, bottom])
        area = max(right - left, overlap) * max(top - bottom, overlap)
        self._side = max(math.sqrt(area * points / tiles.count), 2 * overlap)
        self._counts = [int(n / self._side) + 1 for n in (right - left, top - bottom)]
        self._rng, self._share = np.random.default_rng(seed), share
        histogram = np.zeros(2**16, np.int64)
        for records in _records(tiles):
            records["asked"] = self._rng.random(len(records)) < self._share
            histogram += np.bincount(records["intensity"], minlength=2**16)
            self._add(records)
        self.intensity = float(np.searchsorted(histogram.cumsum(), histogram.sum() / 2))

    def __iter__(self) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[np.intp]]]:
        """Iterate over squares: their points, and the indexes of those asked for, none of which is in two squares."""
        for path in sorted(self._folder.glob("*.points")):
            points = np.fromfile(path, _RECORD)
            path.unlink()
            col, row = (int(part) for part in path.stem.split("_"))
            own = (self._square(points["x"], 0) == col) & (self._square(points["y"], 1) == row)
            asked = np.flatnonzero(own & points["asked"])
            if len(asked):
                yield points, asked

    def _square(
        self, places: npt.NDArray[np.float64], axis: int, shift: float = 0.0
    ) -> npt.NDArray[np.int64]:
        number = np.floor((places - self._origin[axis] + shift) / self._side).astype(np.int64)
        clipped: npt.NDArray[np.int64] = np.clip(number, 0, self._counts[axis] - 1)
        return clipped

    def _add(self, records: npt.NDArray[Any]) -> None:
        if not len(records):
            return
        ranges = [
            (
                self._square(records[name], axis, -self._overlap),
                self._square(records[name], axis, self._overlap),
            )
            for axis, name in enumerate("xy")
        ]
        (first_col, last_col), (first_row, last_row) = ranges
        for row in range(int(first_row.min()), int(last_row.max()) + 1):
            of_row = np.flatnonzero((first_row <= row) & (last_row >= row))
            for col in np.unique(np.concatenate([first_col[of_row], last_col[of_row]])):
                here = of_row[(first_col[of_row] <= col) & (last_col[of_row] >= col)]
                path = self._folder / f"{col}_{row}.points"
                with writing(path), path.open("ab") as file:
                    records[here].tofile(file)


def _records(tiles: TileSet) -> Iterator[npt.NDArray[Any]]:
    """Read the used points of the file, with their index in it."""
    for points in read_points(tiles, tiles.tiles[0]):
        records = np.zeros(len(points.x), _RECORD)
        for name in ("index", "x", "y", "z", "intensity", "number", "returns"):
            records[name] = getattr(points, name)
        records["klass"] = points.classes
        yield records


@contextmanager
def features_of_tile(
    cloud: TileSet, tile: Tile, folder: Path, *, share: float = 1.0, seed: int = 0
) -> Iterator[Iterator[tuple[npt.NDArray[Any], npt.NDArray[np.float32]]]]:
    """Compute the features of the points of a file, square by square.

    Parameters
    ----------
    folder : existing one, for temporary files.
    share : part of the points whose features are wanted.

    Yields
    ------
    Records (index, x, y, z, class, ...) of points and their features (points, features); each point once.
    """
    one = replace(cloud, tiles=(tile,))
    with working_folder(folder) as here:
        raster = here / "cells.tif"
        crs = None if one.crs is None else one.crs.to_wkt()
        lidar_raster([tile.path], raster, RasterOptions(cell=CELL_M, ground="filter", crs=crs))
        squares = Squares(one, here, RADIUS_M / one.unit_m, share, seed)
        around = CellsAround(raster, grid_of(one, CELL_M))

        def each() -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[np.float32]]]:
            for points, asked in squares:
                yield (
                    points[asked],
                    point_features(points, asked, around, one.unit_m, squares.intensity),
                )

        yield each()
