"""Labelled pixels of scenes, spread over blocks, and two halves of the blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.core.wording import counted, listed
from georaster_dl.evaluation.inputs.matching import match_classes
from georaster_dl.io.blocks import chunks
from georaster_dl.io.labels.read import (
    ClassLabels,
    is_vector,
    open_class_labels,
    read_features,
    read_legend,
)
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.tiling.pixels import PixelPlaces
from georaster_dl.tiling.sampling import LabelIndex, cell_side
from georaster_dl.tiling.split_blocks import TEST, assign, block_side

__all__ = ["LabelledPixels", "SceneLabels", "choose_pixels", "open_labels"]

FEWEST_PIXELS = 100
FEWEST_BLOCKS = 10
_STRIP_PIXELS = 2**22
_MOST_LISTED = 12

_Ints = npt.NDArray[np.int64]
_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SceneLabels:
    """Labels on a scene's grid, as indexes of a model's classes.

    Attributes
    ----------
    name : of the scene.
    shape : rows, cols of the scene.
    labels : as the file has them.
    lookup : (classes of the file + 1,) index of the model's class; -1 for none, the last entry.
    """

    name: str
    shape: tuple[int, int]
    labels: ClassLabels
    lookup: npt.NDArray[np.int16]

    def strips(self, multiple: int) -> Iterator[tuple[slice, npt.NDArray[np.int16]]]:
        """Yield strips of rows and their classes (rows, cols), -1 where there is no label.

        Parameters
        ----------
        multiple : of which a strip's height is one.
        """
        height = max(1, _STRIP_PIXELS // self.shape[1] // multiple) * multiple
        with self.labels as labels:
            for rows in chunks(self.shape[0], height):
                yield rows, self.lookup[labels.read(rows, slice(0, self.shape[1]))]

    def counted(self, classes: int) -> LabelIndex:
        """Count the labelled pixels of each class, cell by cell."""
        cell = cell_side(self.shape)
        down, across = (-(-length // cell) for length in self.shape)
        counts = np.zeros((down, across, classes), np.int64)
        for rows, target in self.strips(cell):
            row, col = (target >= 0).nonzero()
            place = ((row + rows.start) // cell, col // cell, target[row, col])
            np.add.at(counts, place, 1)
        return LabelIndex.of(self.shape, cell, counts)


@dataclass(frozen=True, eq=False)
class LabelledPixels:
    """Labelled pixels of one scene.

    Attributes
    ----------
    places : of the n pixels in the scene.
    target : (n,) index of the model's class.
    block : (n,) number of the block that each lies in; no two scenes share one.
    half : (n,) whether the block belongs to the second half of the blocks.
    side : of a block, in pixels.
    """

    places: PixelPlaces
    target: _Ints
    block: _Ints
    half: _Mask
    side: int


def open_labels(
    scenes: Sequence[Scene], files: Sequence[Path], legend: Legend, options: LabelOptions
) -> list[SceneLabels]:
    """Open the labels of scenes as classes of a model.

    Parameters
    ----------
    files : of each scene; one may serve several.
    legend : of the model.

    Raises
    ------
    OptionError
        When the labels have classes that the model has not, or cannot be used.
    """
    unique = list(dict.fromkeys(files))
    theirs = read_legend(unique, options)
    text = any(is_vector(file) and _is_text(file, options) for file in unique)
    matching = match_classes(legend, theirs, text=text, background=options.background)
    if matching.reference_only:
        raise OptionError(
            f"The labels have {listed(matching.reference_only, _MOST_LISTED)}, which the model has not; its classes are "
            f"{listed(legend.names, _MOST_LISTED)}. Leave such labels out (`ignore=`), or name the classes as the "
            f"model does (`classes=`)."
        )
    lookup = np.append(matching.lookup, np.int16(-1))
    return [
        SceneLabels(
            scene.name,
            scene.shape,
            open_class_labels(file, scene.geobox, theirs, options),
            lookup,
        )
        for scene, file in zip(scenes, files, strict=True)
    ]


def _is_text(file: Path, options: LabelOptions) -> bool:
    labels = read_features(file, options)["label"].dropna()
    return len(labels) > 0 and isinstance(labels.iloc[0], str)


def choose_pixels(
    scenes: Sequence[SceneLabels], classes: int, *, most: int, seed: int
) -> list[LabelledPixels]:
    """Choose labelled pixels at random, spread over blocks, and cut the blocks into two halves.

    Parameters
    ----------
    classes : of the model.
    most : pixels of all scenes together, about.

    Raises
    ------
    OptionError
        When the labels are too few, or lie in too few blocks.
    """
    indexes = [scene.counted(classes) for scene in scenes]
    pixels = sum(int(index.totals.sum()) for index in indexes)
    if pixels < FEWEST_PIXELS:
        raise OptionError(
            f"There are {counted(pixels, 'labelled pixel')} on {scenes[0].name}"
            f"{' and the other scenes' if len(scenes) > 1 else ''}, but a calibration needs at least "
            f"{FEWEST_PIXELS}; label more, or give points and lines a width (`width_m=`)."
        )
    side = block_side(indexes)
    grids = [_BlockGrid(index, side) for index in indexes]
    counts = np.concatenate([grid.counts for grid in grids])
    if len(counts) < FEWEST_BLOCKS:
        raise OptionError(
            f"The labels lie in {counted(len(counts), 'block')} of {side * indexes[0].cell} pixels a side, but "
            f"at least {FEWEST_BLOCKS} are needed, so that each half can be judged by the other; label more places."
        )
    half = assign(counts, (0.5, 0.0, 0.5), seed) == TEST
    share = _shares(counts.sum(axis=1), most)
    chosen, first = [], 0
    for number, (scene, grid) in enumerate(zip(scenes, grids, strict=True)):
        of_scene = slice(first, first + len(grid.counts))
        rng = np.random.default_rng([seed, number])
        chosen.append(grid.drawn(scene, share[of_scene], half[of_scene], first, rng))
        first = of_scene.stop
    return chosen


class _BlockGrid:
    """Labelled blocks of a scene.

    Parameters
    ----------
    side : of a block, in cells.

    Attributes
    ----------
    counts : (blocks, classes) labelled pixels.
    """

    def __init__(self, index: LabelIndex, side: int) -> None:
        self._side = side * index.cell
        self._cell = index.cell
        down, across = (-(-length // side) for length in index.grid)
        place = index.rows // side * across + index.cols // side
        labelled, number = np.unique(place, return_inverse=True)
        self.counts = np.zeros((len(labelled), index.counts.shape[1]), np.int64)
        np.add.at(self.counts, number, index.counts)
        self._across = across
        self._number = np.full(down * across, -1, np.int64)
        self._number[labelled] = np.arange(len(labelled))

    def drawn(
        self,
        scene: SceneLabels,
        share: npt.NDArray[np.float64],
        half: _Mask,
        first: int,
        rng: np.random.Generator,
    ) -> LabelledPixels:
        """Draw a share of the labelled pixels of each block.

        Parameters
        ----------
        share, half : (blocks,).
        first : number of the scene's first block.
        """
        parts: list[tuple[npt.NDArray[np.integer], ...]] = []
        for rows, target in scene.strips(self._cell):
            row, col = (target >= 0).nonzero()
            place = (row + rows.start) // self._side * self._across + col // self._side
            block = self._number[place]
            taken = rng.random(len(block)) < share[block]
            row, col, block = row[taken], col[taken], block[taken]
            parts.append((row + rows.start, col, target[row, col], block))
        row, col, true, block = (
            np.concatenate(part).astype(np.int64) for part in zip(*parts, strict=True)
        )
        places = PixelPlaces(row, col)
        return LabelledPixels(places, true, block + first, half[block], self._side)


def _shares(pixels: _Ints, most: int) -> npt.NDArray[np.float64]:
    """Compute the share of each block's pixels to take: all of small blocks, equal numbers of large blocks."""
    ordered = np.sort(pixels)
    left = most - np.concatenate([[0], ordered.cumsum()[:-1]])
    quotas = left / np.arange(len(ordered), 0, -1)
    full = quotas >= ordered
    quota = np.inf if full.all() else max(quotas[np.argmin(full)], 1.0)
    return np.minimum(1.0, quota / pixels)
