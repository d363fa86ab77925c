"""Spatial train/validation/test splits: blocks of cells, separated by a gap.

A split assigns every cell of a scene to one part, or to none. To a part, the pixels of others are
nodata: they are neither trained on, nor seen as context, nor tested on. So no pixel that a network
was trained on, its halo included, can help it in validation or test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.tiling.sampling import LabelIndex

__all__ = [
    "ALL_PARTS",
    "NO_PART",
    "PARTS",
    "SEEN_PLACES",
    "TEST",
    "TRAIN",
    "VALIDATION",
    "SplitMask",
    "assign",
    "block_side",
]

PARTS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(3)
SEEN_PLACES = 3
"""Ground in blocks of the training scenes, kept from training to tell how far what was learnt carries."""
ALL_PARTS = (*PARTS, "blocks of training scenes")
NO_PART = -1

Parts = npt.NDArray[np.int8]

_TRIES = 1000
_ENOUGH_BLOCKS = 24
_SIDES = (64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2)  # of a block, in cells


@dataclass(frozen=True)
class SplitMask:
    """Which part of a split each cell of a scene belongs to.

    Attributes
    ----------
    shape : rows, cols of the scene in pixels.
    cell : side of a cell in pixels.
    parts : (cell rows, cell cols), index into ``ALL_PARTS``, or ``NO_PART``.
    """

    shape: tuple[int, int]
    cell: int
    parts: Parts

    @classmethod
    def whole(cls, index: LabelIndex, part: int) -> SplitMask:
        """Make the mask of a scene that belongs to one part."""
        return cls(index.shape, index.cell, np.full(index.grid, part, np.int8))

    @classmethod
    def blocks(cls, index: LabelIndex, block: int, parts: Parts, gap: int) -> SplitMask:
        """Make the mask of blocks of ``block`` cells that belong to ``parts`` (block rows, block cols).

        ``gap`` is the least distance in pixels between two parts; see ``separated``.
        """
        rows, cols = index.grid
        cells = parts.repeat(block, axis=0).repeat(block, axis=1)[:rows, :cols]
        return cls(index.shape, index.cell, separated(cells, gap, index.cell))

    def window(self, part: int, rows: slice, cols: slice) -> npt.NDArray[np.bool_]:
        """Mask (rows, cols) of the pixels of a window that belong to ``part``."""
        down = np.arange(rows.start, rows.stop) // self.cell
        across = np.arange(cols.start, cols.stop) // self.cell
        inside: npt.NDArray[np.bool_] = self.parts[down[:, None], across[None]] == part
        return inside

    def cells(self, part: int) -> npt.NDArray[np.bool_]:
        """Mask (cell rows, cell cols) of the cells that belong to ``part``."""
        cells: npt.NDArray[np.bool_] = self.parts == part
        return cells


def separated(cells: Parts, gap: int, cell: int) -> Parts:
    """Remove cells near another part from their part, so that parts are ``gap`` pixels apart.

    Both sides lose the same width, rounded up to whole cells.
    """
    width = -(-gap // (2 * cell))
    if width == 0:
        return cells
    rows, cols = cells.shape
    padded = np.pad(cells, width, mode="edge")
    near = np.zeros(cells.shape, bool)
    for down in range(2 * width + 1):
        for across in range(2 * width + 1):
            neighbour = padded[down : down + rows, across : across + cols]
            near |= (neighbour != cells) & (neighbour != NO_PART)
    return np.where(near, np.int8(NO_PART), cells)


def with_nearest_part(cells: Parts) -> Parts:
    """Assign cells of no part to the nearest part, ring by ring."""
    cells = cells.copy()
    rows, cols = cells.shape
    while (empty := cells == NO_PART).any() and not empty.all():
        padded = np.pad(cells, 1, constant_values=NO_PART)
        for down, across in ((0, 1), (2, 1), (1, 0), (1, 2)):
            neighbour = padded[down : down + rows, across : across + cols]
            cells = np.where(empty & (cells == NO_PART), neighbour, cells)
    return cells


def block_side(indexes: Sequence[LabelIndex]) -> int:
    """Side of a block in cells: the largest that still leaves enough labelled blocks to split_scenes."""
    for side in _SIDES:
        if sum(len(_labelled_blocks(index, side)) for index in indexes) >= _ENOUGH_BLOCKS:
            return side
    return _SIDES[-1]


def _labelled_blocks(index: LabelIndex, side: int) -> npt.NDArray[np.int64]:
    return np.unique(np.stack([index.rows // side, index.cols // side], axis=1), axis=0)


def assign(
    counts: npt.NDArray[np.int64],
    shares: tuple[float, float, float],
    seed: int,
    *,
    unit: str = "block",
) -> Parts:
    """Assign units (blocks, scenes) to the parts so that each holds its share of every class.

    Of many random splits the best is taken: its shares per class are nearest to ``shares``; a part
    without a class that it could have counts as far off, most of all training.

    Parameters
    ----------
    counts : (units, classes) labelled pixels; every unit has some.
    shares : of training, validation and test; they add up to 1.
    unit : what a unit is, for the error: block or scene.

    Returns
    -------
    (units,) index into ``PARTS``.

    Raises
    ------
    OptionError
        When there are fewer units than parts.
    """
    wanted = [part for part, share in enumerate(shares) if share > 0]
    if len(counts) < len(wanted):
        more = (
            "label more places, use smaller blocks"
            if unit == "block"
            else "give more scenes, split them with `split.kind='blocks'`"
        )
        raise OptionError(
            f"The split has {len(wanted)} parts ({', '.join(PARTS[p] for p in wanted)}) but "
            f"{counted(len(counts), f'labelled {unit}')}; {more}, or set a share to 0."
        )
    rng = np.random.default_rng(seed)
    present = counts[:, counts.any(axis=0)]
    of_class = present / present.sum(axis=0)
    size = present.sum(axis=1) / present.sum()
    penalty = np.where(np.array(shares) > 0, 1.0, 0.0)
    # More than all else together: shares and other parts' absences are below 4 a class.
    penalty[TRAIN] = 4.0 * present.shape[1] + 10.0

    def error(parts: Parts) -> float:
        held = np.stack([of_class[parts == part].sum(axis=0) for part in range(len(PARTS))])
        missing = penalty[:, None] * (held == 0)
        return float(np.abs(held - np.array(shares)[:, None]).sum() + missing.sum())

    return min((_divided(rng, size, shares, wanted) for _ in range(_TRIES)), key=error)


def _divided(
    rng: np.random.Generator,
    size: npt.NDArray[np.float64],
    shares: tuple[float, float, float],
    wanted: list[int],
) -> Parts:
    """Split units at random: in random order they fill the parts in turn."""
    order = rng.permutation(len(size))
    middle = np.cumsum(size[order]) - size[order] / 2
    parts = np.empty(len(size), np.int8)
    parts[order] = np.searchsorted(np.cumsum(shares)[:-1], middle, side="right")
    # With few units a share may fall between two of them: every wanted part gets one all the same.
    spare = rng.permutation(len(size))
    for part in wanted:
        if part not in parts:
            parts[next(unit for unit in spare if (parts == parts[unit]).sum() > 1)] = part
    return parts
