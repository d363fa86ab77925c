"""Points sorted into blocks of cells on the disk, so that memory does not grow with the files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from georaster_dl.core.disk import writing
from georaster_dl.lidar.raster.grid import cells_of
from georaster_dl.lidar.tiles import Points

__all__ = ["BLOCK", "Spill"]

BLOCK = 1024
"""Side of a block in cells."""
_RECORD = np.dtype(
    [
        ("cell", np.int32),
        ("z", np.int32),
        ("intensity", np.uint16),
        ("number", np.uint8),
        ("returns", np.uint8),
        ("klass", np.uint8),
    ]
)
_CHUNK = 1_000_000


class Spill:
    """Points by block, each block with a halo of its neighbours' points.

    Parameters
    ----------
    folder : empty one, for a file for each block.
    halo : cells around a block whose points it holds, too.
    unit : number of cells that rows and cols of a block are multiples of.

    Attributes
    ----------
    sides : rows and cols of a block with its halo.
    used : points inside the grid.
    late : points inside it of blocks that are done already, as their file's header does not enclose them.
    """

    def __init__(self, folder: Path, grid: GeoBox, halo: int, unit: int) -> None:
        self._folder, self._grid, self._halo = folder, grid, halo
        self._shape = tuple(int(n) for n in grid.shape)
        rows, cols = (min(BLOCK, -(-n // unit) * unit) + 2 * halo for n in self._shape)
        self.sides = (rows, cols)
        self.used = self.late = 0
        self._done = 0

    def add(self, points: Points) -> None:
        """Sort points into their blocks."""
        rows, cols = cells_of(self._grid, points.x, points.y)
        inside = (rows >= 0) & (rows < self._shape[0]) & (cols >= 0) & (cols < self._shape[1])
        late = int((inside & (rows < self._done * BLOCK)).sum())
        self.late += late
        self.used += int(inside.sum()) - late
        if not len(rows):
            return
        records = np.empty(len(rows), _RECORD)
        for name in ("z", "intensity", "number", "returns"):
            records[name] = getattr(points, name)
        records["klass"] = points.classes
        for block_row in self._blocks(rows, 0):
            top = block_row * BLOCK - self._halo
            of_row = np.flatnonzero((rows >= top) & (rows < top + self.sides[0]))
            for block_col in self._blocks(cols[of_row], 1):
                left = block_col * BLOCK - self._halo
                within = (cols[of_row] >= left) & (cols[of_row] < left + self.sides[1])
                here = of_row[within]
                self._append(
                    block_row,
                    block_col,
                    records[here],
                    (rows[here] - top) * self.sides[1] + cols[here] - left,
                )

    def read(self, block_row: int, block_col: int) -> Iterator[npt.NDArray[Any]]:
        """Read the points of a block in chunks; ``cell`` counts along rows of the block with its halo."""
        path = self._path(block_row, block_col)
        if not path.exists():
            return
        with path.open("rb") as file:
            while len(chunk := np.fromfile(file, _RECORD, _CHUNK)):
                yield chunk

    def drop_row(self, block_row: int) -> None:
        """Remove the files of a row of blocks that is done."""
        self._done = block_row + 1
        for path in self._folder.glob(f"{block_row}_*"):
            path.unlink()

    def _blocks(self, places: npt.NDArray[np.int64], axis: int) -> range:
        """Blocks that points of these rows or cols may belong to, halos counted."""
        if not len(places):
            return range(0)
        first = (int(places.min()) - self._halo) // BLOCK
        last = (int(places.max()) + self._halo) // BLOCK
        begin = self._done if axis == 0 else 0
        return range(max(first, begin), min(last, (self._shape[axis] - 1) // BLOCK) + 1)

    def _append(
        self, row: int, col: int, records: npt.NDArray[Any], cells: npt.NDArray[np.int64]
    ) -> None:
        if not len(records):
            return
        records["cell"] = cells
        path = self._path(row, col)
        with writing(path), path.open("ab") as file:
            records.tofile(file)

    def _path(self, row: int, col: int) -> Path:
        return self._folder / f"{row}_{col}"
