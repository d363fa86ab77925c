"""Polygons whose fractions are known only together: each of them in a single part of the split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.tiling.split_blocks import ALL_PARTS, PARTS, TEST, SplitMask
from georaster_dl.training.data.cache import CachedScene
from georaster_dl.training.data.split import Owners, Split

__all__ = ["whole_polygons"]

_FEWEST = 2  # polygons that a score needs

Counts = npt.NDArray[np.int64]


def whole_polygons(split: Split) -> Split:
    """Give each polygon to the part that has most of its pixels; elsewhere it is unlabelled.

    Its fractions, which are those of all its pixels, would else be learnt in one part and tested in another.

    Raises
    ------
    OptionError
        When training or validation is left with fewer than two polygons.
    """
    pieces = [_pieces(*pair) for pair in zip(split.scenes, split.masks, strict=True)]
    of_file = {}
    for file in dict.fromkeys(scene.labels for scene in split.scenes):
        same = [p for p, s in zip(pieces, split.scenes, strict=True) if s.labels == file]
        of_file[file] = _owners(np.concatenate(same))
    _check_enough(of_file, split.note)
    owners = tuple(of_file[scene.labels] for scene in split.scenes)
    scenes = (_owned(*each) for each in zip(split.scenes, pieces, owners, strict=True))
    return replace(split, scenes=tuple(scenes), owners=owners)


def _pieces(scene: CachedScene, mask: SplitMask) -> Counts:
    """(n, 4): cell of the scene's index, its part, a polygon, and the polygon's pixels in the cell."""
    found = []
    index = scene.index
    for number, place in enumerate(zip(index.rows.tolist(), index.cols.tolist(), strict=True)):
        window = (
            slice(first * index.cell, min((first + 1) * index.cell, n))
            for first, n in zip(place, index.shape, strict=True)
        )
        polygons = scene.cache.read(*window)[2][-1]
        held, pixels = np.unique(polygons[np.isfinite(polygons)], return_counts=True)
        part = int(mask.parts[place])
        found += [(number, part, int(p), int(n)) for p, n in zip(held, pixels, strict=True)]
    return np.array(found, np.int64).reshape(-1, 4)


def _owners(pieces: Counts) -> Owners:
    """(polygons,) part with most of a polygon's pixels; NO_PART where no part has any."""
    pixels = np.zeros((int(pieces[:, 2].max(initial=-1)) + 1, len(ALL_PARTS)), np.int64)
    _, part, polygon, n = pieces[pieces[:, 1] >= 0].T
    np.add.at(pixels, (polygon, part), n)
    return np.where(pixels.any(axis=1), pixels.argmax(axis=1), -1).astype(np.int8)


def _owned(scene: CachedScene, pieces: Counts, owner: Owners) -> CachedScene:
    """Count only the pixels of polygons that belong to the part of their cell."""
    cell, part, polygon, n = pieces.T
    kept = owner[polygon] == part
    counts = np.bincount(cell[kept], n[kept], minlength=len(scene.index.rows)).astype(np.int64)
    some = counts > 0
    index = replace(
        scene.index,
        rows=scene.index.rows[some],
        cols=scene.index.cols[some],
        counts=counts[some, None],
    )
    return replace(scene, index=index)


def _check_enough(of_file: Mapping[Path | None, Owners], note: str) -> None:
    for part, name in enumerate(PARTS):
        n = sum(int((owner == part).sum()) for owner in of_file.values())
        if part != TEST and n < _FEWEST:
            raise OptionError(
                f"The split leaves {counted(n, 'polygon')} for {name} ({note}), but {_FEWEST} or more are needed; use "
                f"smaller blocks, a smaller buffer, or label more polygons."
            )
