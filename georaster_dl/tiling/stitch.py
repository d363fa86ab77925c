"""Tile outputs back on the scene's grid, without seams and without a scene-sized array.

Every pixel belongs to the core of one tile. With a margin of 0 the cores are placed side by side
(trim). With a margin ``m`` the outputs of two neighbours are mixed over the ``2 m`` pixels around
their seam, with a flat-top cosine weight: 1 in the inside of a tile, a half-cosine across the
seam, the two weights summing to 1 along each axis. Mixing is written as ``a + t (b - a)``, which
gives exactly ``a`` where both neighbours agree, so a constant field stays exactly constant.

A tile's block is final as soon as its left and upper neighbours are in, so only the ``2 m``
columns and rows that the next tiles still need are kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.tiling.tiles import Tile, Tiling

__all__ = ["Stitcher"]

Block = npt.NDArray[Any]


class Stitcher:
    """Puts the outputs of a tiling's tiles together, strip by strip from the top left.

    Parameters
    ----------
    tiling : the tiles, which must come in its order; a tile may be left out (see ``add``).
    margin : pixels on each side of a seam over which outputs are mixed; 0 trims.

    Raises
    ------
    OptionError
        When the margin exceeds the halo or half the smallest core between two seams.
    """

    def __init__(self, tiling: Tiling, margin: int = 0) -> None:
        largest = tiling.largest_margin()
        if not 0 <= margin <= largest:
            raise OptionError(
                f"Outputs of these tiles can be blended over 0 to {largest} pixels on each side of a "
                f"seam, not {margin}; use a larger halo or tile."
            )
        self._tiling = tiling
        self._margin = margin
        ramp = (1 - np.cos(np.pi * (np.arange(2 * margin) + 0.5) / max(2 * margin, 1))) / 2
        self._ramp = ramp.astype(np.float32)
        self._left: dict[int, Block] = {}  # by tile column; only the last tile's
        self._above: dict[int, Block] = {}  # by tile column, from the strip above
        self._below: dict[int, Block] = {}  # by tile column, of this strip
        self._strip = -1

    def reach(self, tile: Tile) -> tuple[slice, slice]:
        """Rows and cols of the scene to which the tile contributes: its core and the margins."""
        rows, cols = self._tiling.shape
        return _widened(tile.core_rows, self._margin, rows), _widened(
            tile.core_cols, self._margin, cols
        )

    def final(self, tile: Tile) -> tuple[slice, slice]:
        """Rows and cols of the scene that are final once the tile is added."""
        n_rows, n_cols = self._tiling.grid
        return (
            _moved_up(tile.core_rows, self._margin, last=tile.row == n_rows - 1),
            _moved_up(tile.core_cols, self._margin, last=tile.col == n_cols - 1),
        )

    def add(self, tile: Tile, block: Block) -> Block:
        """Mix the tile's output with its neighbours' and return the pixels that are now final.

        Parameters
        ----------
        tile : the next tile. A tile without a valid pixel in its reach may be left out.
        block : (planes, rows, cols) over ``reach(tile)``; float32 where the margin is not 0.
            It is changed in place.

        Returns
        -------
        (planes, rows, cols) over ``final(tile)``.
        """
        if self._margin == 0:
            return block
        if tile.row != self._strip:
            self._above = self._below if tile.row == self._strip + 1 else {}
            self._below, self._left, self._strip = {}, {}, tile.row
        rows, cols = self.final(tile)
        width, height = cols.stop - cols.start, rows.stop - rows.start
        left = self._left.pop(tile.col - 1, None)
        if left is not None:
            self._mix(left, block[:, :, : left.shape[2]], self._ramp[: left.shape[2]])
        self._left = {tile.col: block[:, :, width:].copy()}
        block = block[:, :, :width]
        above = self._above.pop(tile.col, None)
        if above is not None:
            self._mix(above, block[:, : above.shape[1]], self._ramp[: above.shape[1], None])
        self._below[tile.col] = block[:, height:].copy()
        return block[:, :height]

    @staticmethod
    def _mix(before: Block, now: Block, weight: npt.NDArray[np.float32]) -> None:
        """``now = before + weight (now - before)``, in place."""
        now -= before
        now *= weight
        now += before


def _widened(core: slice, margin: int, n: int) -> slice:
    return slice(max(core.start - margin, 0), min(core.stop + margin, n))


def _moved_up(core: slice, margin: int, *, last: bool) -> slice:
    return slice(max(core.start - margin, 0), core.stop if last else core.stop - margin)
