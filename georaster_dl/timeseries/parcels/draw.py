"""Random pixels of groups, the same for any order of blocks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["PixelDraw", "Pixels"]

_MOST_WAITING = 2**22  # pixels, before those that cannot be drawn any more are dropped

_Ints = npt.NDArray[np.int64]


class Pixels:
    """Drawn pixels: ``group``, ``slot`` within it, and ``rows`` and ``cols``, in the order of rows."""

    def __init__(self, group: _Ints, slot: _Ints, rows: _Ints, cols: _Ints) -> None:
        order = np.lexsort((cols, rows))
        self.group, self.slot = group[order], slot[order]
        self.rows, self.cols = rows[order], cols[order]

    def __len__(self) -> int:
        return len(self.group)

    def inside(self, rows: slice, cols: slice) -> npt.NDArray[np.intp]:
        """Find the positions of the pixels in a window."""
        first, last = np.searchsorted(self.rows, (rows.start, rows.stop))
        own = self.cols[first:last]
        return np.asarray(np.flatnonzero((own >= cols.start) & (own < cols.stop)) + first)


class PixelDraw:
    """Draws up to ``most`` pixels of each group at random.

    Every pixel has a random number that follows from seed, row and col; those with the smallest are drawn.
    """

    def __init__(self, most: int, seed: int) -> None:
        self._most, self._seed = most, seed
        self._waiting: list[npt.NDArray[np.int64]] = []
        self._n = 0

    def add(self, group: _Ints, rows: _Ints, cols: _Ints) -> None:
        """Offer pixels (n,) of groups at rows and cols of the whole grid."""
        if len(group):
            self._waiting.append(np.stack([group, rows, cols]))
            self._n += len(group)
        if self._n > _MOST_WAITING:
            kept, _slot = self._smallest()
            self._waiting, self._n = [kept], kept.shape[1]

    def drawn(self) -> Pixels:
        """Give the pixels that were drawn."""
        kept, slot = self._smallest()
        return Pixels(kept[0], slot, kept[1], kept[2])

    def _smallest(self) -> tuple[npt.NDArray[np.int64], _Ints]:
        every = np.concatenate([np.empty((3, 0), np.int64), *self._waiting], axis=1)
        order = np.lexsort((_hashed(every[1], every[2], self._seed), every[0]))
        every = every[:, order]
        starts = np.flatnonzero(np.diff(every[0], prepend=-1))
        lengths = np.diff(starts, append=every.shape[1])
        slot = np.arange(every.shape[1]) - np.repeat(starts, lengths)
        kept = slot < self._most
        return every[:, kept], slot[kept]


def _hashed(rows: _Ints, cols: _Ints, seed: int) -> npt.NDArray[np.uint64]:
    """Random numbers of places (SplitMix64, Steele et al. 2014)."""
    state = _mixed(np.asarray(rows, np.uint64) + np.uint64(seed % 2**32 << 32))
    return _mixed(state + np.asarray(cols, np.uint64))


def _mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        mixed = values + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))
