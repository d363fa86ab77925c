"""Tiles cut from a window that moves over a scene, so that only a strip of it, or less, is in memory."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.scenes.scene import Scene, SceneReader
from georaster_dl.tiling.tiles import Tile, Tiling, round_up

__all__ = ["TileInput", "block_of", "read_tiles"]

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


def block_of(scene: Scene) -> tuple[int, int]:
    """Rows, cols of which a window holds all or none: the file's blocks, unless they are very tall."""
    rows = scene.block_rows if scene.block_rows <= _TALLEST_BLOCK else _RANGE
    return rows, min(scene.block_cols, scene.shape[1])


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
    *,
    panels: bool = False,
) -> Generator[TileInput | Tile, None, None]:
    """Tiles in order, read strip by strip; to be run in one thread.

    Strips of full width are held, and every pixel is decoded once. With panels, a strip is read
    block column by block column: memory does not grow with its width, but blocks that two strips
    share are decoded for both.

    Parameters
    ----------
    reach : rows and cols of the scene to which a tile contributes.
    aoi_mask : for a range of rows, (rows, all cols) True where a prediction is asked for; None
        asks for the whole scene.
    strips : rows of tiles; None for all.
    panels : whether no more than a tile and a column of blocks is held.

    Yields
    ------
    A TileInput, or the bare Tile where no pixel of the mask in its reach is valid, so that the
    network need not run.
    """
    with gdal_environment(), SceneReader(scene) as reader:
        window = _Window(scene, reader, tiling, moves_right=panels)
        for row in range(tiling.grid[0]) if strips is None else strips:
            tiles = tiling.strip(row)
            rows = reach(tiles[0])[0]
            asked = None if aoi_mask is None else aoi_mask(rows)
            for tile in tiles:
                cols = reach(tile)[1]
                wanted = None if asked is None else asked[:, cols]
                if wanted is not None and not wanted.any():
                    yield tile
                    continue
                window.move_to(tile)
                found = window.valid_at(rows, cols)
                if not (found if wanted is None else found & wanted).any():
                    yield tile
                else:
                    yield TileInput(tile, *window.cut(tile))


class _Window:
    """Pixels of a scene that are held: full-width rows that move down, or a strip's columns that move right."""

    def __init__(
        self, scene: Scene, reader: SceneReader, tiling: Tiling, *, moves_right: bool
    ) -> None:
        self._reader = reader
        self._shape = scene.shape
        self._axis = int(moves_right)
        self._block = block_of(scene)[self._axis]
        # One call decodes whole blocks, few enough that GDAL's cache stays small.
        self._step = round_up(_RANGE, self._block)
        # Blocks are read whole along the axis, so up to one more than a tile is held.
        held = [tiling.tile_shape[0], tiling.tile_shape[1] if moves_right else scene.shape[1]]
        held[self._axis] += self._block - 1
        rows, cols = (min(each) for each in zip(held, scene.shape, strict=True))
        dtype = scene.dtype if scene.dtype.name in _NATIVE else np.dtype("float32")
        self._numbers = np.empty((len(scene.planes), rows, cols), dtype)
        self._valid = np.empty((rows, cols), bool)
        self._across = slice(0, 0)  # along the other axis
        self._start = self._stop = 0  # along the axis

    def move_to(self, tile: Tile) -> None:
        """Hold at least the tile's outer window; tiles come in order."""
        rows, cols = (
            slice(outer.start, min(outer.stop, n))
            for outer, n in zip((tile.outer_rows, tile.outer_cols), self._shape, strict=True)
        )
        along, across = (cols, rows) if self._axis else (rows, slice(0, self._shape[1]))
        if across != self._across:
            self._across, self._start, self._stop = across, 0, 0
        self._move(along)

    def _move(self, along: slice) -> None:
        stop = min(round_up(along.stop, self._block), self._shape[self._axis])
        if stop <= self._stop:
            return  # nothing is moved for what is here: of flat tiles, many share a block
        start = max(self._start, along.start)
        kept = max(self._stop - start, 0)
        if start > self._start and kept:
            source = slice(start - self._start, self._stop - self._start)
            for plane in (
                *self._numbers,
                self._valid,
            ):  # one at a time: the copy is of one plane then
                self._part(plane, slice(0, kept))[:] = self._part(plane, source).copy()
        self._start = start
        first = max(self._stop, start)
        while first < stop:
            last = min(round_up(first + 1, self._step), stop)
            self._read(slice(first, last))
            first = last
        self._stop = stop

    def _part(self, held: npt.NDArray[Any], along: slice) -> npt.NDArray[Any]:
        """Part of an array (..., rows, cols) that is held, as far as the scene reaches across."""
        across = slice(0, self._across.stop - self._across.start)
        return held[..., across, along] if self._axis else held[..., along, across]

    def _read(self, along: slice) -> None:
        here = slice(along.start - self._start, along.stop - self._start)
        rows, cols = (self._across, along) if self._axis else (along, self._across)
        _, valid = self._reader.read(rows, cols, out=self._part(self._numbers, here))
        self._part(self._valid, here)[:] = valid

    def valid_at(self, rows: slice, cols: slice) -> npt.NDArray[np.bool_]:
        """Valid mask of a window of the scene that is held."""
        top, left = self._origin
        return self._valid[rows.start - top : rows.stop - top, cols.start - left : cols.stop - left]

    @property
    def _origin(self) -> tuple[int, int]:
        """Row, col of the scene that is held first."""
        return (self._across.start, self._start) if self._axis else (self._start, 0)

    def cut(self, tile: Tile) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Numbers and valid mask over the tile's outer window; beyond the scene nothing is valid."""
        shape = tuple(each.stop - each.start for each in (tile.outer_rows, tile.outer_cols))
        top, left = (
            each.start - first
            for each, first in zip((tile.outer_rows, tile.outer_cols), self._origin, strict=True)
        )
        bottom = min(tile.outer_rows.stop, self._shape[0]) - self._origin[0]
        right = min(tile.outer_cols.stop, self._shape[1]) - self._origin[1]
        numbers = np.zeros((self._numbers.shape[0], *shape), self._numbers.dtype)
        valid = np.zeros(shape, bool)
        numbers[:, : bottom - top, : right - left] = self._numbers[:, top:bottom, left:right]
        valid[: bottom - top, : right - left] = self._valid[top:bottom, left:right]
        return numbers, valid
