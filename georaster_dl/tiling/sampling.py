"""Label counts by cell of a scene, and sampling of training windows from them.

Labels are counted once, cell by cell, on a coarse grid; everything after that (splits, class
weights, the choice of patches) works on these counts, so its memory is a thousandth of the scene's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError

__all__ = ["LabelIndex", "PatchSampler", "Sampling", "Window", "cell_side"]

Sampling = Literal["balanced", "random", "grid"]

_SMALLEST_CELL = 4
_MOST_CELLS = 40_000


def cell_side(shape: tuple[int, int]) -> int:
    """Side in pixels of the cells on which a scene of (rows, cols) is indexed, a power of two."""
    side = _SMALLEST_CELL
    while -(-shape[0] // side) * -(-shape[1] // side) > _MOST_CELLS:
        side *= 2
    return side


@dataclass(frozen=True)
class LabelIndex:
    """Labelled and valid pixels of a scene, counted cell by cell; cells without any are left out.

    Attributes
    ----------
    shape : rows, cols of the scene.
    cell : side of a cell in pixels.
    rows, cols : (k,) place of each cell, counted in cells.
    counts : (k, classes) labelled pixels of each class in the cell; for a regression one column.
    """

    shape: tuple[int, int]
    cell: int
    rows: npt.NDArray[np.int64]
    cols: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, shape: tuple[int, int], cell: int, counts: npt.NDArray[np.int64]) -> LabelIndex:
        """Make the index of dense counts (cell rows, cell cols, classes)."""
        rows, cols = np.nonzero(counts.any(axis=2))
        return cls(shape, cell, rows, cols, counts[rows, cols])

    @property
    def grid(self) -> tuple[int, int]:
        """Rows, cols of the scene counted in cells."""
        return -(-self.shape[0] // self.cell), -(-self.shape[1] // self.cell)

    @property
    def totals(self) -> npt.NDArray[np.int64]:
        """(classes,) labelled pixels of each class."""
        totals: npt.NDArray[np.int64] = self.counts.sum(axis=0, dtype=np.int64)
        return totals

    def within(self, cells: npt.NDArray[np.bool_]) -> LabelIndex:
        """Select the cells where ``cells``, of the shape of ``grid``, is True."""
        inside = cells[self.rows, self.cols]
        return replace(
            self, rows=self.rows[inside], cols=self.cols[inside], counts=self.counts[inside]
        )


@dataclass(frozen=True)
class Window:
    """A square of a scene, in pixels; it may reach beyond the scene's border."""

    scene: int
    row: int
    col: int
    side: int


class PatchSampler:
    """Sampler of windows around labelled pixels of several scenes.

    Parameters
    ----------
    indexes : one per scene, of the part (training, validation, test) to choose from.
    kind : ``balanced`` gives every class the same chance, however rare; ``random`` every labelled
        pixel; ``grid`` takes the windows of a regular grid that hold labels, in random order.
    patch : side of a patch in pixels.

    Raises
    ------
    OptionError
        When no scene has a labelled pixel.
    """

    def __init__(self, indexes: Sequence[LabelIndex], kind: Sampling, patch: int) -> None:
        self._indexes = list(indexes)
        self._kind = kind
        self._patch = patch
        sizes = [len(index.rows) for index in self._indexes]
        if not sum(sizes):
            raise OptionError(
                "There is no labelled, valid pixel to take patches from; check the labels' place, "
                "the nodata value and the split."
            )
        self._first = np.cumsum([0, *sizes])

    @cached_property
    def _cumulated(self) -> list[npt.NDArray[np.int64]]:
        """For each class that occurs, labelled pixels cumulated over all cells of all scenes."""
        counts = np.concatenate([index.counts for index in self._indexes])
        if self._kind == "random":
            counts = counts.sum(axis=1, keepdims=True)
        return [np.cumsum(of_class) for of_class in counts.T if of_class.any()]

    @cached_property
    def windows(self) -> list[Window]:
        """Windows of the grid that hold labelled pixels, scene by scene from the top left."""
        return [
            Window(scene, int(row) * self._patch, int(col) * self._patch, self._patch)
            for scene, index in enumerate(self._indexes)
            for row, col in _windows_of_cells(index, self._patch)
        ]

    def draw(self, rng: np.random.Generator, number: int, side: int) -> Window:
        """Draw window number ``number`` of an epoch, ``side`` pixels wide (a zoomed patch is wider).

        ``grid`` needs the whole order of an epoch, so it is ``order`` that shuffles it.
        """
        if self._kind == "grid":
            window = self.windows[number % len(self.windows)]
            shift = (side - self._patch) // 2
            return Window(window.scene, window.row - shift, window.col - shift, side)
        of_class = self._cumulated[int(rng.integers(len(self._cumulated)))]
        cell = int(np.searchsorted(of_class, rng.integers(of_class[-1]), side="right"))
        scene = int(np.searchsorted(self._first, cell, side="right")) - 1
        index = self._indexes[scene]
        within = cell - self._first[scene]
        # Not the cell in the middle: what is rare would always be seen there.
        reach = side // 4
        centre = [
            int(place[within]) * index.cell
            + int(rng.integers(index.cell))
            + int(rng.integers(-reach, reach + 1))
            for place in (index.rows, index.cols)
        ]
        row, col = (
            _inside(middle - side // 2, side, n)
            for middle, n in zip(centre, index.shape, strict=True)
        )
        return Window(scene, row, col, side)

    def order(self, rng: np.random.Generator, n: int) -> npt.NDArray[np.int64]:
        """Draw the order of the ``n`` windows of an epoch; every window of a grid comes before any twice."""
        if self._kind != "grid":
            return np.arange(n)
        count = len(self.windows)
        rounds = [rng.permutation(count) for _ in range(-(-n // count))]
        return np.concatenate(rounds)[:n]


def _inside(start: int, side: int, n: int) -> int:
    """Move ``start`` so that a window of ``side`` is inside ``n`` pixels, or contains all of them."""
    low, high = min(0, n - side), max(0, n - side)
    return min(max(start, low), high)


def _windows_of_cells(index: LabelIndex, patch: int) -> npt.NDArray[np.int64]:
    """(n, 2) row and col, counted in patches, of every window that a cell of the index meets."""
    cells = np.stack([index.rows, index.cols], axis=1) * index.cell
    first = cells // patch
    last = (np.minimum(cells + index.cell, index.shape) - 1) // patch
    steps = np.arange(int((last - first).max(initial=0)) + 1)
    shifts = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(1, -1, 2)
    windows = first[:, None] + shifts
    met = (windows <= last[:, None]).all(axis=2)
    return np.unique(windows[met], axis=0)
