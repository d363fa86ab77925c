"""Tiles cut from strips of a scene, every pixel decoded once and only a strip in memory."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.scenes.scene import Scene, SceneReader
from georaster_dl.tiling.tiles import Tile, Tiling, round_up

__all__ = ["TileInput", "read_tiles", "rows_at_once"]

# A file whose blocks are taller than this is read row range by row range through GDAL's cache;
# holding whole blocks would cost more memory than it saves time.
_TALLEST_BLOCK = 1024
_RANGE = 256  # rows of such a range at least: its blocks may be decoded anew for each
_NATIVE = (
    "uint8",
    "int16",
    "uint16",
    "float32",
)  # what the device converts; others come as float32


def rows_at_once(scene: Scene) -> int:
    """Rows of which a strip holds all or none: those of the file's blocks, unless they are very tall."""
    return scene.block_rows if scene.block_rows <= _TALLEST_BLOCK else _RANGE


@dataclass(frozen=True)
class TileInput:
    """Input of the network for a tile.

    Attributes
    ----------
    numbers : (bands, rows, cols) stored numbers over the tile's outer window; anything where
        ``valid`` is False.
    valid : (rows, cols) True where the scene has a measurement; False in padding.
    """

    tile: Tile
    numbers: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_]


def read_tiles(
    scene: Scene,
    tiling: Tiling,
    reach: Callable[[Tile], tuple[slice, slice]],
    aoi_mask: Callable[[slice], npt.NDArray[np.bool_]] | None = None,
    strips: range | None = None,
) -> Generator[TileInput | Tile, None, None]:
    """Tiles in order, read strip by strip; to be run in one thread.

    Parameters
    ----------
    reach : rows and cols of the scene to which a tile contributes.
    aoi_mask : for a range of rows, (rows, all cols) True where a prediction is asked for; None
        asks for the whole scene.
    strips : rows of tiles; None for all.

    Yields
    ------
    A TileInput, or the bare Tile where no pixel of the mask in its reach is valid, so that the
    network need not run.
    """
    with gdal_environment(), SceneReader(scene) as reader:
        strip = _Strip(scene, reader, tiling)
        for row in range(tiling.grid[0]) if strips is None else strips:
            tiles = tiling.strip(row)
            rows = reach(tiles[0])[0]
            asked = None if aoi_mask is None else aoi_mask(rows)
            if asked is not None and not asked.any():
                yield from tiles
                continue
            strip.move_to(tiles[0].outer_rows)
            for tile in tiles:
                cols = reach(tile)[1]
                found = strip.valid_at(rows, cols)
                if not (found if asked is None else found & asked[:, cols]).any():
                    yield tile
                else:
                    yield TileInput(tile, *strip.cut(tile))


class _Strip:
    """A window of full-width rows that moves down the scene."""

    def __init__(self, scene: Scene, reader: SceneReader, tiling: Tiling) -> None:
        n_rows, n_cols = scene.shape
        self._reader = reader
        self._n_rows, self._n_cols = n_rows, n_cols
        self._block = rows_at_once(scene)
        # One call decodes whole rows of blocks, few enough that GDAL's cache stays small.
        self._step = round_up(256, self._block)
        # Rows are read in whole blocks, so up to a block more than a tile is held.
        capacity = min(tiling.tile_shape[0] + self._block - 1, n_rows)
        dtype = scene.dtype if scene.dtype.name in _NATIVE else np.dtype("float32")
        self._numbers = np.empty((len(scene.planes), capacity, n_cols), dtype)
        self._valid = np.empty((capacity, n_cols), bool)
        self._start = self._stop = 0  # rows of the scene that are held

    def move_to(self, rows: slice) -> None:
        """Hold at least these rows; they never move up."""
        stop = min(round_up(min(rows.stop, self._n_rows), self._block), self._n_rows)
        if stop <= self._stop:
            return  # nothing is moved for rows that are here: of flat tiles, many share a block
        start = min(max(self._start, rows.start), self._n_rows)
        kept = max(self._stop - start, 0)
        if start > self._start and kept:
            source = slice(start - self._start, self._stop - self._start)
            for plane in self._numbers:  # one at a time: the copy is of one plane then
                plane[:kept] = plane[source].copy()
            self._valid[:kept] = self._valid[source].copy()
        self._start = start
        first = max(self._stop, start)
        while first < stop:
            last = min(round_up(first + 1, self._step), stop)
            self._read(first, last)
            first = last
        self._stop = stop

    def _read(self, first: int, last: int) -> None:
        here = slice(first - self._start, last - self._start)
        out = self._numbers[:, here]
        _, self._valid[here] = self._reader.read(
            slice(first, last), slice(0, self._n_cols), out=out
        )

    def valid_at(self, rows: slice, cols: slice) -> npt.NDArray[np.bool_]:
        """Valid mask of a window of the scene that is held."""
        return self._valid[rows.start - self._start : rows.stop - self._start, cols]

    def cut(self, tile: Tile) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Numbers and valid mask over the tile's outer window; beyond the scene nothing is valid."""
        rows, cols = tile.outer_rows, tile.outer_cols
        shape = (rows.stop - rows.start, cols.stop - cols.start)
        first, last = rows.start - self._start, min(rows.stop, self._n_rows) - self._start
        right = min(cols.stop, self._n_cols)
        numbers = np.zeros((self._numbers.shape[0], *shape), self._numbers.dtype)
        valid = np.zeros(shape, bool)
        numbers[:, : last - first, : right - cols.start] = self._numbers[
            :, first:last, cols.start : right
        ]
        valid[: last - first, : right - cols.start] = self._valid[first:last, cols.start : right]
        return numbers, valid
